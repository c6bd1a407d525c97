package projectionstest

import (
	"slices"
	"testing"
	"time"

	"binnacle/projections"
)

func history(t *testing.T, g projections.Generations) {
	w := newWorld(t, g.Live(), 0)
	k := key("Patient", "1")
	var all []projections.Version
	for i := range 6 {
		if i == 3 {
			all = append(all, w.remove(k))
		} else {
			all = append(all, w.put(k, 0))
		}
		w.put(key("Patient", "10"), 0)
		w.commit()
	}
	at := func(i int) time.Time { return all[i].Time }
	back := func(numbers ...int64) []projections.Version {
		var list []projections.Version
		for _, n := range numbers {
			list = append(list, all[n-1])
		}
		return list
	}
	for _, c := range []struct {
		what  string
		span  projections.HistorySpan
		want  []projections.Version
		more  bool
		total int64
	}{
		{"all", projections.HistorySpan{Limit: 10}, back(6, 5, 4, 3, 2, 1), false, 6},
		{"a page", projections.HistorySpan{Limit: 2}, back(6, 5), true, 6},
		{"the next page", projections.HistorySpan{Limit: 2, Before: 5}, back(4, 3), true, 6},
		{"the last page", projections.HistorySpan{Limit: 2, Before: 3}, back(2, 1), false, 6},
		{"beyond the last", projections.HistorySpan{Limit: 2, Before: 1}, nil, false, 6},
		{"one version", projections.HistorySpan{Limit: 1, Number: 4}, back(4), false, 1},
		{"a version never written", projections.HistorySpan{Limit: 1, Number: 7}, nil, false, 0},
		{"since", projections.HistorySpan{Limit: 10, Since: at(4)}, back(6, 5), false, 2},
		{"at", projections.HistorySpan{Limit: 10, At: at(2).Add(time.Millisecond)}, back(3), false, 1},
		{"at the very moment", projections.HistorySpan{Limit: 10, At: at(2)}, back(3), false, 1},
		{"before it was", projections.HistorySpan{Limit: 10, At: at(0).Add(-time.Millisecond)}, nil, false, 0},
		{"during a time", projections.HistorySpan{Limit: 10, At: at(2), Until: at(5)}, back(5, 4, 3), false, 3},
		{"during a time between two", projections.HistorySpan{Limit: 10, At: at(2).Add(time.Millisecond),
			Until: at(2).Add(2 * time.Millisecond)}, back(3), false, 1},
		{"during a time that ends when the first comes",
			projections.HistorySpan{Limit: 10, At: at(0).Add(-time.Hour), Until: at(0)}, nil, false, 0},
		{"during a time before the first and after", projections.HistorySpan{Limit: 1, At: at(0).Add(-time.Hour),
			Until: at(2)}, back(2), true, 2},
		{"only the total", projections.HistorySpan{}, nil, true, 6},
	} {
		page, err := w.index.History(testContext(t), k, c.span)
		if err != nil {
			t.Fatalf("%s: %v", c.what, err)
		}
		if !slices.Equal(page.Versions, c.want) || page.More != c.more || page.Total != c.total {
			t.Errorf("%s: got %v, more %t, total %d; want %v, %t, %d", c.what, names(page.Versions), page.More,
				page.Total, names(c.want), c.more, c.total)
		}
	}
	if page, err := w.index.History(testContext(t), key("Patient", "2"),
		projections.HistorySpan{Limit: 1}); err != nil || page.Total != 0 || page.More {
		t.Errorf("the history of a resource never known is %+v, %v", page, err)
	}
}
