//go:build whole

package postgres

import (
	"testing"

	"binnacle/projections/index/sets"
	"binnacle/projections/projectionstest"
)

func TestSearchesFindTheSameWhateverTheirPlan(t *testing.T) {
	for name, bounds := range sets.SmallBounds() {
		t.Run(name, func(t *testing.T) { projectionstest.IndexSearches(t, bounded(bounds)) })
	}
}

func TestManyVersionsAndRandomSearches(t *testing.T) { projectionstest.IndexWhole(t, opened) }
