package project_test

import (
	"context"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"binnacle/events"
	"binnacle/functions/functionstest"
	"binnacle/projections"
	memoryblobs "binnacle/projections/blobs/memory"
)

func TestPoisonIsQuarantinedAndTheNextIsServed(t *testing.T) {
	n := functionstest.NewNode(t)
	headers, value, err := events.Encode(events.Event{ID: functionstest.NewID(), Tenant: "main",
		Changes: []events.Change{{Operation: events.Create, Type: "Patient", ID: "x",
			Content: []byte(`{"resourceType":"Patient"}`), Entry: -1}}})
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
		if _, err := n.Log.AppendRaw(raw); err != nil {
			t.Fatal(err)
		}
	}
	bad := []events.Change{
		{Operation: events.Create, Type: "Human", ID: "x", Content: []byte(`{"resourceType":"Human"}`), Entry: -1},
		{Operation: events.Create, Type: "Patient", ID: "x y", Content: []byte(`{"resourceType":"Patient"}`),
			Entry: -1},
		{Operation: events.Create, Type: "Patient", ID: "x", Content: []byte(`{"resourceType":"Patient"`), Entry: -1},
		{Operation: events.Create, Type: "Patient", ID: "x", Content: []byte(`{"resourceType":"Group"}`), Entry: -1},
		{Operation: events.Create, Type: "Patient", ID: "x",
			Content: []byte(`{"resourceType":"Patient","birthDate":{}}`), Entry: -1},
		{Operation: events.Create, Type: "Patient", ID: "x",
			Content: []byte(`{"resourceType":"Patient","link":[{"other":{"reference":"p"}}]}`), Entry: -1,
			// in the middle of nowhere: the content is no JSON afterwards
			Links: []events.Link{{Start: 20, End: 40, Change: 0}}},
	}
	for i, change := range bad {
		event := events.Event{ID: functionstest.NewID(), Tenant: "main", Changes: []events.Change{change}}
		outcome, err := n.Write.Handle(t.Context(), event)
		if err != nil || outcome.Refusal == nil || outcome.Refusal.Kind != events.Internal ||
			!strings.Contains(outcome.Refusal.Text, "quarantine") {
			t.Errorf("bad change %d: got %+v, %v; want a refusal that tells of the quarantine", i, outcome, err)
		}
	}
	n.Must(201, "PUT", "/Patient/p", functionstest.Patient("p", "1"))
	report := n.Verified()
	if want := int64(len(raws) + len(bad)); report.Quarantined != want || report.Versions != 1 {
		t.Errorf("got %d in quarantine and %d versions, want %d and 1", report.Quarantined, report.Versions, want)
	}
	for i, q := range n.Index.Quarantined {
		if q.Reason == "" || q.Record.Position.Offset != int64(i) {
			t.Errorf("quarantined %d: position %v, reason %q", i, q.Record.Position, q.Reason)
		}
	}
}

func TestAPoisonedRecordInTheMiddleOfABatchSparesItsNeighbours(t *testing.T) {
	good := func(id string) events.Change {
		return events.Change{Operation: events.Update, Type: "Patient", ID: id,
			Content: []byte(functionstest.Patient(id, id)), Entry: -1}
	}
	// The neighbour's condition is decided on the poisoned record's terms, so it is found while another event is
	// decided.
	poison := events.Change{Operation: events.Create, Type: "Patient", ID: "bad",
		Content: []byte(`{"resourceType":"Patient","birthDate":{}}`), Entry: -1}
	conditional := events.Change{Operation: events.Create, Type: "Patient", ID: "new",
		Content: []byte(functionstest.Patient("", "new")), Condition: "identifier=urn:s|new", Entry: -1}
	var records []events.RawRecord
	for i, change := range []events.Change{good("a"), poison, conditional, good("b")} {
		headers, value, err := events.Encode(events.Event{ID: functionstest.NewID(), Tenant: "main",
			Changes: []events.Change{change}})
		if err != nil {
			t.Fatal(err)
		}
		records = append(records, events.RawRecord{Position: events.Position{Offset: int64(i)}, Time: time.Now(),
			Key: []byte("main"), Headers: headers, Value: value})
	}
	x := functionstest.NewIndex()
	project := functionstest.NewProject(x, memoryblobs.New())
	functionstest.MustSeek(t, project)
	if err := project.Handle(functionstest.Batch(records...)); err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, row := range x.Rows {
		ids = append(ids, row.ID)
	}
	if got := strings.Join(ids, " "); got != "a new b" || len(x.Quarantined) != 1 || x.Commits != 1 {
		t.Errorf("got rows %q, %d in quarantine, %d commits; want a new b, 1, 1", got, len(x.Quarantined), x.Commits)
	}
}

