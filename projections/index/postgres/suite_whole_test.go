//go:build whole

package postgres

import (
	"testing"

	"binnacle/projections/index/sqlterms"
	"binnacle/projections/projectionstest"
)

func TestSearchesFindTheSameWhateverTheirPlan(t *testing.T) {
	for name, bounds := range sqlterms.SmallBounds() {
		t.Run(name, func(t *testing.T) { projectionstest.IndexSearches(t, bounded(bounds)) })
	}
}

func TestManyVersionsAndRandomSearches(t *testing.T) { projectionstest.IndexWhole(t, opened) }
