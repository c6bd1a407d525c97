package postgres

import (
	"context"
	"maps"
	"slices"

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

func (g *Generations) all() []*generation {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Collect(maps.Values(g.opened))
}
