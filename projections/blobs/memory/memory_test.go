package memory_test

import (
	"testing"

	"binnacle/projections"
	"binnacle/projections/blobs/memory"
	"binnacle/projections/projectionstest"
)

func TestMemoryKeepsTheContractOfBlobs(t *testing.T) {
	projectionstest.Blobs(t, func(*testing.T) projections.Blobs { return memory.New() })
}
