package sqlite

import (
	"sync"

	"binnacle/projections"
)

// states are the positions of a generation's partitions as they stand in the file, remembered between the commits of
// this process.
type states struct {
	mu    sync.Mutex
	known map[int32]*knownState
}

// knownState is the state of one partition. While a commit is under way nothing is known: it may be visible already, or
// not yet.
type knownState struct {
	state   projections.State
	valid   bool
	running int // commits under way
	epoch   int // counts what may have changed the state
}

func (s *states) of(partition int32) *knownState {
	k := s.known[partition]
	if k == nil {
		if s.known == nil {
			s.known = map[int32]*knownState{}
		}
		k = &knownState{}
		s.known[partition] = k
	}
	return k
}

// change says that a commit begins; the function that it returns says that it has ended, however it did.
func (s *states) change(partition int32) (done func()) {
	count := func(by int) {
		s.mu.Lock()
		defer s.mu.Unlock()
		k := s.of(partition)
		k.running += by
		k.epoch++
		k.valid = false
	}
	count(1)
	return func() { count(-1) }
}

// get returns what is known, or reads it.
func (s *states) get(partition int32, read func() (projections.State, error)) (projections.State, error) {
	s.mu.Lock()
	k := s.of(partition)
	if k.valid {
		defer s.mu.Unlock()
		return k.state, nil
	}
	epoch := k.epoch
	s.mu.Unlock()
	state, err := read()
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil && k.running == 0 && k.epoch == epoch {
		k.state, k.valid = state, true
	}
	return state, err
}

// forget drops what is known: another process may have written.
func (s *states) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, k := range s.known {
		k.valid = false
		k.epoch++
	}
}
