package functions_test

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"binnacle/events"

	"binnacle/functions/project"
	"binnacle/projections"
	memoryblobs "binnacle/projections/blobs/memory"
)

// randomRecords makes records of random changes on few resources, so that they meet: conditions, preconditions, references, links,
// deletions, repetitions and poison.
func randomRecords(t *testing.T, seed uint64, count int) []events.RawRecord {
	t.Helper()
	random := rand.New(rand.NewPCG(seed, 0))
	id := func() string { return fmt.Sprintf("%c", 'a'+random.IntN(6)) }
	content := func(own string) ([]byte, []events.Link) {
		head := fmt.Sprintf(`{"resourceType":"Patient",%s"identifier":[{"system":"urn:s","value":"%d"}]`, own, random.IntN(5))
		switch random.IntN(4) {
		case 0:
			return []byte(head + fmt.Sprintf(`,"link":[{"other":{"reference":"Patient/%s"},"type":"refer"}]}`, id())), nil
		case 1:
			head += `,"link":[{"other":{"reference":"`
			query := fmt.Sprintf("identifier=urn:s|%d", random.IntN(5))
			reference := "Patient?" + query
			return []byte(head + reference + `"},"type":"refer"}]}`), []events.Link{{Start: len(head), End: len(head) + len(reference), Change: -1, Type: "Patient", Query: query}}
		}
		return []byte(head + "}"), nil
	}
	change := func(entry int) events.Change {
		c := events.Change{Type: "Patient", Entry: entry, Operation: events.Operation(1 + random.IntN(3))}
		if random.IntN(3) == 0 {
			c.Condition = fmt.Sprintf("identifier=urn:s|%d", random.IntN(5))
		}
		if random.IntN(5) == 0 {
			c.IfMatch = int64(random.IntN(5)) - 1
			if c.IfMatch > 0 && random.IntN(2) == 0 {
				c.IfMatchOr = []int64{int64(1 + random.IntN(4)), 5}
			}
		}
		c.IfNoneMatch = random.IntN(12) == 0
		switch {
		case c.Operation == events.Create:
			c.ID = fmt.Sprintf("%x", random.Uint64())
			c.Content, c.Links = content("")
		case c.Operation == events.Update && c.Condition == "":
			c.ID = id()
			c.Content, c.Links = content(fmt.Sprintf(`"id":%q,`, c.ID))
		case c.Operation == events.Update:
			c.ID = fmt.Sprintf("%x", random.Uint64())
			c.Content, c.Links = content("")
		case c.Condition == "":
			c.ID = id()
		}
		return c
	}
	at := time.UnixMilli(1_700_000_000_000)
	var records []events.RawRecord
	var earlier []events.Event
	for offset := range count {
		at = at.Add(time.Duration(random.IntN(5)-1) * 100 * time.Millisecond)
		event := events.Event{ID: newID(), Tenant: "main", AllowDangling: random.IntN(2) == 0}
		if random.IntN(4) == 0 {
			event.IdempotencyKey = fmt.Sprint("key ", random.IntN(4))
			event.Repeat = events.Repeat{Request: events.Hash{byte(random.IntN(2))}, Part: random.IntN(3), Window: time.Duration(1+random.IntN(3)) * time.Second}
		}
		for n := range 1 + random.IntN(4)*random.IntN(2) {
			event.Changes = append(event.Changes, change(n))
		}
		if random.IntN(20) == 0 && len(earlier) > 0 {
			event = earlier[random.IntN(len(earlier))]
		}
		earlier = append(earlier, event)
		headers, value, err := events.Encode(event)
		if err != nil {
			t.Fatal(err)
		}
		if random.IntN(30) == 0 {
			value = value[:len(value)/2]
		}
		records = append(records, events.RawRecord{Position: events.Position{Offset: int64(offset)}, Time: at, Key: []byte("main"), Headers: headers, Value: value})
	}
	return records
}

// dump is everything that an index holds, but for the number of commits.
func (x *index) dump() string {
	var b strings.Builder
	for _, row := range x.rows {
		fmt.Fprintf(&b, "%+v\n", row)
	}
	for _, o := range slices.SortedFunc(maps.Values(x.outcomes), func(a, b *events.Outcome) int { return cmp.Compare(a.Position.Offset, b.Position.Offset) }) {
		fmt.Fprintf(&b, "%s %v %v %+v %+v %s\n", o.EventID, o.Position, o.Time, o.Results, o.Refusal, o.Repeats)
	}
	for _, q := range x.quarantined {
		fmt.Fprintf(&b, "%v %s\n", q.Record.Position, q.Reason)
	}
	for _, name := range slices.SortedFunc(maps.Keys(x.claims), func(a, b projections.ClaimName) int {
		return cmp.Or(cmp.Compare(a.Key, b.Key), cmp.Compare(a.Part, b.Part))
	}) {
		fmt.Fprintf(&b, "%+v\n", x.claims[name])
	}
	fmt.Fprintf(&b, "%d outcomes, %+v\n", len(x.outcomes), x.states)
	return b.String()
}

