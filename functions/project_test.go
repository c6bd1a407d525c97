package functions_test

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"binnacle/events"
	"binnacle/functions"
	"binnacle/projections"
	memoryblobs "binnacle/projections/blobs/memory"
)

func TestOfTwoWritersWithTheSameIfMatchOneWins(t *testing.T) {
	n := newNode(t)
	n.must(201, "PUT", "/Patient/p", patient("p", "0"))
	const rounds, writers = 20, 8
	for round := range rounds {
		var won, lost atomic.Int32
		var group sync.WaitGroup
		for w := range writers {
			group.Go(func() {
				got := n.send("PUT", "/Patient/p", patient("p", fmt.Sprintf("%d-%d", round, w)), fmt.Sprintf(`If-Match: W/"%d"`, round+1))
				switch got.status {
				case 200:
					won.Add(1)
				case 412:
					lost.Add(1)
				default:
					t.Errorf("got %d: %s", got.status, got.body)
				}
			})
		}
		group.Wait()
		if won.Load() != 1 || lost.Load() != writers-1 {
			t.Fatalf("round %d: %d won and %d lost, want 1 and %d", round, won.Load(), lost.Load(), writers-1)
		}
	}
	n.verified()
}

func TestOfManyConditionalCreatesOneCreates(t *testing.T) {
	n := newNode(t)
	const writers = 16
	var ids sync.Map
	var created atomic.Int32
	var group sync.WaitGroup
	for range writers {
		group.Go(func() {
			got := n.send("POST", "/Patient", patient("", "same"), "If-None-Exist: identifier=urn:s|same")
			switch got.status {
			case 201:
				created.Add(1)
			case 200:
			default:
				t.Errorf("got %d: %s", got.status, got.body)
				return
			}
			ids.Store(got.at(t, "id"), true)
		})
	}
	group.Wait()
	count := 0
	ids.Range(func(any, any) bool { count++; return true })
	if created.Load() != 1 || count != 1 {
		t.Errorf("%d created, %d ids; want one of each", created.Load(), count)
	}
	n.verified()
}

func TestPoisonIsQuarantinedAndTheNextIsServed(t *testing.T) {
	n := newNode(t)
	headers, value, err := events.Encode(events.Event{ID: newID(), Tenant: "main", Changes: []events.Change{{Operation: events.Create, Type: "Patient", ID: "x", Content: []byte(`{"resourceType":"Patient"}`), Entry: -1}}})
	if err != nil {
		t.Fatal(err)
	}
	unknownForm := append([]events.Header(nil), headers...)
	for i := range unknownForm {
		if unknownForm[i].Key == "ce_type" {
			unknownForm[i].Value = []byte("binnacle.event.v99")
		}
	}
	raws := []events.RawRecord{
		{Key: []byte("main"), Value: []byte{0xff, 1, 2, 3}},
		{Key: []byte("main"), Headers: headers},
		{Key: []byte("main"), Headers: unknownForm, Value: value},
		{Key: []byte("main"), Headers: headers, Value: value[:len(value)-5]},
	}
	for _, raw := range raws {
		if _, err := n.log.AppendRaw(raw); err != nil {
			t.Fatal(err)
		}
	}
	bad := []events.Change{
		{Operation: events.Create, Type: "Human", ID: "x", Content: []byte(`{"resourceType":"Human"}`), Entry: -1},
		{Operation: events.Create, Type: "Patient", ID: "x y", Content: []byte(`{"resourceType":"Patient"}`), Entry: -1},
		{Operation: events.Create, Type: "Patient", ID: "x", Content: []byte(`{"resourceType":"Patient"`), Entry: -1},
		{Operation: events.Create, Type: "Patient", ID: "x", Content: []byte(`{"resourceType":"Group"}`), Entry: -1},
		{Operation: events.Create, Type: "Patient", ID: "x", Content: []byte(`{"resourceType":"Patient","birthDate":{}}`), Entry: -1},
		{Operation: events.Create, Type: "Patient", ID: "x", Content: []byte(`{"resourceType":"Patient","link":[{"other":{"reference":"p"}}]}`), Entry: -1,
			Links: []events.Link{{Start: 20, End: 40, Change: 0}}}, // in the middle of nowhere: the content is no JSON afterwards
	}
	for i, change := range bad {
		event := events.Event{ID: newID(), Tenant: "main", Changes: []events.Change{change}}
		outcome, err := n.write.Handle(t.Context(), event)
		if err != nil || outcome.Refusal == nil || outcome.Refusal.Kind != events.Internal || !strings.Contains(outcome.Refusal.Text, "quarantine") {
			t.Errorf("bad change %d: got %+v, %v; want a refusal that tells of the quarantine", i, outcome, err)
		}
	}
	n.must(201, "PUT", "/Patient/p", patient("p", "1"))
	report := n.verified()
	if want := int64(len(raws) + len(bad)); report.Quarantined != want || report.Versions != 1 {
		t.Errorf("got %d in quarantine and %d versions, want %d and 1", report.Quarantined, report.Versions, want)
	}
	for i, q := range n.index.quarantined {
		if q.Reason == "" || q.Record.Position.Offset != int64(i) {
			t.Errorf("quarantined %d: position %v, reason %q", i, q.Record.Position, q.Reason)
		}
	}
}

