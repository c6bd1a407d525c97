package postgres

import (
	"testing"

	"binnacle/projections/projectionstest"
)

func TestPostgresKeepsTheContractOfTheIndex(t *testing.T) {
	projectionstest.Index(t, opened)
}
