//go:build whole

package sqlite_test

import (
	"testing"

	"binnacle/projections"
	"binnacle/projections/index/sqlterms"
	"binnacle/projections/projectionstest"
)

func TestSearchesFindTheSameWhateverTheirPlan(t *testing.T) {
	for name, bounds := range sqlterms.SmallBounds() {
		t.Run(name, func(t *testing.T) {
			projectionstest.IndexSearches(t, func(t testing.TB) projections.Generations { return openWith(t, bounds) })
		})
	}
}

func TestMoreSearchesFindWhatTheModelFinds(t *testing.T) { projectionstest.IndexSeeds(t, open, 2, 8) }

func TestMorePagesFollowEachOtherWhateverTheirPlan(t *testing.T) {
	projectionstest.IndexPages(t, ways(), 2, 6)
}
