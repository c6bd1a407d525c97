package write

import (
	"context"
	"sync"
	"time"

	"binnacle/events"
	"binnacle/functions"
)

// Times of [Waiters].
const (
	waitersPoll  = 250 * time.Millisecond // how often the index is asked while somebody waits, whatever was told
	waitersLocal = time.Second            // a partition that this process projected so lately tells its outcomes itself
	waitersQuery = 2 * time.Second        // bound of one look-up
)

// Waiters connects those who wait for an event's outcome with those who decide it. [project.Projector] in the same
// process resolves them after its commit; outcomes that another process commits are looked up when the index tells of
// progress ([Waiters.Progressed]), and four times a second while somebody waits in case nobody tells. Its methods are
// safe for concurrent use.
type Waiters struct {
	outcomes functions.OutcomeReader

	mu      sync.Mutex
	waiting map[string][]*Wait
	local   map[int32]time.Time // when this process last resolved outcomes of a partition
	polling bool
	asking  bool // a look-up is under way
	again   bool // progress was told during the look-up
}

// NewWaiters makes a registry that looks outcomes up in an index.
func NewWaiters(outcomes functions.OutcomeReader) *Waiters {
	return &Waiters{outcomes: outcomes, waiting: make(map[string][]*Wait), local: make(map[int32]time.Time)}
}

// Wait is one who waits for one event. Give it up with [Wait.Stop].
type Wait struct {
	waiters   *Waiters
	eventID   string
	partition int32
	done      chan events.Outcome
}

// Wait registers the caller for an event of a partition. Register before appending, so that no outcome is missed.
func (w *Waiters) Wait(eventID string, partition int32) *Wait {
	wait := &Wait{waiters: w, eventID: eventID, partition: partition, done: make(chan events.Outcome, 1)}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.waiting[eventID] = append(w.waiting[eventID], wait)
	if !w.polling {
		w.polling = true
		time.AfterFunc(waitersPoll, w.poll)
	}
	return wait
}

// Done delivers the outcome, once.
func (w *Wait) Done() <-chan events.Outcome { return w.done }

// Stop ends the wait; it may be called more than once, and after the outcome has come.
func (w *Wait) Stop() {
	w.waiters.mu.Lock()
	defer w.waiters.mu.Unlock()
	waits := w.waiters.waiting[w.eventID]
	for i, other := range waits {
		if other == w {
			waits = append(waits[:i:i], waits[i+1:]...)
			break
		}
	}
	if len(waits) == 0 {
		delete(w.waiters.waiting, w.eventID)
		return
	}
	w.waiters.waiting[w.eventID] = waits
}

// Resolve tells outcomes that this process has just committed for a partition.
func (w *Waiters) Resolve(partition int32, outcomes []events.Outcome) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.local[partition] = time.Now()
	for i := range outcomes {
		w.tell(outcomes[i])
	}
}

// tell hands an outcome to all who wait for it; the caller holds mu.
func (w *Waiters) tell(outcome events.Outcome) {
	for _, wait := range w.waiting[outcome.EventID] {
		wait.done <- outcome // one place in the buffer, and told once: it never blocks
	}
	delete(w.waiting, outcome.EventID)
}

// Progressed looks up, in one query, the events that are waited for and that another process may have decided. It
// returns soon and is meant to be called for every notification of an index: calls during a look-up are one look-up
// after it.
func (w *Waiters) Progressed(ctx context.Context) {
	w.lookup(ctx, false)
}

// poll is the safety net: it asks for everything, and goes on while somebody waits.
func (w *Waiters) poll() {
	w.lookup(context.Background(), true)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.polling = len(w.waiting) > 0; w.polling {
		time.AfterFunc(waitersPoll, w.poll)
	}
}

// lookup asks for the events waited for: all of them, or those of partitions that this process does not project.
func (w *Waiters) lookup(ctx context.Context, all bool) {
	for {
		ids := w.begin(all)
		if len(ids) == 0 {
			return
		}
		query, cancel := context.WithTimeout(ctx, waitersQuery)
		outcomes, err := w.outcomes.Outcomes(query, ids)
		cancel()
		if !w.finish(outcomes, err) {
			return
		}
	}
}

// begin returns what to ask for; nothing when there is nothing or somebody is asking.
func (w *Waiters) begin(all bool) []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.asking {
		w.again = true
		return nil
	}
	var ids []string
	for id, waits := range w.waiting {
		if all || time.Since(w.local[waits[0].partition]) > waitersLocal {
			ids = append(ids, id)
		}
	}
	w.asking = len(ids) > 0
	return ids
}

// finish tells what was found, and whether to ask again. An index that does not answer is asked by the next poll.
func (w *Waiters) finish(outcomes []*events.Outcome, err error) (again bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err == nil {
		for _, outcome := range outcomes {
			if outcome != nil {
				w.tell(*outcome)
			}
		}
	}
	again = w.again && err == nil
	w.asking, w.again = false, false
	return again
}
