package projectionstest

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"binnacle/events"
	"binnacle/projections"
)

// IndexPages compares random searches with a slow evaluator, where each page comes from another of several indexes that
// hold the same and plan differently: what a planner knows, on the same node or on another, changes from page to page,
// and no version may be lost or told twice for it.
func IndexPages(t *testing.T, open map[string]func(t testing.TB) projections.Generations, first, last uint64) {
	for seed := first; seed < last; seed++ {
		t.Run(fmt.Sprintf("pages that are found in different ways follow each other, seed %d", seed),
			func(t *testing.T) {
				m := maker{rand.New(rand.NewPCG(seed, 5))}
				all := &mixed{maker: m}
				for _, name := range slices.Sorted(maps.Keys(open)) { // a seed asks the same of the same
					all.indexes = append(all.indexes, open[name](t).Live())
				}
				all.Index = all.indexes[0]
				w := newWorld(t, all, 0)
				for range 6 {
					w.scribble(m, 25, false)
				}
				for range 120 {
					q := m.query(ids, w.now.UnixMicro())
					q.Limit = pick(m, 2, 3, 7)
					if all.refused(t, q) {
						continue
					}
					found, first := w.all(q, func() {
						if m.IntN(12) == 0 {
							w.scribble(m, 1+m.IntN(3), false)
						}
					})
					w.compare(q, found, first)
				}
			})
	}
}

// mixed are indexes that hold the same; a search is answered by any of them.
type mixed struct {
	projections.Index
	maker   maker
	indexes []projections.Index
}

func (x *mixed) Commit(ctx context.Context, c projections.Commit) error {
	for _, index := range x.indexes {
		if err := index.Commit(ctx, c); err != nil {
			return err
		}
	}
	return nil
}

func (x *mixed) Search(ctx context.Context, q projections.Query) (projections.Page, error) {
	return pick(x.maker, x.indexes...).Search(ctx, q)
}

// refused tells whether a search costs too much for one of the indexes.
func (x *mixed) refused(t *testing.T, q projections.Query) bool {
	for _, index := range x.indexes {
		if _, err := index.Search(testContext(t), q); events.KindOf(err) == events.TooCostly {
			return true
		}
	}
	return false
}
