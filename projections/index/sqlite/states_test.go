package sqlite

import (
	"errors"
	"testing"

	"binnacle/projections"
)

func TestAStateIsRememberedBetweenCommitsOnly(t *testing.T) {
	var s states
	next := int64(0)
	reads := 0
	get := func() int64 {
		t.Helper()
		state, err := s.get(1, func() (projections.State, error) {
			reads++
			return projections.State{Next: next}, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return state.Next
	}
	get()
	if get(); reads != 1 {
		t.Fatalf("two looks took %d reads", reads)
	}
	first, second := s.change(1), s.change(1)
	next = 5
	if got := get(); got != 5 || reads != 2 {
		t.Fatalf("beside a commit the state is %d after %d reads; it must be read", got, reads)
	}
	first()
	if get(); reads != 3 {
		t.Fatal("beside the second of two commits the state must be read")
	}
	second()
	next = 6
	get()
	if got := get(); got != 6 || reads != 4 {
		t.Fatalf("after the commits the state is %d after %d reads", got, reads)
	}
	s.forget()
	next = 7
	if got := get(); got != 7 {
		t.Fatalf("what was forgotten is still %d", got)
	}
}

func TestAStateThatWasReadBesideACommitIsNotRemembered(t *testing.T) {
	var s states
	state, _ := s.get(0, func() (projections.State, error) {
		s.change(0)() // begins and ends while the file is read
		return projections.State{Next: 1}, nil
	})
	if state.Next != 1 {
		t.Fatalf("got %+v", state)
	}
	if state, _ = s.get(0,
		func() (projections.State, error) { return projections.State{Next: 2}, nil }); state.Next != 2 {
		t.Fatalf("a state from before the commit's end was remembered: %+v", state)
	}
	away := errors.New("away")
	s.forget()
	if _, err := s.get(0, func() (projections.State, error) { return projections.State{}, away }); !errors.Is(err,
		away) {
		t.Fatalf("got %v", err)
	}
	if state, _ = s.get(0,
		func() (projections.State, error) { return projections.State{Next: 3}, nil }); state.Next != 3 {
		t.Fatalf("a failed read was remembered: %+v", state)
	}
}
