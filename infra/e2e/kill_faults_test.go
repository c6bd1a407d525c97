//go:build faults

package e2e

import "testing"

func TestAServerThatIsKilledManyTimesLosesNothing(t *testing.T) {
	for _, variant := range []string{"standalone", "distributed"} {
		t.Run(variant, func(t *testing.T) {
			sample := sampleFolder
			if rounds(t) > 1 {
				sample = wholeSample
			}
			killWhileImporting(t, variant, sample, 5*rounds(t))
		})
	}
}
