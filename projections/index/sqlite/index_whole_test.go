//go:build whole

package sqlite_test

import (
	"testing"

	"binnacle/projections"
	"binnacle/projections/index/sets"
	"binnacle/projections/projectionstest"
)

func TestSearchesFindTheSameWhateverTheirPlan(t *testing.T) {
	for name, bounds := range sets.SmallBounds() {
		t.Run(name, func(t *testing.T) {
			projectionstest.IndexSearches(t, func(t testing.TB) projections.Generations { return openWith(t, bounds) })
		})
	}
}

func TestManyVersionsAndRandomSearches(t *testing.T) { projectionstest.IndexWhole(t, open) }

func TestPagesFollowEachOtherWhateverTheirPlan(t *testing.T) {
	projectionstest.IndexPages(t, ways(), 0, 4)
}
