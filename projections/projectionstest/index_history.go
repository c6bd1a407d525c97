package projectionstest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"binnacle/events"
	"binnacle/projections"
)

// expectSpan is the model's answer to a span: its page, and how many versions it has in all.
func (w *world) expectSpan(span projections.Span) (page []projections.Past, total int64) {
	closed := map[int64]time.Time{} // when a version was superseded
	for _, r := range w.rows {
		if r.Supersedes != 0 && (span.Before == 0 || r.Sid < span.Before) {
			closed[r.Supersedes] = r.Time
		}
	}
	for _, r := range w.rows {
		past, known := closed[r.Sid]
		listed := span.Listed == nil || slices.ContainsFunc(span.Listed, func(l projections.Listed) bool {
			return l.Type == r.Type && l.ID == r.ID && (l.Number == 0 || l.Number == r.Number)
		})
		switch {
		case r.Tenant != span.Tenant, !slices.Contains(span.Types, r.Type), !listed,
			span.Key != (projections.Key{}) && span.Key != r.Key,
			r.Sid < span.From, span.To != 0 && r.Sid >= span.To, span.Before != 0 && r.Sid >= span.Before,
			!span.Since.IsZero() && r.Time.Before(span.Since),
			!span.At.IsZero() && known && !past.After(span.At),
			!span.At.IsZero() && span.Until.IsZero() && r.Time.After(span.At),
			!span.Until.IsZero() && !r.Time.Before(span.Until):
			continue
		}
		page = append(page, projections.Past{Version: r.Version, Revives: r.Revives})
	}
	total = int64(len(page))
	if !span.Oldest {
		slices.Reverse(page)
	}
	return page[:min(len(page), span.Limit)], total
}

// pasts names versions, those with an exclamation mark that revive.
func pasts(versions []projections.Past) (list []string) {
	for _, v := range versions {
		name := fmt.Sprintf("%d:%s/%s/%d", v.Sid, v.Type, v.ID, v.Number)
		if v.Revives {
			name += "!"
		}
		list = append(list, name)
	}
	return list
}

// checkSpan holds a page against the model, and returns it.
func (w *world) checkSpan(span projections.Span) projections.SpanPage {
	w.t.Helper()
	span.Partition = w.partition
	page, err := w.index.Versions(testContext(w.t), span)
	if err != nil {
		w.t.Fatalf("Versions(%+v): %v", span, err)
	}
	want, total := w.expectSpan(span)
	if !slices.Equal(page.Versions, want) && len(page.Versions)+len(want) > 0 {
		w.t.Fatalf("Versions(%+v): got %v, want %v", span, pasts(page.Versions), pasts(want))
	}
	if more := total > int64(len(want)); page.More != more || page.Before > w.sid+1 ||
		span.Before != 0 && page.Before != span.Before {
		w.t.Fatalf("Versions(%+v): got more %t before %d of %d, want %t", span, page.More, page.Before, w.sid+1, more)
	}
	if !span.Count {
		total = -1
	}
	if page.Total != total {
		w.t.Fatalf("Versions(%+v): got total %d, want %d", span, page.Total, total)
	}
	return page
}

func history(t *testing.T, g projections.Generations) {
	w := newWorld(t, g.Live(), 0)
	k, other := key("Patient", "1"), key("Patient", "10")
	var all []projections.Version
	for i := range 6 {
		if i == 3 {
			all = append(all, w.remove(k))
		} else {
			all = append(all, w.put(k, 0))
		}
		w.put(other, 0)
		w.commit()
	}
	at := func(i int) time.Time { return all[i].Time }
	for what, span := range map[string]projections.Span{
		"all":                        {Limit: 10},
		"a page":                     {Limit: 2},
		"the next page":              {Limit: 2, To: all[4].Sid},
		"the page before":            {Limit: 2, From: all[2].Sid + 1, Oldest: true},
		"the last page":              {Limit: 2, To: all[2].Sid},
		"beyond the last":            {Limit: 2, To: all[0].Sid},
		"the oldest":                 {Limit: 2, Oldest: true},
		"since":                      {Limit: 10, Since: at(4)},
		"since tomorrow":             {Limit: 10, Since: at(5).Add(24 * time.Hour)},
		"at":                         {Limit: 10, At: at(2).Add(time.Millisecond)},
		"at the very moment":         {Limit: 10, At: at(2)},
		"before it was":              {Limit: 10, At: at(0).Add(-time.Millisecond)},
		"during a time":              {Limit: 10, At: at(2), Until: at(5)},
		"during a time between two":  {Limit: 10, At: at(2).Add(time.Millisecond), Until: at(2).Add(2 * time.Millisecond)},
		"until the first comes":      {Limit: 10, At: at(0).Add(-time.Hour), Until: at(0)},
		"before the first and after": {Limit: 1, At: at(0).Add(-time.Hour), Until: at(2)},
		"at, and since":              {Limit: 10, At: at(2), Until: at(5), Since: at(4)},
		"only the total":             {},
		"one that is listed":         {Limit: 10, Listed: []projections.Listed{{Type: "Patient", ID: "1"}}},
		"a version that is listed": {Limit: 10, Listed: []projections.Listed{{Type: "Patient", ID: "1", Number: 4},
			{Type: "Patient", ID: "10", Number: 2}, {Type: "Group", ID: "1"}, {Type: "Patient", ID: "nobody"}}},
		"nothing is listed": {Limit: 10, Listed: []projections.Listed{}},
	} {
		t.Log(what)
		span.Tenant, span.Types, span.Count = "main", []string{"Patient"}, true
		w.checkSpan(span)
		if span.Listed == nil {
			span.Key = k
			w.checkSpan(span)
			span.Key = key("Patient", "2")
			w.checkSpan(span)
		}
	}
	_, err := w.index.Versions(testContext(t), projections.Span{Tenant: "main", Types: []string{"Patient"},
		Before: w.sid + 2, Limit: 1})
	wantKind(t, err, events.Transient, "a page of what is not projected")
	for number, want := range append([]projections.Version{{}}, append(all, projections.Version{})...) {
		got, err := w.index.Version(testContext(t), k, int64(number))
		if err != nil || got != want {
			t.Errorf("version %d is %+v (%v), want %+v", number, got, err, want)
		}
	}
}

