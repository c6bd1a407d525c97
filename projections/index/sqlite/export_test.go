package sqlite

import (
	"context"
	"maps"
	"slices"

	"binnacle/projections/index/sets"
	"binnacle/projections/index/sql"
	"binnacle/projections/projectionstest"
)

var _ projectionstest.Warmer = (*Generations)(nil)

// Chill forgets the sets.
func (g *Generations) Chill() {
	for _, o := range g.all() {
		o.engine.Sets.Forget()
	}
}

// Settle waits until no sets are being read.
func (g *Generations) Settle(ctx context.Context) error {
	for _, o := range g.all() {
		if err := o.engine.Sets.Idle(ctx); err != nil {
			return err
		}
	}
	return nil
}

// ReadSetsOn has the sets of a generation read on another DB.
func (g *Generations) ReadSetsOn(number int, wrap func(sql.DB) sql.DB) {
	opened := g.open(number)
	opened.engine.Sets = sets.New(wrap(g.reader), g.bounds)
}

func (g *Generations) all() []*generation {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Collect(maps.Values(g.opened))
}
