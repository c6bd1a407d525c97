package projectionstest

import (
	"context"
	"crypto/sha256"
	"fmt"
	"iter"
	"slices"
	"testing"
	"time"

	"binnacle/events"
	"binnacle/projections"
)

// world writes versions into an index as the projector does and remembers them: the model that the index is held
// against.
type world struct {
	t         *testing.T
	index     projections.Index
	partition int32
	offset    int64
	sid       int64
	now       time.Time
	rows      []projections.Row // everything written, in the order of the Sids
	current   map[projections.Key]projections.Row
	pending   []projections.Row
	outcomes  []events.Outcome
}

func newWorld(t *testing.T, index projections.Index, partition int32) *world {
	t.Helper()
	return &world{
		t: t, index: index, partition: partition, sid: int64(partition) << projections.SidBits,
		now:     time.Date(2024, 5, 1, 10, 0, 0, 0, time.UTC),
		current: map[projections.Key]projections.Row{},
	}
}

func testContext(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// add queues a version of a resource; no terms and deleted for a deletion.
func (w *world) add(key projections.Key, main int64, deleted bool, terms ...projections.Term) projections.Version {
	w.sid++
	before := w.current[key]
	v := projections.Version{
		Key: key, Sid: w.sid, Number: before.Number + 1,
		Position: events.Position{Partition: w.partition, Offset: w.offset + int64(len(w.pending))},
		Change:   len(w.pending) % 3, Time: w.now, Deleted: deleted, Posted: before.Number == 0 && w.sid%2 == 1,
		Patched: before.Alive() && !deleted && w.sid%3 == 0,
	}
	if !deleted {
		v.Hash = sha256.Sum256(fmt.Appendf(nil, "%v %d", key, v.Number))
	}
	row := projections.Row{Version: v, Supersedes: before.Sid, Revives: before.Deleted, Terms: terms, MainDate: main}
	if deleted {
		row.Terms, row.MainDate = nil, projections.MinTime
	}
	w.current[key] = row
	w.pending = append(w.pending, row)
	return v
}

func (w *world) put(key projections.Key, main int64, terms ...projections.Term) projections.Version {
	return w.add(key, main, false, terms...)
}

func (w *world) remove(key projections.Key) projections.Version {
	return w.add(key, projections.MinTime, true)
}

// take returns the queued versions as a commit.
func (w *world) take() projections.Commit {
	c := projections.Commit{
		Partition: w.partition, Expect: w.offset, Next: w.offset + int64(len(w.pending)) + 1, Time: w.now,
		Rows: w.pending, Outcomes: w.outcomes,
	}
	w.rows = append(w.rows, w.pending...)
	w.offset, w.pending, w.outcomes = c.Next, nil, nil
	return c
}

// commit writes what is queued. Later versions are a few milliseconds younger.
func (w *world) commit() {
	w.t.Helper()
	if err := w.index.Commit(testContext(w.t), w.take()); err != nil {
		w.t.Fatalf("Commit: %v", err)
	}
	w.now = w.now.Add(7 * time.Millisecond)
}

// expect is the model's answer to a query at a snapshot: all matches in order.
func (w *world) expect(q projections.Query, snapshot int64) []projections.Version {
	latest := map[projections.Key]projections.Row{}
	for _, r := range w.rows {
		if r.Sid <= snapshot {
			latest[r.Key] = r
		}
	}
	current := func(resourceType string) iter.Seq[projections.Row] {
		return func(yield func(projections.Row) bool) {
			for key, r := range latest {
				if key.Tenant == q.Tenant && key.Type == resourceType && !r.Deleted && !yield(r) {
					return
				}
			}
		}
	}
	var found []projections.Row
	for r := range current(q.Type) {
		if projections.MatchesAmong(q, r.Version, r.Terms, current) {
			found = append(found, r)
		}
	}
	slices.SortFunc(found, func(a, b projections.Row) int { return projections.Compare(q, a, b) })
	versions := make([]projections.Version, len(found))
	for i := range found {
		versions[i] = found[i].Version
	}
	return versions
}

// search fails the test on an error.
func (w *world) search(q projections.Query) projections.Page {
	w.t.Helper()
	q.Partition = w.partition
	page, err := w.index.Search(testContext(w.t), q)
	if err != nil {
		w.t.Fatalf("Search(%+v): %v", q, err)
	}
	return page
}

// all reads every page of a query, at the snapshot of the first; between pages it calls each, when there is one.
func (w *world) all(q projections.Query, each func()) ([]projections.Version, projections.Page) {
	w.t.Helper()
	first := w.search(q)
	found, page := first.Versions, first
	for page.Next != "" {
		if each != nil {
			each()
		}
		q.After, q.Snapshot = page.Next, page.Snapshot
		page = w.search(q)
		if page.Snapshot != first.Snapshot {
			w.t.Fatalf("a later page was read at snapshot %d, the first at %d", page.Snapshot, first.Snapshot)
		}
		if len(page.Versions) == 0 {
			w.t.Fatalf("a page after the first is empty: %+v", q)
		}
		found = append(found, page.Versions...)
	}
	w.back(q, found, page)
	return found, first
}

// back walks from the last page of a query to its first, at the same snapshot: each page ends where the one after it
// begins.
func (w *world) back(q projections.Query, found []projections.Version, page projections.Page) {
	w.t.Helper()
	if q.Limit == 0 {
		return
	}
	q.Snapshot, q.Total, q.Back = page.Snapshot, projections.TotalNone, true
	rest := found[:len(found)-len(page.Versions)]
	for page.After != "" {
		next := page.After
		q.After = next
		page = w.search(q)
		from := max(0, len(rest)-q.Limit)
		if !slices.Equal(page.Versions, rest[from:]) || page.Next != next || (page.After == "") != (from == 0) {
			w.t.Fatalf("backwards, query %+v\nplan %s\ngot  %v\nwant %v\nits beginning %q, its end %q", q, page.Plan,
				names(page.Versions), names(rest[from:]), page.After, page.Next)
		}
		rest = rest[:from]
	}
	q.After = ""
	if last := w.search(q); !slices.Equal(last.Versions, found[max(0, len(found)-q.Limit):]) || last.Next != "" {
		w.t.Fatalf("the last page of query %+v\nplan %s\ngot  %v\nof   %v", q, last.Plan, names(last.Versions),
			names(found))
	}
}

// check compares the pages of a query with the model.
func (w *world) check(q projections.Query) {
	w.t.Helper()
	found, first := w.all(q, nil)
	w.compare(q, found, first)
}

func (w *world) compare(q projections.Query, got []projections.Version, first projections.Page) {
	w.t.Helper()
	want := w.expect(q, first.Snapshot)
	if !slices.Equal(got, want) {
		w.t.Fatalf("query %+v\nplan %s\ngot  %v\nwant %v", q, first.Plan, names(got), names(want))
	}
	if exact := int64(len(want)); first.Total != -1 && first.Total != exact && q.Total != projections.TotalEstimate {
		w.t.Fatalf("query %+v: total %d, want %d", q, first.Total, exact)
	}
	if q.Total == projections.TotalAccurate && first.Total == -1 {
		w.t.Fatalf("query %+v: no total", q)
	}
}

func names(versions []projections.Version) []string {
	list := make([]string, len(versions))
	for i, v := range versions {
		list[i] = fmt.Sprintf("%s@%d(%d)", v.ID, v.Number, v.Sid&0xffff)
	}
	return list
}

func key(resourceType, id string) projections.Key {
	return projections.Key{Tenant: "main", Type: resourceType, ID: id}
}

func day(year, month, date int) int64 {
	return time.Date(year, time.Month(month), date, 0, 0, 0, 0, time.UTC).UnixMicro()
}

const aDay = int64(24 * time.Hour / time.Microsecond)
