package projectionstest

import (
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
)

// NewSeeds returns a span of seeds that nobody has tried: count of them for each round of BINNACLE_FAULT_ROUNDS.
// BINNACLE_FAULT_SEED says where it begins, to repeat a run; the log of the test tells it.
func NewSeeds(t *testing.T, count uint64) (first, last uint64) {
	t.Helper()
	number := func(name string, fallback uint64) uint64 {
		text := os.Getenv(name)
		if text == "" {
			return fallback
		}
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			t.Fatalf("%s is %q, want a number", name, text)
		}
		return n
	}
	first = number("BINNACLE_FAULT_SEED", rand.Uint64N(1<<40))
	t.Logf("the seeds of this run begin with BINNACLE_FAULT_SEED=%d", first)
	return first, first + count*number("BINNACLE_FAULT_ROUNDS", 1)
}
