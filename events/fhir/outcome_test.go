package fhir

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"binnacle/events"
)

func TestEveryKindHasItsStatusAndIssueCode(t *testing.T) {
	secret := errors.New("password=secret")
	for _, c := range []struct {
		err    error
		status int
		body   string
	}{
		{events.Errorf(events.Invalid, "op", "wrong \"x\"").At("Patient.x"), 400, `"error","code":"invalid","diagnostics":"wrong \"x\"","expression":["Patient.x"]`},
		{events.Errorf(events.NotFound, "op", "t"), 404, `"error","code":"not-found","diagnostics":"t"`},
		{events.Errorf(events.Gone, "op", "t"), 410, `"error","code":"deleted","diagnostics":"t"`},
		{events.Errorf(events.Conflict, "op", "t"), 409, `"error","code":"conflict","diagnostics":"t"`},
		{events.Errorf(events.Precondition, "op", "t"), 412, `"error","code":"conflict","diagnostics":"t"`},
		{events.Errorf(events.TooLarge, "op", "t"), 413, `"error","code":"too-long","diagnostics":"t"`},
		{events.Errorf(events.TooCostly, "op", "t"), 422, `"error","code":"too-costly","diagnostics":"t"`},
		{events.Errorf(events.Unsupported, "op", "t"), 400, `"error","code":"not-supported","diagnostics":"t"`},
		{events.Wrap(events.Transient, "op", secret, "the index is away"), 503, `"error","code":"transient","diagnostics":"the index is away"`},
		{events.Errorf(events.Ambiguous, "op", "t"), 412, `"error","code":"multiple-matches","diagnostics":"t"`},
		{events.Errorf(events.Unknown, "op", ""), 504, `"error","code":"timeout","diagnostics":"unknown outcome"`},
		{events.Wrap(events.Internal, "op", secret, "secret too").At("secret"), 500, `"fatal","code":"exception","diagnostics":"The server failed; its log tells more."`},
		{secret, 500, `"fatal","code":"exception","diagnostics":"The server failed; its log tells more."`},
		{events.Errorf(events.Kind(99), "op", "secret"), 500, `"fatal","code":"exception","diagnostics":"The server failed; its log tells more."`},
		{fmt.Errorf("reading: %w", context.DeadlineExceeded), 503, `"error","code":"transient","diagnostics":"The request took too long or was given up; try it again."`},
		{fmt.Errorf("secret: %w", events.Errorf(events.Gone, "op", "deleted in version 3")), 410, `"error","code":"deleted","diagnostics":"deleted in version 3"`},
	} {
		status, body := OutcomeOf(c.err)
		want := `{"resourceType":"OperationOutcome","issue":[{"severity":` + c.body + `}]}`
		if status != c.status || string(body) != want {
			t.Errorf("%v: got %d %s; want %d %s", c.err, status, body, c.status, want)
		}
		if code := IssueCodeOf(events.KindOf(c.err)); !strings.Contains(c.body, `"code":"`+code+`"`) {
			t.Errorf("%v: IssueCodeOf says %s", c.err, code)
		}
		if StatusOf(events.KindOf(c.err)) != c.status {
			t.Errorf("%v: StatusOf says %d", c.err, StatusOf(events.KindOf(c.err)))
		}
	}
}

func TestSeveralIssuesStandInOneOutcome(t *testing.T) {
	got := string(OperationOutcome(Issue{Code: "not-found"}, Issue{Severity: SeverityWarning, Code: "not-supported", Expression: "e"}, Issue{Severity: SeverityInformation, Code: "informational", Diagnostics: "d"}))
	want := `{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"not-found"},{"severity":"warning","code":"not-supported","expression":["e"]},{"severity":"information","code":"informational","diagnostics":"d"}]}`
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func FuzzAppendString(f *testing.F) {
	for _, s := range []string{"", "a\"b\\c\n\r\t\b\f\x00\x1f\x7f", "é😀\u2028\ufffd", "\xff\xc3", "</script>&", "\xed\xa0\x80"} {
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
