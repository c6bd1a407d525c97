package rest

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"binnacle/events"
)

func TestEveryKindHasItsStatusAndIssueCode(t *testing.T) {
	secret := errors.New("password=secret")
	for _, c := range []struct {
		err    error
		status int
		body   string
	}{
		{events.Errorf(events.Invalid, "op", "wrong \"x\"").At("Patient.x"), 400,
			`"error","code":"invalid","diagnostics":"wrong \"x\"","expression":["Patient.x"]`},
		{events.Errorf(events.NotFound, "op", "t"), 404, `"error","code":"not-found","diagnostics":"t"`},
		{events.Errorf(events.Gone, "op", "t"), 410, `"error","code":"deleted","diagnostics":"t"`},
		{events.Errorf(events.Conflict, "op", "t"), 409, `"error","code":"conflict","diagnostics":"t"`},
		{events.Errorf(events.Precondition, "op", "t"), 412, `"error","code":"conflict","diagnostics":"t"`},
		{events.Errorf(events.TooLarge, "op", "t"), 413, `"error","code":"too-long","diagnostics":"t"`},
		{events.Errorf(events.TooCostly, "op", "t"), 422, `"error","code":"too-costly","diagnostics":"t"`},
		{events.Errorf(events.Unsupported, "op", "t"), 400, `"error","code":"not-supported","diagnostics":"t"`},
		{events.Wrap(events.Transient, "op", secret, "the index is away"), 503,
			`"error","code":"transient","diagnostics":"the index is away"`},
		{events.Errorf(events.Ambiguous, "op", "t"), 412, `"error","code":"multiple-matches","diagnostics":"t"`},
		{events.Errorf(events.Unknown, "op", ""), 504, `"error","code":"timeout","diagnostics":"unknown outcome"`},
		{events.Wrap(events.Internal, "op", secret, "secret too").At("secret"), 500,
			`"fatal","code":"exception","diagnostics":"The server failed; its log tells more."`},
		{secret, 500, `"fatal","code":"exception","diagnostics":"The server failed; its log tells more."`},
		{events.Errorf(events.Kind(99), "op", "secret"), 500,
			`"fatal","code":"exception","diagnostics":"The server failed; its log tells more."`},
		{fmt.Errorf("reading: %w", context.DeadlineExceeded), 503,
			`"error","code":"transient","diagnostics":"The request took too long or was given up; try it again."`},
		{fmt.Errorf("secret: %w", events.Errorf(events.Gone, "op", "deleted in version 3")), 410,
			`"error","code":"deleted","diagnostics":"deleted in version 3"`},
	} {
		status, body := OutcomeOf(c.err)
		want := `{"resourceType":"OperationOutcome","issue":[{"severity":` + c.body + `}]}`
		if status != c.status || string(body) != want {
			t.Errorf("%v: got %d %s; want %d %s", c.err, status, body, c.status, want)
		}
		if code := IssueCodeOf(events.KindOf(c.err)); !strings.Contains(c.body, `"code":"`+code+`"`) {
			t.Errorf("%v: IssueCodeOf says %s", c.err, code)
		}
	}
}

func TestARefusalTellsWhatToDo(t *testing.T) {
	busy := &Refusal{Err: events.Errorf(events.Conflict, "op", "busy"), Retry: true}
	for _, c := range []struct {
		name         string
		err          error
		status       int
		retry, allow string
	}{
		{"what is away comes back", events.Errorf(events.Transient, "op", "away"), 503, retryAfter, ""},
		{"what is busy does so, too", busy, 409, retryAfter, ""},
		{"also within another error", fmt.Errorf("outer: %w", busy), 409, retryAfter, ""},
		{"a body that came too slowly may be sent at once", Refused(408, events.Transient, "op", "slow"), 408, "", ""},
		{"an outcome that is not known", events.Errorf(events.Unknown, "op", "unknown"), 504, "", ""},
		{"a conflict stays one", events.Errorf(events.Conflict, "op", "conflict"), 409, "", ""},
		{"another method does", NotAllowed("PATCH", "GET, HEAD"), 405, "", "GET, HEAD"},
	} {
		w := httptest.NewRecorder()
		status := Refuse(w, c.err)
		header := w.Header()
		if status != c.status || w.Code != c.status || header.Get("Retry-After") != c.retry ||
			header.Get("Allow") != c.allow || header.Get("Cache-Control") == "" ||
			header.Get("Content-Type") != ContentType || header.Get("Content-Length") != strconv.Itoa(w.Body.Len()) {
			t.Errorf("%s: got %d %d %v, want %d, Retry-After %q, Allow %q", c.name, status, w.Code, header, c.status,
				c.retry, c.allow)
		}
	}
}
