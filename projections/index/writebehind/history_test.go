package writebehind_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"binnacle/events"
	"binnacle/projections"
	"binnacle/projections/index/writebehind"
)

// record is one record of the model's log with what deciding it makes: the same whenever it is decided.
type record struct {
	rows    []projections.Row
	outcome events.Outcome
	claim   projections.Claim
	content []byte // of the first row
}

// history is a log that is decided already: what every look is held against.
type history struct {
	records []record
	rows    []projections.Row // of all records; the one with Sid n stands at n-1
	first   []int             // of each record, its first place in rows, and at the end their number
}

const (
	modelPatients = 4
	modelKeys     = 3 // idempotency keys, claimed in turn
	writeAtOnce   = 2 // records of a commit, at the most
)

func modelKey(resourceType string, n int) projections.Key {
	return projections.Key{Tenant: "main", Type: resourceType, ID: fmt.Sprint(n)}
}

// newHistory writes patients, and observations that refer to them; some records are refused, and change nothing.
func newHistory(r *rand.Rand, count int) *history {
	h := &history{}
	current := map[projections.Key]projections.Version{}
	began := time.Date(2024, 5, 1, 10, 0, 0, 0, time.UTC)
	for offset := range count {
		position := events.Position{Offset: int64(offset)}
		at := began.Add(time.Duration(offset) * time.Millisecond)
		next := record{outcome: events.Outcome{EventID: fmt.Sprint("event-", offset), Tenant: "main", Position: position,
			Time: at}}
		next.claim = projections.Claim{ClaimName: projections.ClaimName{Tenant: "main", Key: fmt.Sprint(offset % modelKeys)},
			EventID: next.outcome.EventID, Until: at.Add(time.Hour)}
		h.first = append(h.first, len(h.rows))
		if r.IntN(8) == 0 {
			next.outcome.Refusal = &events.Refusal{Kind: events.Precondition, Text: "no"}
			h.records = append(h.records, next)
			continue
		}
		for change := range 1 + r.IntN(2) {
			key := modelKey("Patient", r.IntN(modelPatients))
			var terms []projections.Term
			if change > 0 {
				key = modelKey("Observation", r.IntN(2*modelPatients))
				terms = []projections.Term{{Param: "subject", Kind: projections.Reference, System: "Patient",
					Code: fmt.Sprint(r.IntN(modelPatients))}}
			}
			before := current[key]
			v := projections.Version{Key: key, Sid: int64(len(h.rows)) + 1, Number: before.Number + 1,
				Position: position, Change: change, Time: at, Deleted: before.Alive() && r.IntN(4) == 0}
			row := projections.Row{Version: v, Supersedes: before.Sid, Revives: before.Deleted, Terms: terms,
				MainDate: projections.MinTime}
			if v.Deleted {
				row.Terms = nil
			} else {
				content := fmt.Appendf(nil, "%v %d", key, v.Number)
				row.Hash = sha256.Sum256(content)
				if change == 0 {
					next.content = content
				}
			}
			current[key] = row.Version
			h.rows, next.rows = append(h.rows, row), append(next.rows, row)
			next.outcome.Results = append(next.outcome.Results, events.Result{ID: key.ID, Version: v.Number})
		}
		h.records = append(h.records, next)
	}
	h.first = append(h.first, len(h.rows))
	return h
}

// commit is what deciding the records in [from, to) asks of an index.
func (h *history) commit(from, to int, store func(context.Context, []projections.Blob) error) projections.Commit {
	c := projections.Commit{Expect: int64(from), Next: int64(to), Store: store}
	claims := map[projections.ClaimName]projections.Claim{}
	for i := from; i < to; i++ {
		next := &h.records[i]
		c.Time = next.outcome.Time
		c.Rows, c.Outcomes = append(c.Rows, next.rows...), append(c.Outcomes, next.outcome)
		claims[next.claim.ClaimName] = next.claim
		if next.content != nil {
			c.Contents = append(c.Contents, projections.Blob{Hash: next.rows[0].Hash, Content: next.content})
		}
	}
	for _, claim := range claims {
		c.Claims = append(c.Claims, claim)
	}
	return c
}

// current are the versions of a type that are current when so many rows have been committed, by key.
func (h *history) current(resourceType string, rows int64) map[projections.Key]projections.Version {
	found := map[projections.Key]projections.Version{}
	for _, row := range h.rows[:rows] {
		if row.Type == resourceType {
			found[row.Key] = row.Version
		}
	}
	return found
}

// refusing is an index whose commits fail at times.
type refusing struct {
	projections.Generations

	mu   sync.Mutex
	ways []way // of the commits to come
}

// way is how a commit fails.
type way int

const (
	away   way = iota // for now, and nothing was written
	unsure            // it was written, and the answer was lost
	never             // for good
)

func (r *refusing) fail(ways ...way) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ways = append(r.ways, ways...)
}

func (r *refusing) next() (way, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.ways) == 0 {
		return 0, false
	}
	next := r.ways[0]
	r.ways = r.ways[1:]
	return next, true
}

func (r *refusing) Live() projections.Index { return r.Bound("") }

func (r *refusing) Bound(catalog string) projections.Index {
	return &refusingIndex{r.Generations.Bound(catalog), r}
}

type refusingIndex struct {
	projections.Index
	all *refusing
}

func (x *refusingIndex) Awaited() bool { return x.Index.(writebehind.Holder).Awaited() }

func (x *refusingIndex) Hold(ctx context.Context, partition int32) (projections.State, int, func(), error) {
	return x.Index.(writebehind.Holder).Hold(ctx, partition)
}

func (x *refusingIndex) Commit(ctx context.Context, c projections.Commit) error {
	failing, fails := x.all.next()
	if fails && failing == never {
		return events.Errorf(events.Internal, "test", "the index refuses this")
	}
	if fails && failing == away {
		return events.Errorf(events.Transient, "test", "the index is away")
	}
	if err := x.Index.Commit(ctx, c); err != nil {
		return err
	}
	if fails {
		return events.Errorf(events.Transient, "test", "the answer was lost")
	}
	return nil
}
