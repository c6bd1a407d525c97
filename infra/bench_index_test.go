package infra

import (
	"strings"
	"testing"
)

func TestTheIndexIsMeasuredByItself(t *testing.T) {
	code, out, errOut := try(t, "bench", "index", "--resources", "800", "--batch", "200", "--duration", "1ms", "--folder", t.TempDir())
	if code != 0 {
		t.Fatal(errOut)
	}
	for _, want := range []string{"| load ", "| update, scattered ", "bytes for each version:", "| code, common (Observation) ", "| identifier (Patient) "} {
		if !strings.Contains(out, want) {
			t.Errorf("the report has no %q:\n%s", want, out)
		}
	}
	bulk, out, errOut := try(t, "bench", "index", "--resources", "800", "--bulk", "--duration", "0s", "--folder", t.TempDir())
	if bulk != 0 || !strings.Contains(out, "bulk true") {
		t.Errorf("in bulk: exit code %d, %s %s", bulk, out, errOut)
	}
}
