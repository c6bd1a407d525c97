package functions_test

import (
	"context"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"binnacle/events"
	"binnacle/functions/project"
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

func TestIfMatchHoldsForAnyVersionOfItsList(t *testing.T) {
	n := newNode(t)
	n.must(201, "PUT", "/Patient/p", patient("p", "0"))
	n.must(200, "PUT", "/Patient/p", patient("p", "1"), `If-Match: W/"1", W/"7"`)
	n.must(200, "PUT", "/Patient/p", patient("p", "2"), `If-Match: "x,y","7",W/"2"`)
	n.must(200, "PUT", "/Patient/p", patient("p", "3"), `If-Match: W/"9"`, `If-Match: 3`)
	n.must(412, "PUT", "/Patient/p", patient("p", "4"), `If-Match: W/"1", W/"2", W/"3"`)
	entry := func(kind, list string) string {
		return `{"resourceType":"Bundle","type":"` + kind + `","entry":[{"resource":` + patient("p", "5") + `,"request":{"method":"PUT","url":"Patient/p","ifMatch":"` + strings.ReplaceAll(list, `"`, `\"`) + `"}}]}`
	}
	n.must(412, "POST", "", entry("transaction", `W/"x"`))
	n.must(200, "POST", "", entry("transaction", `W/"x", W/"4"`))
	n.must(204, "DELETE", "/Patient/p", "", `If-Match: W/"4", W/"5"`)
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

func newProject(x projections.Index, blobs projections.Blobs) *project.Projector {
	return &project.Projector{Index: x, Blobs: blobs, Dialects: theDialects(), Logger: quiet, Reseek: func() {}}
}

func mustSeek(t *testing.T, p *project.Projector) {
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
	one := n.must(200, "POST", "", bundle, `Idempotency-Key: "b"`)
	two := n.must(200, "POST", "", bundle, `Idempotency-Key: "b"`)
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

func TestConditionalReferencesAreLookedUpOnce(t *testing.T) {
	n := newNode(t)
	n.must(201, "PUT", "/Practitioner/d", `{"resourceType":"Practitioner","id":"d","identifier":[{"system":"urn:npi","value":"7"}]}`)
	if err := n.project.Settle(t.Context()); err != nil { // what is read while a practitioner is being committed is not kept
		t.Fatal(err)
	}
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
		var want int
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

func TestAnIndexThatWentBackIsFilledAgainAlthoughNoRecordComes(t *testing.T) {
	n := newNode(t)
	for i := range 3 {
		n.must(201, "PUT", fmt.Sprintf("/Patient/p%d", i), patient(fmt.Sprintf("p%d", i), "1"))
	}
	want := n.index.dump()
	observe := func() {
		states, err := n.index.Partitions(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		n.project.Observed(t.Context(), states)
	}
	observe()
	if got := n.index.dump(); got != want {
		t.Fatalf("an index that is where it should be was touched: %s", firstDifference(got, want))
	}
	n.index.empty()
	n.project.Observed(t.Context(), map[int32]projections.State{0: {Next: 3}}) // seen before it went back
	if len(n.index.dump()) > len(want)/2 {
		t.Fatal("the index is still full")
	}
	observe()
	n.caughtUp()
	if got := n.index.dump(); got != want {
		t.Errorf("the index that went back was not filled as before: %s", firstDifference(got, want))
	}
}

// TestTheProjectorTellsWhyItDoesNotGoOn: health asks, and so do writes, which then are not appended.
func TestTheProjectorTellsWhyItDoesNotGoOn(t *testing.T) {
	blobs := &failingBlobs{}
	n := newNode(t, func(n *node) {
		blobs.Blobs = n.blobs
		n.project.Blobs = blobs
		n.write.Limits.OutcomeWait, n.write.Limits.LagTrouble, n.write.Trouble = 50*time.Millisecond, 100*time.Millisecond, n.project.TroubleOf
	})
	n.must(201, "PUT", "/Patient/p", patient("p", "0"))
	if _, err := n.project.Trouble(); err != nil {
		t.Errorf("while all is well: %v", err)
	}
	until := func(what string, holds func(error) bool) {
		t.Helper()
		for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
			since, err := n.project.Trouble()
			if holds(err) && (err == nil) == since.IsZero() {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("%s it says %v, since %v", what, err, since)
			}
		}
	}
	blobs.err.Store(away(events.Transient))
	n.send("PUT", "/Patient/p", patient("p", "1"))
	until("while the blobs are away", func(err error) bool {
		return events.KindOf(err) == events.Transient && strings.Contains(err.Error(), "partition 0 can't be projected on: away")
	})
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		got := n.send("PUT", "/Patient/p", patient("p", "2"), "Prefer: respond-async")
		if got.status == 503 && strings.Contains(got.body, "the projector can't be used now: partition 0 can't be projected on: away") && got.header.Get("Retry-After") != "" {
			break
		}
		if got.status != 202 || time.Now().After(deadline) {
			t.Fatalf("a write while it can't go on: got %d %s, want 202 at first, then 503", got.status, got.body)
		}
	}
	blobs.err.Store(nil)
	until("when they are back", func(err error) bool { return err == nil })
	for deadline := time.Now().Add(10 * time.Second); n.send("PUT", "/Patient/p", patient("p", "3")).status >= 300; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("writes are still refused")
		}
	}
	n.verified()
}
