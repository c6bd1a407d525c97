package fhir

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestSeveralIssuesStandInOneOutcome(t *testing.T) {
	got := string(OperationOutcome(Issue{Code: "not-found"},
		Issue{Severity: SeverityWarning, Code: "not-supported", Expression: "e"},
		Issue{Severity: SeverityInformation, Code: "informational", Diagnostics: "d"}))
	want := `{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"not-found"},{"severity":"warning","code":"not-supported","expression":["e"]},{"severity":"information","code":"informational","diagnostics":"d"}]}`
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func FuzzAppendString(f *testing.F) {
	for _, s := range []string{"", "a\"b\\c\n\r\t\b\f\x00\x1f\x7f", "é😀\u2028\ufffd", "\xff\xc3", "</script>&",
		"\xed\xa0\x80"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		written := AppendString([]byte("before"), s)
		if !strings.HasPrefix(string(written), "before\"") || !utf8.Valid(written) {
			t.Fatalf("%q became %q", s, written)
		}
		var got string
		if err := json.Unmarshal(written[len("before"):], &got); err != nil {
			t.Fatalf("%q became %q: %v", s, written, err)
		}
		if want := string([]rune(s)); got != want {
			t.Errorf("%q reads as %q; want %q", written, got, want)
		}
		if d := mustParse(t, string(written[len("before"):])); d.Root().Text() != got {
			t.Errorf("Parse reads it as %q; want %q", d.Root().Text(), got)
		}
	})
}
