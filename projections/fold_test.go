package projections

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestFoldingLeavesOutCaseAccentsAndOuterSpace(t *testing.T) {
	for in, want := range map[string]string{
		"": "", " \t\n": "", "Anna": "anna", "  Van  der Berg ": "van  der berg", "Müller": "muller",
		"MU\u0308LLER": "muller", "Ångström": "angstrom", "Ελλάδα": "ελλαδα",
		"İ": "i", "日本": "日本", "a\x00B": "a\x00b", "\xffÉ": "\xffe", "Straße": "strasse", "STRASSE": "strasse",
		"STRAẞE": "strasse", "ﬁ": "fi", "Ñandú": "nandu",
		"Παπαδόπουλος": "παπαδοπουλοσ", "ΠΑΠΑΔΌΠΟΥΛΟΣ": "παπαδοπουλοσ", "ΠΑΠΑΔΟΠΟΥΛΟΣ": "παπαδοπουλοσ", "ſ": "s",
		"\u00b5": "\u03bc", "ŉ": "ʼn",
		"\u0301": "", " \u0301 \u0308 ": "", "\u00a0": "", "\u0301 a \u0301": "a",
	} {
		if got := Fold(in); got != want {
			t.Errorf("Fold(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestEveryCharacterFoldsLikeItsOtherCases(t *testing.T) {
	for r := range unicode.MaxRune {
		switch {
		case unicode.ToLower(r) == r && unicode.ToUpper(r) == r && unicode.ToTitle(r) == r, unicode.Is(unicode.Mn, r):
			continue
		case r == 'ı': // its capital is the I of other languages
			continue
		}
		want := Fold(string(r))
		for _, other := range []rune{unicode.ToLower(r), unicode.ToUpper(r), unicode.ToTitle(r)} {
			if got := Fold(string(other)); got != want {
				t.Errorf("%q folds to %q, and %q to %q", r, want, other, got)
			}
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
		if twice := Fold(once); utf8.ValidString(s) && twice != once {
			t.Errorf("Fold(%q) = %q, and that folds to %q", s, once, twice)
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
