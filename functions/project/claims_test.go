package project_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"binnacle/events"
	"binnacle/functions/functionstest"
	memoryblobs "binnacle/projections/blobs/memory"
)

func TestKeysAreDecidedInTheOrderAndTheTimeOfTheLog(t *testing.T) {
	type held struct {
		event string
		hash  events.Hash
		until time.Time
	}
	for seed := range uint64(8) {
		random := rand.New(rand.NewPCG(seed, 7))
		at := time.UnixMilli(1_700_000_000_000).UTC()
		keys := map[string]held{} // the model: what stands under a key, or under a part of a batch's
		var records []events.RawRecord
		want := map[string]string{} // event → "effect", "reused" or the event that it repeats
		for offset := range 300 {
			at = at.Add(time.Duration(random.IntN(4)) * 250 * time.Millisecond)
			event := events.Event{ID: functionstest.NewID(), Tenant: fmt.Sprint("t", random.IntN(2)),
				IdempotencyKey: fmt.Sprint("k", random.IntN(5)),
				Repeat: events.Repeat{Request: events.Hash{byte(random.IntN(2))}, Part: max(0, random.IntN(5)-2),
					Window: time.Duration(1+random.IntN(4)) * time.Second},
				Changes: []events.Change{{Operation: events.Create, Type: "Patient", ID: fmt.Sprint("p", offset),
					Content: []byte(functionstest.Patient("", "1")), Entry: -1}}}
			name := event.Tenant + " " + event.IdempotencyKey
			part := fmt.Sprint(name, " ", event.Repeat.Part)
			mine := held{event.ID, event.Repeat.Request, at.Add(event.Repeat.Window)}
			key, taken := keys[name]
			taken = taken && at.Before(key.until)
			entry, again := keys[part]
			again = again && at.Before(entry.until) && entry.hash == mine.hash
			switch {
			case taken && key.hash != mine.hash:
				want[event.ID] = "reused"
			case event.Repeat.Part == 0 && taken:
				want[event.ID] = key.event
			case event.Repeat.Part > 0 && again:
				want[event.ID] = entry.event
			default:
				want[event.ID] = "effect"
				if !taken {
					keys[name] = mine
				}
				if event.Repeat.Part > 0 {
					keys[part] = mine
				}
			}
			headers, value, err := events.Encode(event)
			if err != nil {
				t.Fatal(err)
			}
			records = append(records, events.RawRecord{Position: events.Position{Offset: int64(offset)}, Time: at,
				Key: []byte(event.Tenant), Headers: headers, Value: value})
		}
		x := functionstest.NewIndex()
		p := functionstest.NewProject(x, memoryblobs.New())
		for rest := records; len(rest) > 0; {
			size := min(len(rest), 1+random.IntN(60))
			if err := p.Handle(functionstest.Batch(rest[:size]...)); err != nil {
				t.Fatal(err)
			}
			rest = rest[size:]
		}
		effects := 0
		for id, expect := range want {
			outcomes, err := x.Outcomes(context.Background(), []string{id})
			if err != nil || outcomes[0] == nil {
				t.Fatalf("the event %s has no outcome, %v", id, err)
			}
			got := outcomes[0].Repeats
			switch {
			case outcomes[0].Refusal != nil && outcomes[0].Refusal.Kind == events.Reused:
				got = "reused"
			case got == "" && len(outcomes[0].Results) == 1:
				got = "effect"
				effects++
			}
			if got != expect {
				t.Errorf("seed %d: the event %s at %v became %q, want %q", seed, id, outcomes[0].Position, got, expect)
			}
		}
		if len(x.Rows) != effects || effects == 0 {
			t.Errorf("seed %d: %d versions of %d effects", seed, len(x.Rows), effects)
		}
	}
}
