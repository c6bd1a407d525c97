package projections

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestFoldingLeavesOutCaseAccentsAndOuterSpace(t *testing.T) {
	for in, want := range map[string]string{
		"": "", " \t\n": "", "Anna": "anna", "  Van  der Berg ": "van  der berg", "Müller": "muller", "MU\u0308LLER": "muller", "Ångström": "angstrom", "Ελλάδα": "ελλαδα",
		"İ": "i", "日本": "日本", "a\x00B": "a\x00b", "\xffÉ": "\xffe", "Straße": "straße", "ﬁ": "ﬁ", "Ñandú": "nandu",
	} {
		if got := Fold(in); got != want {
			t.Errorf("Fold(%q) = %q, want %q", in, got, want)
		}
	}
}

func FuzzFoldingTwiceChangesNothing(f *testing.F) {
	f.Add("Müller ")
	f.Add("\xff\u0301 A")
	f.Fuzz(func(t *testing.T, s string) {
		once := Fold(s)
		if utf8.ValidString(s) && !utf8.ValidString(once) {
			t.Errorf("Fold(%q) = %q is not UTF-8", s, once)
		}
		//nolint:staticcheck // SA6005: EqualFold holds for more pairs than lowering does, and Fold lowers
		if upper := strings.ToUpper(s); strings.ToLower(upper) == strings.ToLower(s) && Fold(upper) != Fold(strings.ToLower(s)) {
			t.Errorf("Fold(%q) = %q, Fold(%q) = %q", upper, Fold(upper), s, once)
		}
	})
}

func TestLongCodesKeepTheirBeginningAndStayApart(t *testing.T) {
	short := strings.Repeat("x", OrderBytes)
	if OrderCode(short) != short {
		t.Error("a code that fits was changed")
	}
	a, b := OrderCode(short+"a"), OrderCode(short+"b")
	if len(a) != OrderBytes || !strings.HasPrefix(a, short[:OrderBytes-8]) || a == b {
		t.Errorf("long codes became %q and %q", a, b)
	}
}
