package writebehind_test

import (
	"testing"
	"time"

	"binnacle/events"
	"binnacle/projections"
)

func TestWhatTheIndexRefusesForGoodIsReadWhenItWasDecidedAgain(t *testing.T) {
	m, inner := newModeled(t, time.Hour, 10, 1)
	ctx := t.Context()
	projector, reader := m.g.Projecting("catalog-1"), m.g.Bound("catalog-1")
	patients := projections.Query{Tenant: "main", Type: "Patient", Limit: 10}
	keys := []projections.Key{modelKey("Patient", 0)}
	reads := map[string]func(projections.Index) error{
		"Search":  func(x projections.Index) error { _, err := x.Search(ctx, patients); return err },
		"Current": func(x projections.Index) error { _, err := x.Current(ctx, keys); return err },
		"Since":   func(x projections.Index) error { _, err := x.Since(ctx, 0, projections.Mark{}, 10); return err },
		"Version": func(x projections.Index) error { _, err := x.Version(ctx, keys[0], 1); return err },
		"Versions": func(x projections.Index) error {
			_, err := x.Versions(ctx, projections.Span{Tenant: "main", Types: []string{"Patient"}, Limit: 10})
			return err
		},
		"Outcomes": func(x projections.Index) error { _, err := x.Outcomes(ctx, []string{"event-0"}); return err },
		"Claims": func(x projections.Index) error {
			_, err := x.Claims(ctx, []projections.ClaimName{m.records[0].claim.ClaimName})
			return err
		},
		"Decisions": func(x projections.Index) error { _, err := x.Decisions(ctx, events.Position{}, 10); return err },
	}
	refused := func(when string) {
		t.Helper()
		for name, read := range reads {
			if err := read(reader); events.KindOf(err) != events.Transient {
				t.Errorf("%s %s gives %v, want to be told to come again", when, name, err)
			}
			if err := read(projector); err != nil {
				t.Errorf("%s %s fails for the projector: %v", when, name, err)
			}
		}
	}

	inner.fail(never)
	if err := projector.Commit(ctx, m.commit(0, 2, m.store.Put)); err != nil {
		t.Fatal(err)
	}
	if _, err := reader.Search(ctx, patients); events.KindOf(err) != events.Transient {
		t.Errorf("the search that found it refused: %v", err)
	}
	refused("after the refusal")
	for _, next := range []int{0, 1} {
		state, err := projector.State(ctx, 0)
		if err != nil || state.Next != int64(next) {
			t.Fatalf("the projector stands at %+v, %v; want %d", state, err, next)
		}
		if err := projector.Commit(ctx, m.commit(next, next+1, m.store.Put)); err != nil {
			t.Fatal(err)
		}
		if next == 0 {
			refused("after half of it")
		}
	}
	for name, read := range reads {
		if err := read(reader); err != nil {
			t.Errorf("%s, when all was decided again: %v", name, err)
		}
	}
}

func TestARefusalIsToldForAsLongAsItLasts(t *testing.T) {
	m, inner := newModeled(t, time.Hour, 10, 1)
	told := func(want bool) {
		t.Helper()
		if since, err := m.g.Refused(); (err != nil) != want || since.IsZero() == want {
			t.Fatalf("Refused = %v, %v; want one: %v", since, err, want)
		}
	}
	told(false)
	inner.fail(away)
	if err := m.g.Projecting("catalog-1").Commit(t.Context(), m.commit(0, 2, m.store.Put)); err != nil {
		t.Fatal(err)
	}
	told(false)
	patients := projections.Query{Tenant: "main", Type: "Patient", Limit: 10}
	if _, err := m.g.Live().Search(t.Context(), patients); events.KindOf(err) != events.Transient {
		t.Fatalf("a search of what the index does not take: %v", err)
	}
	told(true)
	for {
		_, err := m.g.Live().Search(t.Context(), patients)
		if err == nil {
			break
		}
		if events.KindOf(err) != events.Transient || t.Context().Err() != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Millisecond)
	}
	told(false)
}
