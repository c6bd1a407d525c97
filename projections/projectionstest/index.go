package projectionstest

import (
	"fmt"
	"testing"

	"binnacle/projections"
)

// Index runs the suite of the search index. open opens a new, empty index each time.
func Index(t *testing.T, open func(t *testing.T) projections.Generations) {
	for seed := range uint64(6) {
		t.Run(fmt.Sprintf("random searches find what the model finds, in its order, seed %d", seed), func(t *testing.T) {
			randomSearches(t, open(t).Live(), seed, seed%2 == 1, int32(seed%3))
		})
	}
}
