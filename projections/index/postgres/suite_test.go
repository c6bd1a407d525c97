package postgres

import (
	"testing"

	"binnacle/projections"
	"binnacle/projections/index/sets"
	"binnacle/projections/projectionstest"
)

func TestPostgresKeepsTheContractOfTheIndex(t *testing.T) {
	projectionstest.Index(t, opened, false)
}

// bounded opens an index that plans differently.
func bounded(bounds sets.Bounds) func(t testing.TB) projections.Generations {
	return func(t testing.TB) projections.Generations {
		c := config(t)
		c.Bounds = bounds
		return open(t, c)
	}
}
