package projectionstest

import (
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"binnacle/events"
	"binnacle/projections"
)

// searchesAtOnce asks many random searches from several goroutines at once, all as of one snapshot, while versions are
// written: what searches share in memory must not let one disturb another.
func searchesAtOnce(t *testing.T, g projections.Generations) {
	index := g.Live()
	m := maker{rand.New(rand.NewPCG(17, 5))}
	w := newWorld(t, index, 0)
	for range 6 {
		w.scribble(m, 25, false)
	}
	snapshot := w.search(projections.Query{Tenant: "main", Type: "Observation", Limit: 1}).Snapshot
	type question struct {
		projections.Query
		want []projections.Version
	}
	var questions []question
	for len(questions) < 40 {
		q := m.query(ids, w.now.UnixMicro())
		q.Snapshot, q.Limit = snapshot, 500
		if _, err := index.Search(testContext(t), q); events.KindOf(err) != events.TooCostly {
			questions = append(questions, question{q, w.expect(q, snapshot)})
		}
	}
	ctx := testContext(t)
	var searchers sync.WaitGroup
	for n := range 6 {
		searchers.Go(func() {
			for _, place := range rand.New(rand.NewPCG(uint64(n), 0)).Perm(len(questions)) {
				q := questions[place]
				page, err := index.Search(ctx, q.Query)
				if err != nil || !slices.Equal(page.Versions, q.want) {
					t.Errorf("query %+v beside others\nplan %s\ngot  %v, %v\nwant %v", q.Query, page.Plan,
						names(page.Versions), err, names(q.want))
				}
			}
		})
	}
	for range 10 {
		w.scribble(m, 3, false)
	}
	searchers.Wait()
}
