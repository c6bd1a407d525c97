package keys

import (
	"math"
	"slices"
	"testing"
)

func TestNumbersKeepTheirOrderAsIntegers(t *testing.T) {
	numbers := []float64{math.Inf(-1), -math.MaxFloat64, -2.5, -1, -1e-300, -math.SmallestNonzeroFloat64, 0,
		math.SmallestNonzeroFloat64, 1e-300, 1, 2.5, math.MaxFloat64, math.Inf(1)}
	for i := 1; i < len(numbers); i++ {
		if Ordered(numbers[i-1]) >= Ordered(numbers[i]) {
			t.Errorf("%g is %d and %g is %d", numbers[i-1], Ordered(numbers[i-1]), numbers[i], Ordered(numbers[i]))
		}
	}
	if Ordered(math.Copysign(0, -1)) != Ordered(0) {
		t.Error("minus zero is not zero")
	}
}

func FuzzNumbersKeepTheirOrderAsIntegers(f *testing.F) {
	f.Add(1.5, -1.5)
	f.Fuzz(func(t *testing.T, a, b float64) {
		if math.IsNaN(a) || math.IsNaN(b) {
			return
		}
		if (a < b) != (Ordered(a) < Ordered(b)) || (a == b) != (Ordered(a) == Ordered(b)) {
			t.Errorf("%g is %d and %g is %d", a, Ordered(a), b, Ordered(b))
		}
	})
}

func FuzzDifferentPartsNeverHashTheSameBytes(f *testing.F) {
	f.Add("a", "bc", "ab", "c")
	f.Add("\x01a", "", "", "\x01a")
	f.Fuzz(func(t *testing.T, a, b, c, d string) {
		var h Hasher
		one := slices.Clone(h.Begin().Role(RoleValue).Key(7).Text(a).Text(b).Buffer)
		two := h.Begin().Role(RoleValue).Key(7).Text(c).Text(d).Buffer
		if slices.Equal(one, two) != (a == c && b == d) {
			t.Errorf("%q %q and %q %q hash %x and %x", a, b, c, d, one, two)
		}
	})
}

func TestIdsAreToldFromURLs(t *testing.T) {
	for code, want := range map[string]bool{"1": true, "a-B.9": true, "": false, "http://a": false, "a/b": false,
		"a_b": false, string(make([]byte, 65)): false} {
		if IsID(code) != want {
			t.Errorf("IsID(%q) = %t", code, !want)
		}
	}
}