func TestTheSameLogGivesTheSameRowsWhateverTheBatches(t *testing.T) {
	const count = 400
	for seed := range uint64(5) {
		records := randomRecords(t, seed, count)
		var want string
		var accepted int
		for run := range 4 {
			random := rand.New(rand.NewPCG(seed, uint64(run)))
			x, blobs := newIndex(), memoryblobs.New()
			failures := errors.New("now and then")
			if run == 3 {
				x.fail = func(string) error {
					if random.IntN(20) == 0 {
						return events.Wrap(events.Transient, "index", failures, "away")
					}
					return nil
				}
			}
			p := newProject(x, blobs)
			for {
				if _, err := p.Seek(t.Context(), 0); err == nil {
					break
				}
			}
			for rest := records; len(rest) > 0; {
				size := []int{1, count, 1 + random.IntN(40), 1 + random.IntN(40)}[run]
				size = min(size, len(rest))
				for {
					err := p.Handle(batch(rest[:size]...))
					if err == nil {
						break
					}
					if !errors.Is(err, failures) {
						t.Fatal(err)
					}
				}
				rest = rest[size:]
			}
			x.fail = nil
			got := x.dump()
			if run == 0 {
				want = got
				for _, o := range x.outcomes {
					if o.Refusal == nil {
						accepted++
					}
				}
				if accepted < count/4 || accepted > count*9/10 {
					t.Fatalf("seed %d: %d of %d events were accepted: too few or too many to test anything", seed, accepted, count)
				}
				continue
			}
			if got != want {
				t.Fatalf("seed %d, run %d differs from run 0: %s", seed, run, firstDifference(got, want))
			}
		}
	}
}

// deliver hands records to a projector as a follower does: in batches, from where Seek says whenever a reseek is asked, and the same
// batch again after an error.
func deliver(t *testing.T, p *project.Projector, records []events.RawRecord, size func() int, expected error) {
	t.Helper()
	reseek := make(chan struct{}, 1000)
	p.Reseek = func() { reseek <- struct{}{} }
	next := int64(-1)
	for next < int64(len(records)) {
		if next < 0 {
			var err error
			if next, err = p.Seek(t.Context(), 0); err != nil {
				next = -1
				continue
			}
		}
		rest := records[next:]
		rest = rest[:min(size(), len(rest))]
		if len(rest) > 0 {
			if err := p.Handle(batch(rest...)); err == nil {
				next += int64(len(rest))
			} else if !errors.Is(err, expected) {
				t.Fatal(err)
			}
		}
		if next == int64(len(records)) {
			if err := p.Settle(t.Context()); err != nil {
				if !errors.Is(err, expected) {
					t.Fatal(err)
				}
				next = -1
			}
		}
		select {
		case <-reseek:
			next = -1
		default:
		}
	}
}

func TestDecidingAheadOfTheCommitChangesNothing(t *testing.T) {
	const count = 200
	for seed := range uint64(2) {
		records := randomRecords(t, seed, count)
		var want string
		for run := range 4 {
			random := rand.New(rand.NewPCG(seed, uint64(run)))
			x := newIndex()
			away := events.Errorf(events.Transient, "index", "away")
			slow := func(method string) error {
				if method == "Commit" {
					time.Sleep(time.Millisecond)
				}
				return nil
			}
			x.fail = slow
			if run == 3 {
				var mu sync.Mutex
				x.fail = func(method string) error {
					mu.Lock()
					defer mu.Unlock()
					if random.IntN(15) == 0 {
						return away
					}
					return slow(method)
				}
			}
			p := newProject(x, memoryblobs.New())
			p.Ahead = run > 0
			sizes := rand.New(rand.NewPCG(seed, uint64(10+run)))
			deliver(t, p, records, func() int { return 1 + sizes.IntN(20) }, away)
			x.fail = nil
			if got := x.dump(); run == 0 {
				want = got
			} else if got != want {
				t.Fatalf("seed %d, run %d differs from the one that waits for each commit: %s", seed, run, firstDifference(got, want))
			}
		}
	}
}

func firstDifference(got, want string) string {
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range min(len(g), len(w)) {
		if g[i] != w[i] {
			return fmt.Sprintf("line %d\ngot  %s\nwant %s", i, g[i], w[i])
		}
	}
	return fmt.Sprintf("%d and %d lines", len(g), len(w))
}

func TestTimeNeverGoesBack(t *testing.T) {
	x := newIndex()
	p := newProject(x, memoryblobs.New())
	mustSeek(t, p)
	if err := p.Handle(batch(randomRecords(t, 5, 200)...)); err != nil {
		t.Fatal(err)
	}
	var last time.Time
	for _, row := range x.rows {
		if row.Time.Before(last) || row.Time.Location() != time.UTC {
			t.Fatalf("%v comes after %v", row.Time, last)
		}
		last = row.Time
	}
}

func TestARealIndexDecidesLikeTheSimpleOne(t *testing.T) {
	const count = 300
	for seed := range uint64(2) {
		records := randomRecords(t, seed, count)
		random := rand.New(rand.NewPCG(seed, 9))
		simple, real := newIndex(), openIndex(t).Live()
		for _, x := range []projections.Index{simple, real} {
			p := newProject(x, memoryblobs.New())
			mustSeek(t, p)
			for rest := records; len(rest) > 0; {
				size := min(1+random.IntN(30), len(rest))
				if err := p.Handle(batch(rest[:size]...)); err != nil {
					t.Fatal(err)
				}
				rest = rest[size:]
			}
		}
		var got, want []string
		for _, row := range simple.rows {
			want = append(want, fmt.Sprintf("%+v", row.Version))
		}
		if err := real.Scan(t.Context(), 0, func(v projections.Version, _ events.Hash) error {
			got = append(got, fmt.Sprintf("%+v", v))
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got, want) {
			t.Fatalf("seed %d: %s", seed, firstDifference(strings.Join(got, "\n"), strings.Join(want, "\n")))
		}
		ids := slices.Collect(maps.Keys(simple.outcomes))
		outcomes, err := real.Outcomes(t.Context(), ids)
		if err != nil {
			t.Fatal(err)
		}
		for i, id := range ids {
			if got, want := outcomes[i], simple.outcomes[id]; got == nil || !reflect.DeepEqual(*got, *want) {
				t.Fatalf("seed %d, event %s: got %+v, want %+v", seed, id, got, want)
			}
		}
	}
}