func TestAPoisonedRecordInTheMiddleOfABatchSparesItsNeighbours(t *testing.T) {
	good := func(id string) events.Change {
		return events.Change{Operation: events.Update, Type: "Patient", ID: id, Content: []byte(patient(id, id)), Entry: -1}
	}
	// The neighbour's condition is decided on the poisoned record's terms, so it is found while another event is decided.
	poison := events.Change{Operation: events.Create, Type: "Patient", ID: "bad", Content: []byte(`{"resourceType":"Patient","birthDate":{}}`), Entry: -1}
	conditional := events.Change{Operation: events.Create, Type: "Patient", ID: "new", Content: []byte(patient("", "new")), Condition: "identifier=urn:s|new", Entry: -1}
	var records []events.RawRecord
	for i, change := range []events.Change{good("a"), poison, conditional, good("b")} {
		headers, value, err := events.Encode(events.Event{ID: newID(), Tenant: "main", Changes: []events.Change{change}})
		if err != nil {
			t.Fatal(err)
		}
		records = append(records, events.RawRecord{Position: events.Position{Offset: int64(i)}, Time: time.Now(), Key: []byte("main"), Headers: headers, Value: value})
	}
	x := newIndex()
	project := newProject(x, memoryblobs.New())
	mustSeek(t, project)
	if err := project.Handle(batch(records...)); err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, row := range x.rows {
		ids = append(ids, row.ID)
	}
	if got := strings.Join(ids, " "); got != "a new b" || len(x.quarantined) != 1 || x.commits != 1 {
		t.Errorf("got rows %q, %d in quarantine, %d commits; want a new b, 1, 1", got, len(x.quarantined), x.commits)
	}
}

func newProject(x *index, blobs projections.Blobs) *functions.Project {
	return &functions.Project{Index: x, Blobs: blobs, Catalog: theCatalog(), Logger: quiet, Reseek: func() {}}
}

