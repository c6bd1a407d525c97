package postgres

import (
	"testing"

	"binnacle/projections"
	"binnacle/projections/index/sqlterms"
	"binnacle/projections/projectionstest"
)

func TestPostgresKeepsTheContractOfTheIndex(t *testing.T) {
	projectionstest.Index(t, opened)
}

func TestSearchesFindTheSameWhateverTheirPlan(t *testing.T) {
	for name, bounds := range sqlterms.SmallBounds() {
		t.Run(name, func(t *testing.T) {
			projectionstest.IndexSearches(t, func(t testing.TB) projections.Generations {
				c := config(t)
				c.Bounds = bounds
				return open(t, c)
			})
		})
	}
}
