package step

import (
	"testing"

	"binnacle/events"
	"binnacle/projections"
)

func query(token string) *projections.Query {
	return &projections.Query{Tenant: "main", Type: "Patient", After: token,
		Sort: []projections.SortKey{{Param: "name", Kind: projections.String}}}
}

func TestAPlaceIsReadAsItWasWritten(t *testing.T) {
	for _, want := range []Place{
		{Phase: ByValue, Sid: 1}, {Phase: ByMissing, Sid: 1<<projections.SidBits - 1},
		{Phase: byCoding, Sid: 77, Coding: -5}, {Phase: ByValue, Sid: 130_000<<projections.SidBits + 1},
	} {
		q := query("")
		q.After = want.Token(q)
		got, err := ParsePlace(q)
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
	f.Add(Place{Phase: ByValue, Sid: 5}.Token(q))
	f.Add(Place{Phase: byCoding, Sid: 1 << 40, Coding: 1}.Token(q))
	f.Add("AQEBAAAAAA")
	f.Fuzz(func(t *testing.T, token string) {
		q := query(token)
		got, err := ParsePlace(q)
		switch {
		case err != nil:
			if events.KindOf(err) != events.Invalid {
				t.Errorf("kind %s for %q", events.KindOf(err), token)
			}
		case token == "":
			if got.Phase != Start {
				t.Errorf("no token was read as %+v", got)
			}
		case got.Token(q) != token:
			t.Errorf("%q was read as %+v, which is written %q", token, got, got.Token(q))
		}
	})
}