func TestARepeatedEventTakesEffectOnce(t *testing.T) {
	n := functionstest.NewNode(t)
	event := events.Event{ID: functionstest.NewID(), Tenant: "main", Changes: []events.Change{{Operation: events.Create,
		Type: "Patient", ID: "once", Content: []byte(functionstest.Patient("", "1")), Entry: -1}}}
	first, err := n.Write.Handle(t.Context(), event)
	if err != nil || first.Refusal != nil {
		t.Fatal(first, err)
	}
	second, err := n.Write.Handle(t.Context(), event)
	if err != nil || !reflect.DeepEqual(first, second) {
		t.Errorf("got %+v, %v; want the first outcome %+v", second, err, first)
	}
	// Twice in one batch.
	other := event
	other.ID, other.Changes = functionstest.NewID(), []events.Change{{Operation: events.Create, Type: "Patient",
		ID: "twice", Content: []byte(functionstest.Patient("", "2")), Entry: -1}}
	if _, err := n.Log.Append(t.Context(), []events.Event{other, other, event, other}); err != nil {
		t.Fatal(err)
	}
	if report := n.Verified(); report.Versions != 2 {
		t.Errorf("got %d versions, want 2", report.Versions)
	}
}

func TestAnIdempotencyKeyMakesARepetitionHarmless(t *testing.T) {
	n := functionstest.NewNode(t)
	first := n.Must(201, "POST", "/Patient", functionstest.Patient("", "1"), `Idempotency-Key: "k"`)
	again := n.Must(201, "POST", "/Patient", functionstest.Patient("", "1"), `Idempotency-Key: "k"`)
	if first.Header.Get("Location") != again.Header.Get("Location") ||
		first.Header.Get("Binnacle-Position") != again.Header.Get("Binnacle-Position") || first.Body != again.Body {
		t.Errorf("got %v %s, want %v %s", again.Header, again.Body, first.Header, first.Body)
	}
	bundle := functionstest.BundleOf("batch", functionstest.EntryOf("", "POST", "Patient",
		functionstest.Patient("", "2")), functionstest.EntryOf("", "POST", "Patient", functionstest.Patient("", "2")))
	one := n.Must(200, "POST", "", bundle, `Idempotency-Key: "b"`)
	two := n.Must(200, "POST", "", bundle, `Idempotency-Key: "b"`)
	if one.Body != two.Body {
		t.Errorf("got %s, want %s", two.Body, one.Body)
	}
	n.Must(201, "POST", "/Patient", functionstest.Patient("", "1"), `Idempotency-Key: "other"`)
	if report := n.Verified(); report.Versions != 4 {
		t.Errorf("got %d versions, want 4", report.Versions)
	}
}

func TestALostPlaceIsLookedForAgain(t *testing.T) {
	records := functionstest.RandomRecords(t, 1, 20)
	t.Run("records below the stored position are passed over", func(t *testing.T) {
		x := functionstest.NewIndex()
		p := functionstest.NewProject(x, memoryblobs.New())
		functionstest.MustSeek(t, p)
		for _, some := range [][]events.RawRecord{records[:10], records[:5], records[5:15], records[10:]} {
			if err := p.Handle(functionstest.Batch(some...)); err != nil {
				t.Fatal(err)
			}
		}
		if x.States[0].Next != 20 {
			t.Errorf("next is %d, want 20", x.States[0].Next)
		}
	})
	t.Run("a gap that was not delivered is not passed over", func(t *testing.T) {
		x := functionstest.NewIndex()
		p := functionstest.NewProject(x, memoryblobs.New())
		reseeks := 0
		p.Reseek = func() { reseeks++ }
		if err := p.Handle(functionstest.Batch(records[3:6]...)); err != nil {
			t.Fatal(err)
		}
		if reseeks != 1 || x.Commits != 0 {
			t.Errorf("%d reseeks and %d commits, want 1 and 0", reseeks, x.Commits)
		}
	})
	t.Run("offsets without records are passed over", func(t *testing.T) {
		x := functionstest.NewIndex()
		p := functionstest.NewProject(x, memoryblobs.New())
		p.Reseek = func() { t.Error("reseek") }
		functionstest.MustSeek(t, p)
		for _, some := range [][]events.RawRecord{records[2:6], records[8:12]} {
			if err := p.Handle(functionstest.Batch(some...)); err != nil {
				t.Fatal(err)
			}
		}
		if x.States[0].Next != 12 {
			t.Errorf("next is %d, want 12", x.States[0].Next)
		}
	})
	t.Run("who loses the fence drops its work", func(t *testing.T) {
		x := functionstest.NewIndex()
		blobs := memoryblobs.New()
		p, other := functionstest.NewProject(x, blobs), functionstest.NewProject(x, blobs)
		reseeks := 0
		p.Reseek = func() { reseeks++ }
		functionstest.MustSeek(t, p)
		functionstest.MustSeek(t, other)
		if err := other.Handle(functionstest.Batch(records[:10]...)); err != nil {
			t.Fatal(err)
		}
		if err := p.Handle(functionstest.Batch(records[:5]...)); err != nil {
			t.Fatal(err)
		}
		if reseeks != 1 || x.States[0].Next != 10 {
			t.Errorf("%d reseeks, next is %d; want 1 and 10", reseeks, x.States[0].Next)
		}
		next, err := p.Seek(t.Context(), 0)
		if err != nil || next != 10 {
			t.Fatalf("Seek: got %d, %v; want 10", next, err)
		}
		if err := p.Handle(functionstest.Batch(records[10:]...)); err != nil || x.States[0].Next != 20 {
			t.Errorf("got %v, next %d; want 20", err, x.States[0].Next)
		}
	})
}

