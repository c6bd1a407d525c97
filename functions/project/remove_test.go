package project_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"binnacle/events"
	"binnacle/functions/functionstest"
	"binnacle/projections"
	memoryblobs "binnacle/projections/blobs/memory"
)

// thing is a resource as the model has it: whom it refers to, and the group that conditions select by.
type thing struct {
	group   int
	refers  []string
	version int64
	gone    bool
}

// model says in the plainest way what becomes of deletes that take more than they name.
type model map[string]*thing

// alive are the resources that are there, and selected, by name.
func (m model) alive(selected func(name string, t *thing) bool) []string {
	var names []string
	for name, t := range m {
		if !t.gone && selected(name, t) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// decide returns what is there after an event and what each change removed beside what it names; false: it is refused.
func (m model) decide(changes []events.Change) (after model, removed [][]events.Removed, accepted bool) {
	after = make(model, len(m))
	for name, t := range m {
		after[name] = &thing{t.group, t.refers, t.version, t.gone}
	}
	removed = make([][]events.Removed, len(changes))
	touched := map[string]bool{}
	going := make([][]string, len(changes))
	remove := func(name string) {
		after[name].gone, touched[name] = true, true
		after[name].version++
	}
	for n, c := range changes {
		name := c.Type + "/" + c.ID
		switch {
		case c.Many > 0:
			found := after.alive(func(name string, t *thing) bool {
				return strings.HasPrefix(name, c.Type+"/") && (c.Condition == "" ||
					c.Condition == fmt.Sprintf("identifier=urn:s|%d", t.group))
			})
			if len(found) > c.Many || slices.ContainsFunc(found, func(name string) bool { return touched[name] }) {
				return nil, nil, false
			}
			for _, name := range found {
				remove(name)
				removed[n] = append(removed[n], removedOf(name, after))
			}
			going[n] = found
		case touched[name]:
			return nil, nil, false
		case c.Operation == events.Delete:
			if after[name] != nil && !after[name].gone {
				remove(name)
				going[n] = []string{name}
			}
		default:
			touched[name] = true
			was := after[name]
			if was == nil {
				was = &thing{gone: true}
			}
			now := contentOf(c.Content)
			if now.version = was.version; was.gone || was.group != now.group || !slices.Equal(was.refers, now.refers) {
				now.version++
			}
			after[name] = &now
		}
	}
	for n, c := range changes {
		for left := c.Cascade; c.Cascade > 0 && len(going[n]) > 0; {
			found := after.alive(func(name string, t *thing) bool {
				return !touched[name] && slices.ContainsFunc(t.refers, func(to string) bool {
					return slices.Contains(going[n], to)
				})
			})
			if left -= len(found); left < 0 {
				return nil, nil, false
			}
			for _, name := range found {
				remove(name)
				removed[n] = append(removed[n], removedOf(name, after))
			}
			going[n] = found
		}
		slices.SortFunc(removed[n], func(a, b events.Removed) int {
			return cmp.Or(strings.Compare(a.Type, b.Type), strings.Compare(a.ID, b.ID))
		})
	}
	broken := after.alive(func(_ string, t *thing) bool {
		return slices.ContainsFunc(t.refers, func(to string) bool { return after[to] == nil || after[to].gone })
	})
	return after, removed, len(broken) == 0
}

func removedOf(name string, m model) events.Removed {
	kind, id, _ := strings.Cut(name, "/")
	return events.Removed{Type: kind, ID: id, Version: m[name].version}
}

func contentOf(content []byte) (t thing) {
	var form struct {
		Identifier []struct{ Value string }
		Focus      []struct{ Reference string }
	}
	if err := json.Unmarshal(content, &form); err != nil {
		panic(err)
	}
	_, _ = fmt.Sscan(form.Identifier[0].Value, &t.group)
	for _, f := range form.Focus {
		t.refers = append(t.refers, f.Reference)
	}
	return t
}

// randomDeletes makes events of updates and deletes of resources that refer to each other, and what becomes of them.
func randomDeletes(t *testing.T, seed uint64, count int) (records []events.RawRecord, want []string, after model) {
	t.Helper()
	random := rand.New(rand.NewPCG(seed, 81))
	after = model{}
	types := []string{"Observation", "Media"}
	change := func(entry int) events.Change {
		c := events.Change{Operation: events.Update, Type: types[random.IntN(2)], Entry: entry,
			ID: fmt.Sprint(random.IntN(12))}
		if random.IntN(5) > 1 {
			var focus []string
			for range random.IntN(3) {
				focus = append(focus, fmt.Sprintf(`{"reference":"Observation/%d"}`, random.IntN(12)))
			}
			if c.Type == "Media" {
				c.Content = fmt.Appendf(nil, `{"resourceType":"Media","id":%q,"identifier":[{"system":"urn:s",`+
					`"value":"%d"}],"status":"completed","content":{}}`, c.ID, random.IntN(4))
			} else {
				c.Content = fmt.Appendf(nil, `{"resourceType":"Observation","id":%q,"identifier":[{"system":"urn:s",`+
					`"value":"%d"}],"status":"final","code":{"text":"x"},"focus":[%s]}`, c.ID, random.IntN(4),
					strings.Join(append(focus, fmt.Sprintf(`{"reference":"Media/%d"}`, random.IntN(12))), ","))
			}
			return c
		}
		c.Operation = events.Delete
		if random.IntN(2) == 0 {
			c.Many, c.ID = 1+random.IntN(8), ""
			if random.IntN(6) > 0 {
				c.Condition = fmt.Sprintf("identifier=urn:s|%d", random.IntN(4))
			}
		}
		if random.IntN(3) > 0 {
			c.Cascade = 1 + random.IntN(12)
		}
		return c
	}
	at := time.UnixMilli(1_700_000_000_000)
	for offset := range count {
		event := events.Event{ID: functionstest.NewID(), Tenant: "main"}
		for n := range 1 + random.IntN(4) {
			event.Changes = append(event.Changes, change(n))
		}
		headers, value, err := events.Encode(event)
		if err != nil {
			t.Fatal(err)
		}
		records = append(records, events.RawRecord{Position: events.Position{Offset: int64(offset)}, Time: at,
			Key: []byte("main"), Headers: headers, Value: value})
		next, removed, accepted := after.decide(event.Changes)
		if !accepted {
			want = append(want, "refused")
			continue
		}
		after = next
		want = append(want, fmt.Sprint(removed))
	}
	return records, want, after
}

func TestDeletesThatTakeMoreThanTheyNameAreDecidedLikeTheModel(t *testing.T) {
	const count = 300
	for seed := range uint64(4) {
		records, want, after := randomDeletes(t, seed, count)
		taken, refused := 0, 0
		for _, text := range want {
			taken += strings.Count(text, "{")
			refused += strings.Count(text, "refused")
		}
		if taken < count/10 || refused < count/10 || refused > count*4/5 {
			t.Fatalf("seed %d: %d of %d events are refused, and %d resources are taken: too few to test anything", seed,
				refused, count, taken)
		}
		dumps := map[string]string{}
		for run, index := range []projections.Index{functionstest.NewIndex(), functionstest.NewIndex(),
			functionstest.NewIndex(), functionstest.OpenIndex(t).Live()} {
			random := rand.New(rand.NewPCG(seed, uint64(run)))
			p := functionstest.NewProject(index, memoryblobs.New())
			p.Ahead = run > 0
			deliver(t, p, records, func() int { return []int{1, 40, count, 25}[run] * (1 + random.IntN(2)) }, nil)
			ids := make([]string, count)
			for n, raw := range records {
				record, err := events.Decode(raw)
				if err != nil {
					t.Fatal(err)
				}
				ids[n] = record.Event.ID
			}
			outcomes, err := index.Outcomes(t.Context(), ids)
			if err != nil {
				t.Fatal(err)
			}
			for n, outcome := range outcomes {
				got := "refused"
				if outcome.Refusal == nil {
					removed := make([][]events.Removed, len(outcome.Results))
					for i := range outcome.Results {
						removed[i] = outcome.Results[i].Removed
					}
					got = fmt.Sprint(removed)
				}
				if got != want[n] {
					t.Fatalf("seed %d, run %d, event %d: got %s %+v, want %s", seed, run, n, got, outcome.Refusal, want[n])
				}
			}
			var left []string
			for _, name := range slices.Sorted(maps.Keys(after)) {
				kind, id, _ := strings.Cut(name, "/")
				versions, err := index.Current(t.Context(), []projections.Key{{Tenant: "main", Type: kind, ID: id}})
				if err != nil {
					t.Fatal(err)
				}
				v := versions[0]
				if want := after[name]; v.Number != want.version || v.Deleted != want.gone {
					t.Fatalf("seed %d, run %d: %s is at version %d, deleted %t, want %+v", seed, run, name, v.Number,
						v.Deleted, *want)
				}
				left = append(left, fmt.Sprint(v.Sid, v.Position, v.Change, v.Time.UnixMilli()))
			}
			dumps[strings.Join(left, "\n")] = ""
		}
		if len(dumps) != 1 {
			t.Errorf("seed %d: the runs gave %d different results", seed, len(dumps))
		}
	}
}

// A delete that was in quarantine is asked for again: what was changed meanwhile does not go with it.
func TestADeleteFromQuarantineTakesNothingThatWasChangedMeanwhile(t *testing.T) {
	n := functionstest.NewNode(t)
	for _, id := range []string{"old", "new"} {
		n.Must(201, "PUT", "/Patient/"+id, functionstest.Patient(id, id))
	}
	n.Must(201, "PUT", "/Observation/o", functionstest.Observation(`,"id":"o","subject":{"reference":"Patient/old"}`))
	n.Must(201, "PUT", "/Observation/n", functionstest.Observation(`,"id":"n","subject":{"reference":"Patient/new"}`))
	position, err := n.Log.AppendRaw(events.RawRecord{Key: []byte("main"), Value: []byte("no event")})
	if err != nil {
		t.Fatal(err)
	}
	n.Must(200, "PUT", "/Observation/n", functionstest.Observation(
		`,"id":"n","subject":{"reference":"Patient/new"},"note":[{"text":"later"}]`))
	for _, c := range []struct {
		id, condition string
		refused       bool
	}{{"new", "", true}, {"", "identifier=urn:s|new", true}, {"old", "", false}} {
		change := events.Change{Operation: events.Delete, Type: "Patient", ID: c.id, Condition: c.condition, Cascade: 9, Entry: -1}
		if c.id == "" {
			change.Many = 9
		}
		outcome, err := n.Write.Handle(t.Context(), events.Event{ID: functionstest.NewID(), Tenant: "main",
			Changes: []events.Change{change}, Settles: &events.Settling{Position: position, Reason: "again"}})
		if err != nil {
			t.Fatal(err)
		}
		if no := outcome.Refusal; (no != nil) != c.refused || c.refused && (no.Kind != events.Conflict ||
			!strings.Contains(no.Text, "Observation/n was changed")) {
			t.Errorf("%+v: got %+v", c, no)
		}
	}
	n.Verified()
}

// What little events delete of much is not all committed at once.
func TestDeletesOfManyAreCommittedApart(t *testing.T) {
	const each = 3_000
	x := functionstest.NewIndex()
	p := functionstest.NewProject(x, memoryblobs.New())
	functionstest.MustSeek(t, p)
	var records []events.RawRecord
	add := func(changes ...events.Change) {
		headers, value, err := events.Encode(events.Event{ID: functionstest.NewID(), Tenant: "main",
			Changes: changes, AllowDangling: true}) // the simple index is slow to tell who refers to them
		if err != nil {
			t.Fatal(err)
		}
		records = append(records, events.RawRecord{Position: events.Position{Offset: int64(len(records))},
			Time: time.UnixMilli(1_700_000_000_000), Key: []byte("main"), Headers: headers, Value: value})
	}
	types := []string{"Basic", "Flag", "Media"}
	for _, typ := range types {
		changes := make([]events.Change, each)
		for n := range changes {
			changes[n] = events.Change{Operation: events.Create, Type: typ, ID: fmt.Sprint(n), Entry: n,
				Content: fmt.Appendf(nil, `{"resourceType":%q}`, typ)}
		}
		add(changes...)
	}
	if err := p.Handle(functionstest.Batch(records...)); err != nil {
		t.Fatal(err)
	}
	before := x.Commits
	for _, typ := range types {
		add(events.Change{Operation: events.Delete, Type: typ, Many: each, Entry: -1})
	}
	if err := p.Handle(functionstest.Batch(records[len(types):]...)); err != nil {
		t.Fatal(err)
	}
	if got := x.Commits - before; got != 2 || len(x.Rows) != 2*len(types)*each {
		t.Errorf("%d commits of %d rows, want 2 of %d", got, len(x.Rows), 2*len(types)*each)
	}
}