// everyType is more types than an index asks one by one.
var everyType = []string{"Account", "Device", "Encounter", "Group", "Observation", "Organization", "Patient"}

// span is a random one, of what the scribbles of a world have written.
func (m maker) span(w *world) projections.Span {
	s := projections.Span{Tenant: pick(m, "main", "main", "other"), Limit: pick(m, 0, 1, 3, 20, 500),
		Oldest: m.IntN(2) == 0, Count: m.IntN(2) == 0}
	s.Types = pick(m, everyType, []string{"Observation"}, []string{"Patient", "Organization"},
		[]string{"Group"}, []string{"Patient", "Patient"}, nil)
	moment := func() time.Time {
		return w.rows[m.IntN(len(w.rows))].Time.Add(time.Duration(m.IntN(5)-2) * time.Millisecond)
	}
	first := int64(w.partition)<<projections.SidBits + 1
	if m.IntN(4) == 0 {
		s.Since = moment()
	}
	switch m.IntN(6) {
	case 0:
		s.At = moment()
	case 1:
		s.At = moment()
		s.Until = s.At.Add(time.Duration(1+m.IntN(60)) * time.Millisecond)
	}
	if m.IntN(4) == 0 {
		s.From = first + m.Int64N(w.sid-first+1)
	}
	if m.IntN(4) == 0 {
		s.Before = first + m.Int64N(w.sid-first+2)
	}
	if m.IntN(4) == 0 {
		s.To = first + m.Int64N(w.sid-first+2)
	}
	switch m.IntN(5) {
	case 0:
		s.Key = projections.Key{Tenant: s.Tenant, Type: "Observation", ID: fmt.Sprint(m.IntN(20))}
		s.Types = []string{"Observation"}
	case 1:
		s.Listed = []projections.Listed{}
		for range m.IntN(8) {
			s.Listed = append(s.Listed, projections.Listed{Type: pick(m, "Observation", "Patient", "Group"),
				ID: fmt.Sprint(m.IntN(ids)), Number: pick[int64](m, 0, 0, 1, 2, 3)})
		}
	}
	return s
}

// randomHistories holds random spans against the model, page by page and back, while others write.
func randomHistories(t *testing.T, g projections.Generations) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	m := maker{rand.New(rand.NewPCG(seed, 4))}
	w := newWorld(t, g.Live(), int32(seed%3))
	for range 8 {
		w.scribble(m, 40, false)
	}
	for i := range 150 {
		span := m.span(w)
		page := w.checkSpan(span)
		if span.Before = page.Before; i%5 == 0 {
			w.scribble(m, 1+m.IntN(4), false)
		}
		for span.Limit > 0 && page.More {
			last := page.Versions[len(page.Versions)-1].Sid
			if span.Oldest {
				span.From = last + 1
			} else {
				span.To = last
			}
			page = w.checkSpan(span)
		}
	}
}

// manyListed writes more versions of two resources than a list may name.
func manyListed(t *testing.T, g projections.Generations) {
	w := newWorld(t, g.Live(), 0)
	a, b := key("Patient", "a"), key("Patient", "b")
	for w.sid < 120_000 {
		for range 2_500 {
			w.put(a, 0)
			w.put(b, 0)
		}
		w.commit()
	}
	span := projections.Span{Tenant: "main", Types: []string{"Patient"}, Limit: 3, Count: true,
		Listed: []projections.Listed{{Type: "Patient", ID: "a"}}}
	w.checkSpan(span)
	span.Listed = append(span.Listed, projections.Listed{Type: "Patient", ID: "b"})
	_, err := w.index.Versions(testContext(t), span)
	wantKind(t, err, events.TooCostly, "a list of 120,000 versions")
	span.Since = w.rows[len(w.rows)/2].Time
	w.checkSpan(span)
}
