package search

import (
	"testing"

	"binnacle/events"
	"binnacle/projections"
)

func query(token string) *projections.Query {
	return &projections.Query{Tenant: "main", Type: "Patient", After: token, Sort: []projections.SortKey{{Param: "name", Kind: projections.String}}}
}

func TestAPlaceIsReadAsItWasWritten(t *testing.T) {
	for _, want := range []place{
		{phase: byValue, sid: 1}, {phase: byMissing, sid: 1<<projections.SidBits - 1}, {phase: byCoding, sid: 77, coding: -5}, {phase: byValue, sid: 130_000<<projections.SidBits + 1},
	} {
		q := query("")
		q.After = want.token(q)
		got, err := parsePlace(q)
		if err != nil || got != want {
			t.Errorf("%+v was read as %+v, %v", want, got, err)
		}
		if len(q.After) > 32 {
			t.Errorf("the token of %+v has %d characters", want, len(q.After))
		}
	}
}

func FuzzATokenIsReadOrRefused(f *testing.F) {
	q := query("")
	f.Add(place{phase: byValue, sid: 5}.token(q))
	f.Add(place{phase: byCoding, sid: 1 << 40, coding: 1}.token(q))
	f.Add("AQEBAAAAAA")
	f.Fuzz(func(t *testing.T, token string) {
		q := query(token)
		got, err := parsePlace(q)
		switch {
		case err != nil:
			if events.KindOf(err) != events.Invalid {
				t.Errorf("kind %s for %q", events.KindOf(err), token)
			}
		case token == "":
			if got.phase != start {
				t.Errorf("no token was read as %+v", got)
			}
		case got.token(q) != token:
			t.Errorf("%q was read as %+v, which is written %q", token, got, got.token(q))
		}
	})
}
