//go:build faults

package postgres

import (
	"testing"

	"binnacle/projections/index/sets"
	"binnacle/projections/projectionstest"
)

func TestSearchesOfNewSeedsFindWhatTheModelFinds(t *testing.T) {
	first, last := projectionstest.NewSeeds(t, 4)
	projectionstest.IndexSeeds(t, opened, first, last)
	for name, bounds := range sets.SmallBounds() {
		t.Run(name, func(t *testing.T) { projectionstest.IndexSeeds(t, bounded(bounds), first, last) })
	}
}
