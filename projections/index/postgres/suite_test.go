package postgres

import (
	"testing"

	"binnacle/projections"
	"binnacle/projections/projectionstest"
)

func TestPostgresKeepsTheContractOfTheIndex(t *testing.T) {
	projectionstest.Index(t, func(t testing.TB) projections.Generations { return open(t, config(t)) })
}
