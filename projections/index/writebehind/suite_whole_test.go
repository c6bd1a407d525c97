//go:build whole

package writebehind_test

import (
	"testing"
	"time"

	"binnacle/projections/projectionstest"
)

func TestNobodySeesThatCommitsWaitForAMoment(t *testing.T) {
	projectionstest.Index(t, waiting(time.Millisecond), true)
}