func mustSeek(t *testing.T, p *functions.Project) {
	t.Helper()
	if _, err := p.Seek(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
}

func TestARepeatedEventTakesEffectOnce(t *testing.T) {
	n := newNode(t)
	event := events.Event{ID: newID(), Tenant: "main", Changes: []events.Change{{Operation: events.Create, Type: "Patient", ID: "once", Content: []byte(patient("", "1")), Entry: -1}}}
	first, err := n.write.Handle(t.Context(), event)
	if err != nil || first.Refusal != nil {
		t.Fatal(first, err)
	}
	second, err := n.write.Handle(t.Context(), event)
	if err != nil || !reflect.DeepEqual(first, second) {
		t.Errorf("got %+v, %v; want the first outcome %+v", second, err, first)
	}
	// Twice in one batch.
	other := event
	other.ID, other.Changes = newID(), []events.Change{{Operation: events.Create, Type: "Patient", ID: "twice", Content: []byte(patient("", "2")), Entry: -1}}
	if _, err := n.log.Append(t.Context(), []events.Event{other, other, event, other}); err != nil {
		t.Fatal(err)
	}
	if report := n.verified(); report.Versions != 2 {
		t.Errorf("got %d versions, want 2", report.Versions)
	}
}

func TestAnIdempotencyKeyMakesARepetitionHarmless(t *testing.T) {
	n := newNode(t)
	first := n.must(201, "POST", "/Patient", patient("", "1"), `Idempotency-Key: "k"`)
	again := n.must(201, "POST", "/Patient", patient("", "1"), `Idempotency-Key: "k"`)
	if first.header.Get("Location") != again.header.Get("Location") || first.header.Get("Binnacle-Position") != again.header.Get("Binnacle-Position") || first.body != again.body {
		t.Errorf("got %v %s, want %v %s", again.header, again.body, first.header, first.body)
	}
	bundle := bundleOf("batch", entryOf("", "POST", "Patient", patient("", "2")), entryOf("", "POST", "Patient", patient("", "2")))
	one := n.must(200, "POST", "", bundle, `Idempotency-Key: "k"`)
	two := n.must(200, "POST", "", bundle, `Idempotency-Key: "k"`)
	if one.body != two.body {
		t.Errorf("got %s, want %s", two.body, one.body)
	}
	n.must(201, "POST", "/Patient", patient("", "1"), `Idempotency-Key: "other"`)
	if report := n.verified(); report.Versions != 4 {
		t.Errorf("got %d versions, want 4", report.Versions)
	}
}

func TestALostPlaceIsLookedForAgain(t *testing.T) {
	records := randomRecords(t, 1, 20)
	t.Run("records below the stored position are passed over", func(t *testing.T) {
		x := newIndex()
		p := newProject(x, memoryblobs.New())
		mustSeek(t, p)
		for _, some := range [][]events.RawRecord{records[:10], records[:5], records[5:15], records[10:]} {
			if err := p.Handle(batch(some...)); err != nil {
				t.Fatal(err)
			}
		}
		if x.states[0].Next != 20 {
			t.Errorf("next is %d, want 20", x.states[0].Next)
		}
	})
	t.Run("a gap that was not delivered is not passed over", func(t *testing.T) {
		x := newIndex()
		p := newProject(x, memoryblobs.New())
		reseeks := 0
		p.Reseek = func() { reseeks++ }
		if err := p.Handle(batch(records[3:6]...)); err != nil {
			t.Fatal(err)
		}
		if reseeks != 1 || x.commits != 0 {
			t.Errorf("%d reseeks and %d commits, want 1 and 0", reseeks, x.commits)
		}
	})
	t.Run("offsets without records are passed over", func(t *testing.T) {
		x := newIndex()
		p := newProject(x, memoryblobs.New())
		p.Reseek = func() { t.Error("reseek") }
		mustSeek(t, p)
		for _, some := range [][]events.RawRecord{records[2:6], records[8:12]} {
			if err := p.Handle(batch(some...)); err != nil {
				t.Fatal(err)
			}
		}
		if x.states[0].Next != 12 {
			t.Errorf("next is %d, want 12", x.states[0].Next)
		}
	})
	t.Run("who loses the fence drops its work", func(t *testing.T) {
		x := newIndex()
		blobs := memoryblobs.New()
		p, other := newProject(x, blobs), newProject(x, blobs)
		reseeks := 0
		p.Reseek = func() { reseeks++ }
		mustSeek(t, p)
		mustSeek(t, other)
		if err := other.Handle(batch(records[:10]...)); err != nil {
			t.Fatal(err)
		}
		if err := p.Handle(batch(records[:5]...)); err != nil {
			t.Fatal(err)
		}
		if reseeks != 1 || x.states[0].Next != 10 {
			t.Errorf("%d reseeks, next is %d; want 1 and 10", reseeks, x.states[0].Next)
		}
		next, err := p.Seek(t.Context(), 0)
		if err != nil || next != 10 {
			t.Fatalf("Seek: got %d, %v; want 10", next, err)
		}
		if err := p.Handle(batch(records[10:]...)); err != nil || x.states[0].Next != 20 {
			t.Errorf("got %v, next %d; want 20", err, x.states[0].Next)
		}
	})
}

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
		at = at.Add(time.Duration(random.IntN(5)-1) * time.Millisecond)
		event := events.Event{ID: newID(), Tenant: "main", AllowDangling: random.IntN(2) == 0}
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
		fmt.Fprintf(&b, "%s %v %v %+v %+v\n", o.EventID, o.Position, o.Time, o.Results, o.Refusal)
	}
	for _, q := range x.quarantined {
		fmt.Fprintf(&b, "%v %s\n", q.Record.Position, q.Reason)
	}
	fmt.Fprintf(&b, "%d outcomes, %+v\n", len(x.outcomes), x.states)
	return b.String()
}