func TestOperationsAgreeWithASimpleModel(t *testing.T) {
	n := functionstest.NewNode(t)
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
		var got functionstest.Reply
		var want int
		if random.IntN(4) == 0 {
			got = n.Send("DELETE", "/Patient/"+id, "", headers...)
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
			got = n.Send("PUT", "/Patient/"+id, functionstest.Patient(id, value), headers...)
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
		if got.Status != want {
			t.Fatalf("step %d: got %d, want %d: %s", step, got.Status, want, got.Body)
		}
		if etag := got.Header.Get("ETag"); want < 300 && s.version > 0 && etag != fmt.Sprintf(`W/"%d"`, s.version) {
			t.Fatalf("step %d: ETag %s, want version %d", step, etag, s.version)
		}
	}
	n.Verified()
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
		headers, value, err := events.Encode(events.Event{ID: functionstest.NewID(), Tenant: "main",
			Changes: []events.Change{{Operation: events.Update, Type: "Patient", ID: fmt.Sprintf("p%d", i),
				Content: []byte(content), Entry: -1}}})
		if err != nil {
			t.Fatal(err)
		}
		records = append(records, events.RawRecord{Position: events.Position{Offset: int64(i)}, Time: time.Now(),
			Key: []byte("main"), Headers: headers, Value: value})
	}
	x := functionstest.NewIndex()
	p := functionstest.NewProject(x, memoryblobs.New())
	functionstest.MustSeek(t, p)
	if err := p.Handle(functionstest.Batch(records...)); err != nil {
		t.Fatal(err)
	}
	if len(x.Rows) != 24 || x.Commits < 2 {
		t.Errorf("%d rows in %d commits, want 24 in several", len(x.Rows), x.Commits)
	}
}

func TestAContextThatEndsStopsTheProjectorWithoutHalfACommit(t *testing.T) {
	x := functionstest.NewIndex()
	p := functionstest.NewProject(x, memoryblobs.New())
	functionstest.MustSeek(t, p)
	msg := functionstest.Batch(functionstest.RandomRecords(t, 1, 50)...)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	msg.SetContext(ctx)
	if err := p.Handle(msg); err == nil || x.Commits != 0 {
		t.Errorf("got %v and %d commits, want an error and none", err, x.Commits)
	}
}

// smallBlobs refuses contents above a size for good, as Cassandra does.
type smallBlobs struct {
	projections.Blobs
	most int
}

func (b smallBlobs) Put(ctx context.Context, blobs []projections.Blob) error {
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
		headers, value, err := events.Encode(events.Event{ID: functionstest.NewID(), Tenant: "main",
			Changes: []events.Change{{Operation: events.Update, Type: "Patient", ID: id,
				Content: []byte(functionstest.Patient(id, strings.Repeat("x", size))), Entry: -1}}})
		if err != nil {
			t.Fatal(err)
		}
		records = append(records, events.RawRecord{Position: events.Position{Offset: int64(i)}, Time: time.Now(),
			Key: []byte("main"), Headers: headers, Value: value})
	}
	x := functionstest.NewIndex()
	p := functionstest.NewProject(x, smallBlobs{memoryblobs.New(), 1_000})
	functionstest.MustSeek(t, p)
	if err := p.Handle(functionstest.Batch(records...)); err != nil {
		t.Fatal(err)
	}
	if len(x.Rows) != 3 || len(x.Quarantined) != 2 || x.States[0].Next != 5 {
		t.Errorf("%d rows, %d in quarantine, next %d; want 3, 2 and 5", len(x.Rows), len(x.Quarantined),
			x.States[0].Next)
	}
}
