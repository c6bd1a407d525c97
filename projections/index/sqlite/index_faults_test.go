//go:build faults

package sqlite_test

import (
	"testing"

	"binnacle/projections"
	"binnacle/projections/index/sets"
	"binnacle/projections/projectionstest"
)

func TestSearchesOfNewSeedsFindWhatTheModelFinds(t *testing.T) {
	first, last := projectionstest.NewSeeds(t, 8)
	projectionstest.IndexSeeds(t, open, first, last)
	for name, bounds := range sets.SmallBounds() {
		t.Run(name, func(t *testing.T) {
			projectionstest.IndexSeeds(t, func(t testing.TB) projections.Generations { return openWith(t, bounds) },
				first, last)
		})
	}
}

func TestPagesOfNewSeedsFollowEachOther(t *testing.T) {
	first, last := projectionstest.NewSeeds(t, 8)
	projectionstest.IndexPages(t, ways(), first, last)
}