func TestTheSameLogGivesTheSameRowsWhateverTheBatches(t *testing.T) {
	const count = 400
	for seed := range uint64(8) {
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

func TestConditionalReferencesAreLookedUpOnce(t *testing.T) {
	n := newNode(t)
	n.must(201, "PUT", "/Practitioner/d", `{"resourceType":"Practitioner","id":"d","identifier":[{"system":"urn:npi","value":"7"}]}`)
	before := n.index.searches
	for range 20 {
		n.must(201, "POST", "/Observation", observation(`,"performer":[{"reference":"Practitioner?identifier=urn:npi|7"}]`))
	}
	if got := n.index.searches - before; got != 1 {
		t.Errorf("%d searches for the same condition, want 1", got)
	}
	n.must(201, "PUT", "/Practitioner/e", `{"resourceType":"Practitioner","id":"e","identifier":[{"system":"urn:npi","value":"7"}]}`)
	n.must(412, "POST", "/Observation", observation(`,"performer":[{"reference":"Practitioner?identifier=urn:npi|7"}]`))
}

func TestOperationsAgreeWithASimpleModel(t *testing.T) {
	n := newNode(t)
	random := rand.New(rand.NewPCG(3, 3))
	type state struct {
		version int
		value   string
		deleted bool
	}
	model := map[string]*state{}
	for step := range 1_000 {
		id := fmt.Sprintf("%c", 'a'+random.IntN(5))
		s := model[id]
		if s == nil {
			s = &state{}
			model[id] = s
		}
		alive := s.version > 0 && !s.deleted
		value := fmt.Sprint(random.IntN(3))
		var headers []string
		match := random.IntN(6)
		if match < 3 {
			headers = []string{fmt.Sprintf(`If-Match: W/"%d"`, max(1, s.version-match))}
		}
		holds := match >= 3 || alive && s.version == max(1, s.version-match)
		var got reply
		want := 0
		if random.IntN(4) == 0 {
			got = n.send("DELETE", "/Patient/"+id, "", headers...)
			switch {
			case !holds:
				want = 412
			default:
				want = 204
				if alive {
					s.version, s.deleted = s.version+1, true
				}
			}
		} else {
			got = n.send("PUT", "/Patient/"+id, patient(id, value), headers...)
			switch {
			case !holds:
				want = 412
			case alive && s.value == value:
				want = 200
			case alive:
				want = 200
				s.version, s.value = s.version+1, value
			default:
				want = 201
				s.version, s.value, s.deleted = s.version+1, value, false
			}
		}
		if got.status != want {
			t.Fatalf("step %d: got %d, want %d: %s", step, got.status, want, got.body)
		}
		if etag := got.header.Get("ETag"); want < 300 && s.version > 0 && etag != fmt.Sprintf(`W/"%d"`, s.version) {
			t.Fatalf("step %d: ETag %s, want version %d", step, etag, s.version)
		}
	}
	n.verified()
}

func TestALargeBatchIsCommittedInParts(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 1))
	noise := make([]byte, 1<<19)
	for i := range noise {
		noise[i] = byte(random.Uint32())
	}
	big := hex.EncodeToString(noise)
	var records []events.RawRecord
	for i := range 24 {
		content := fmt.Sprintf(`{"resourceType":"Patient","id":"p%d","name":[{"text":%q}]}`, i, big)
		headers, value, err := events.Encode(events.Event{ID: newID(), Tenant: "main", Changes: []events.Change{{Operation: events.Update, Type: "Patient", ID: fmt.Sprintf("p%d", i), Content: []byte(content), Entry: -1}}})
		if err != nil {
			t.Fatal(err)
		}
		records = append(records, events.RawRecord{Position: events.Position{Offset: int64(i)}, Time: time.Now(), Key: []byte("main"), Headers: headers, Value: value})
	}
	x := newIndex()
	p := newProject(x, memoryblobs.New())
	mustSeek(t, p)
	if err := p.Handle(batch(records...)); err != nil {
		t.Fatal(err)
	}
	if len(x.rows) != 24 || x.commits < 2 {
		t.Errorf("%d rows in %d commits, want 24 in several", len(x.rows), x.commits)
	}
}

