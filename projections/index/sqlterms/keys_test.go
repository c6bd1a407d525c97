package sqlterms

import (
	"math"
	"slices"
	"testing"
)

func TestNumbersKeepTheirOrderAsIntegers(t *testing.T) {
	numbers := []float64{math.Inf(-1), -math.MaxFloat64, -2.5, -1, -1e-300, -math.SmallestNonzeroFloat64, 0, math.SmallestNonzeroFloat64, 1e-300, 1, 2.5, math.MaxFloat64, math.Inf(1)}
	for i := 1; i < len(numbers); i++ {
		if ordered(numbers[i-1]) >= ordered(numbers[i]) {
			t.Errorf("%g is %d and %g is %d", numbers[i-1], ordered(numbers[i-1]), numbers[i], ordered(numbers[i]))
		}
	}
	if ordered(math.Copysign(0, -1)) != ordered(0) {
		t.Error("minus zero is not zero")
	}
}

func FuzzNumbersKeepTheirOrderAsIntegers(f *testing.F) {
	f.Add(1.5, -1.5)
	f.Fuzz(func(t *testing.T, a, b float64) {
		if math.IsNaN(a) || math.IsNaN(b) {
			return
		}
		if (a < b) != (ordered(a) < ordered(b)) || (a == b) != (ordered(a) == ordered(b)) {
			t.Errorf("%g is %d and %g is %d", a, ordered(a), b, ordered(b))
		}
	})
}

func FuzzDifferentPartsNeverHashTheSameBytes(f *testing.F) {
	f.Add("a", "bc", "ab", "c")
	f.Add("\x01a", "", "", "\x01a")
	f.Fuzz(func(t *testing.T, a, b, c, d string) {
		var h hasher
		one := slices.Clone(h.begin().role(roleValue).key(7).text(a).text(b).buffer)
		two := h.begin().role(roleValue).key(7).text(c).text(d).buffer
		if slices.Equal(one, two) != (a == c && b == d) {
			t.Errorf("%q %q and %q %q hash %x and %x", a, b, c, d, one, two)
		}
	})
}

func TestIdsAreToldFromURLs(t *testing.T) {
	for code, want := range map[string]bool{"1": true, "a-B.9": true, "": false, "http://a": false, "a/b": false, "a_b": false, string(make([]byte, 65)): false} {
		if isID(code) != want {
			t.Errorf("isID(%q) = %t", code, !want)
		}
	}
}
