package eventstest

import (
	"runtime"
	"testing"
)

// Allocates holds that work on an input of so many bytes allocates no more than a fixed amount and a multiple of the
// input, in total: what a decoder takes from a stranger must not grow faster than what the stranger sends. Other
// goroutines' allocations count too, so it is for tests that run alone, as fuzz targets do.
func Allocates(t testing.TB, input, fixed, multiple int, work func()) {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	work()
	runtime.ReadMemStats(&after)
	if got, most := after.TotalAlloc-before.TotalAlloc, uint64(fixed+multiple*input); got > most {
		t.Errorf("%d bytes were allocated for an input of %d bytes, at most %d may be", got, input, most)
	}
}