func TestAContextThatEndsStopsTheProjectorWithoutHalfACommit(t *testing.T) {
	x := newIndex()
	p := newProject(x, memoryblobs.New())
	mustSeek(t, p)
	msg := batch(randomRecords(t, 1, 50)...)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	msg.SetContext(ctx)
	if err := p.Handle(msg); err == nil || x.commits != 0 {
		t.Errorf("got %v and %d commits, want an error and none", err, x.commits)
	}
}

// narrowBlobs refuses contents above a size for good, as Cassandra does.
type narrowBlobs struct {
	projections.Blobs
	most int
}

func (b narrowBlobs) Put(ctx context.Context, blobs []projections.Blob) error {
	for _, blob := range blobs {
		if len(blob.Content) > b.most {
			return events.Errorf(events.TooLarge, "test.Put", "%d bytes are too many", len(blob.Content))
		}
	}
	return b.Blobs.Put(ctx, blobs)
}

func TestAContentThatTheStoreRefusesForGoodDoesNotStopTheLine(t *testing.T) {
	var records []events.RawRecord
	for i, size := range []int{10, 20, 5_000, 30, 6_000} {
		id := fmt.Sprintf("p%d", i)
		headers, value, err := events.Encode(events.Event{ID: newID(), Tenant: "main", Changes: []events.Change{{Operation: events.Update, Type: "Patient", ID: id, Content: []byte(patient(id, strings.Repeat("x", size))), Entry: -1}}})
		if err != nil {
			t.Fatal(err)
		}
		records = append(records, events.RawRecord{Position: events.Position{Offset: int64(i)}, Time: time.Now(), Key: []byte("main"), Headers: headers, Value: value})
	}
	x := newIndex()
	p := newProject(x, narrowBlobs{memoryblobs.New(), 1_000})
	mustSeek(t, p)
	if err := p.Handle(batch(records...)); err != nil {
		t.Fatal(err)
	}
	if len(x.rows) != 3 || len(x.quarantined) != 2 || x.states[0].Next != 5 {
		t.Errorf("%d rows, %d in quarantine, next %d; want 3, 2 and 5", len(x.rows), len(x.quarantined), x.states[0].Next)
	}
}
