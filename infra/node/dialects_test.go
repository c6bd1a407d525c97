package node

import (
	"bytes"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"binnacle/events"
	"binnacle/functions"
	"binnacle/functions/rebuild"
	"binnacle/infra/parts"
	"binnacle/projections"
	"binnacle/projections/projectionstest"
)

// TestASecondDialectGoesAllWaysBesideFHIR writes things of a dialect that knows nothing of FHIR into the ledger, the
// log and the projections that FHIR has, on every variant, and takes them through everything that is below the doors.
func TestASecondDialectGoesAllWaysBesideFHIR(t *testing.T) {
	for _, variant := range variants {
		t.Run(variant, func(t *testing.T) {
			p, limits := openVariant(t, variant)
			w := &thingWalk{key: everyByte()}
			w.served = serve(t, p, limits, projectionstest.Opaque{})
			w.changes()
			w.together()
			w.refusals()
			w.repetitions()
			w.quarantine()
			w.doors()
			w.feed()
			w.lost()
			w.generations()
			w.stop()
			w.served = serve(t, p, limits)
			w.unknown()
			w.stop()
			w.served = serve(t, p, limits, projectionstest.Opaque{})
			w.known()
		})
	}
}

// thingWalk is one walk.
type thingWalk struct {
	*served
	key []byte // any bytes
}

// changes takes one thing through all operations and preconditions.
func (w *thingWalk) changes() {
	w.became(thing(events.Delete, w.key, ""), events.NoEffect, 0)
	w.became(thing(events.Update, w.key, "\xff\x00one"), events.Created, 1)
	w.holds(w.key, 1, "\xff\x00one")
	w.became(thing(events.Update, w.key, "\xff\x00one"), events.Unchanged, 1)
	w.became(thing(events.Update, w.key, "\xff\x00one "), events.Updated, 2)
	expected := thing(events.Update, w.key, "three")
	expected.IfMatch = 1
	w.refused(expected, events.Precondition)
	expected.IfMatch = 2
	w.became(expected, events.Updated, 3)
	absent := thing(events.Update, w.key, "four")
	absent.IfNoneMatch = true
	w.refused(absent, events.Precondition)
	w.refused(thing(events.Create, w.key, "four"), events.Conflict)
	gone := thing(events.Delete, w.key, "")
	gone.IfMatch = events.IfMatchAny
	w.became(gone, events.Deleted, 4)
	w.holds(w.key, 4, "")
	w.refused(gone, events.Precondition)
	w.became(absent, events.Created, 5)
	w.holds(w.key, 5, "four")

	history, err := w.Generations.Live().Versions(w.Context(), projections.Span{Tenant: w.named(w.key).Tenant,
		Types: []string{w.named(w.key).Type}, Key: w.named(w.key), Limit: 10, Count: true})
	if err != nil || len(history.Versions) != 5 || history.Total != 5 {
		w.Fatalf("the history is %+v, %v", history, err)
	}
	for n, want := range []string{"four", "", "three", "\xff\x00one ", "\xff\x00one"} {
		version := history.Versions[n]
		if version.Number != int64(5-n) || version.Deleted != (want == "") || !version.Deleted &&
			string(w.content(version.Version)) != want {
			w.Errorf("version %d is %+v, want %q", 5-n, version, want)
		}
	}
}

// together writes several things at once, or none, and both dialects side by side.
func (w *thingWalk) together() {
	a, b := []byte("a/\x00?"), []byte("b")
	if outcome := w.write(thing(events.Update, a, "1"), thing(events.Update, b, "1")); outcome.Refusal != nil ||
		len(outcome.Results) != 2 {
		w.Fatalf("got %+v", outcome)
	}
	wrong := thing(events.Update, b, "2")
	wrong.IfMatch = 7
	if outcome := w.write(thing(events.Delete, a, ""), wrong); outcome.Refusal == nil ||
		outcome.Refusal.Change != 1 || outcome.Refusal.Expression != "" {
		w.Fatalf("got %+v", outcome.Refusal)
	}
	w.holds(a, 1, "1")
	const entry = "urn:uuid:0190a5d4-7b6a-7c3e-9f00-0123456789ab"
	w.ask(http.StatusOK, http.MethodPost, "/fhir", `{"resourceType":"Bundle","type":"transaction","entry":[
		{"fullUrl":"`+entry+`","resource":`+patient("x", "3")+`,
			"request":{"method":"POST","url":"Patient","ifNoneExist":"identifier=urn:s|3"}},
		{"resource":{"resourceType":"Observation","status":"final","code":{"text":"c"},
			"subject":{"reference":"`+entry+`"}},
			"request":{"method":"POST","url":"Observation"}}]}`)
	// One batch of the log that has both.
	var list []events.Event
	for n := range 20 {
		id := fmt.Sprint("mixed-", n)
		resource := events.Event{ID: NewID(), Tenant: parts.DefaultTenant, Changes: []events.Change{
			{Operation: events.Update, Type: "Patient", ID: id, Content: []byte(patient(id, "mixed")), Entry: -1}}}
		list = append(list, resource, things(thing(events.Update, []byte(id), id),
			thing(events.Update, []byte("shared"), id)))
	}
	for n, outcome := range w.append(list...) {
		if outcome == nil || outcome.Refusal != nil {
			w.Fatalf("event %d of the batch became %+v", n, outcome)
		}
	}
	if version, _ := w.read([]byte("shared")); version.Number != 20 {
		w.Errorf("what 20 events change has version %d", version.Number)
	}
}

// refusals are what the writer appends nothing of.
func (w *thingWalk) refusals() {
	before, err := w.log.Ends(w.Context())
	if err != nil {
		w.Fatal(err)
	}
	mixed := things(thing(events.Update, []byte("m"), "1"))
	mixed.Changes = append(mixed.Changes, events.Change{Operation: events.Delete, Type: "Patient", ID: "before",
		Entry: -1})
	stranger := things(thing(events.Update, []byte("m"), "1"))
	stranger.Dialect = "quake"
	foreign := things(thing(events.Update, []byte("m"), "1"))
	foreign.Dialect = ""
	for _, c := range []struct {
		event events.Event
		kind  events.Kind
		text  string
	}{
		{mixed, events.Invalid, "change 1 is of the type Patient, which belongs to the dialect fhir"},
		{stranger, events.Unsupported, "this program knows fhir, opaque"},
		{foreign, events.Invalid, "the type thing, which belongs to the dialect opaque"},
	} {
		_, err := w.writer.Handle(w.Context(), c.event)
		_, _, later := w.writer.Append(w.Context(), c.event)
		if events.KindOf(err) != c.kind || events.KindOf(later) != c.kind || !strings.Contains(err.Error(), c.text) {
			w.Errorf("got %v and %v, want an error of kind %s that tells %q", err, later, c.kind, c.text)
		}
	}
	if after, err := w.log.Ends(w.Context()); err != nil || !slices.Equal(before, after) {
		w.Errorf("the log went from %v to %v, %v", before, after, err)
	}
}

// repetitions are events and keys that come again.
func (w *thingWalk) repetitions() {
	twice := things(thing(events.Update, []byte("twice"), "1"))
	w.append(twice, twice)
	w.append(twice)
	w.holds([]byte("twice"), 1, "1")
	keyed := things(thing(events.Update, []byte("keyed"), "1"))
	keyed.IdempotencyKey, keyed.Repeat = "k", events.Repeat{Request: events.Hash{1}, Window: time.Hour}
	first, err := w.writer.Handle(w.Context(), keyed)
	if err != nil || first.Refusal != nil {
		w.Fatalf("got %+v, %v", first, err)
	}
	keyed.ID, keyed.Changes[0].Content = NewID(), []byte("2")
	if again, err := w.writer.Handle(w.Context(), keyed); err != nil || again.Repeats != first.EventID {
		w.Errorf("the key again: got %+v, %v", again, err)
	}
	w.holds([]byte("keyed"), 1, "1")
}

// quarantine is for what comes past the writer and breaks a rule of its dialect, or of all.
func (w *thingWalk) quarantine() {
	mixed := things(thing(events.Update, []byte("bad"), "1"))
	mixed.Changes = append(mixed.Changes, events.Change{Operation: events.Delete, Type: "Patient", ID: "before",
		Entry: -1})
	unread := things(thing(events.Update, []byte("bad"), "1"))
	unread.Changes[0].ID = "%zz"
	stranger := things(thing(events.Update, []byte("bad"), "1"))
	stranger.Dialect = "quake"
	for n, outcome := range w.append(mixed, unread, stranger, things(thing(events.Update, []byte("good"), "1"))) {
		if outcome == nil || (outcome.Refusal != nil) != (n < 3) {
			w.Errorf("event %d became %+v", n, outcome)
		}
	}
	w.quarantined("belongs to the dialect fhir, and the event is of the dialect opaque", 1)
	w.quarantined("is no key of a thing", 1)
	w.quarantined("the event is of the dialect quake", 1)
	w.holds([]byte("bad"), 0, "")
	w.holds([]byte("good"), 1, "1")
	for _, found := range w.asked().found("") {
		if _, err := w.asked().Discard(w.Context(), found, "a test"); err != nil {
			w.Fatal(err)
		}
	}
}

// doors of FHIR show nothing of things.
func (w *thingWalk) doors() {
	w.ask(http.StatusNotFound, http.MethodGet, "/fhir/"+projectionstest.OpaqueType+"/early", "")
	for _, path := range []string{"/fhir?_lastUpdated=gt2000-01-01&_count=1000", "/fhir/Patient?_count=1000"} {
		body := w.ask(http.StatusOK, http.MethodGet, path, "")
		if strings.Contains(body, projectionstest.OpaqueType) || !strings.Contains(body, "mixed-7") {
			w.Errorf("%s shows things, or not the resources: %s", path, body)
		}
	}
}

// feed holds the decisions on both dialects, in the order of the log, for a reader that goes on where it was.
func (w *thingWalk) feed() {
	w.fed(w.became(thing(events.Update, []byte("fed"), "1"), events.Created, 1))
	reader := &functions.Follow{Feed: w.Feed, Memos: w.Memos, Cursor: "things", Owner: "test"}
	var types []string
	last := int64(-1)
	read := func(batch []events.Decision) error {
		for _, d := range batch {
			if d.Outcome.Position.Offset <= last {
				w.Errorf("%v comes after %d", d.Outcome.Position, last)
			}
			last = d.Outcome.Position.Offset
			for _, result := range d.Outcome.Results {
				if !slices.Contains(types, result.Type) {
					types = append(types, result.Type)
				}
			}
		}
		return nil
	}
	partition := events.PartitionOf(parts.DefaultTenant, w.Partitions)
	if err := reader.Handle(w.Context(), partition, 0, false, read); err != nil {
		w.Fatal(err)
	}
	if slices.Sort(types); !slices.Equal(types, []string{"Observation", "Patient", projectionstest.OpaqueType}) {
		w.Errorf("the feed tells of %v", types)
	}
	before := last
	w.fed(w.became(thing(events.Update, []byte("fed"), "2"), events.Updated, 2))
	if err := reader.Handle(w.Context(), partition, 0, false, read); err != nil || last != before+1 {
		w.Errorf("a reader that comes back has read from %d to %d, %v", before, last, err)
	}
}

// lost contents come back from the log: when somebody asks, by verify, and all at once.
func (w *thingWalk) lost() {
	report := w.verified(true, false)
	if report.Types[projectionstest.OpaqueType].Resources == 0 || report.TermsCompared != report.Versions {
		w.Errorf("verify has seen %+v", report)
	}
	version, value := w.read(w.key)
	lose := func() {
		w.Helper()
		if err := w.Blobs.Delete(w.Context(), []events.Hash{version.Hash}); err != nil {
			w.Fatal(err)
		}
		if w.content(version) != nil {
			w.Fatal("the content is still there")
		}
	}
	lose()
	if content, err := w.heal.Handle(w.Context(), version); err != nil || string(content) != value ||
		!bytes.Equal(w.content(version), content) {
		w.Errorf("healed it is %q, %v", content, err)
	}
	lose()
	if w.verified(false, false).Missing != 1 || w.verified(true, true).Repaired != 1 {
		w.Error("verify did not find the one content that was lost, and repair it")
	}
	lose()
	all := &rebuild.Contents{Log: w.log, Index: w.Generations.Live(), Blobs: w.Blobs, Heal: w.heal}
	if summary, err := all.Handle(w.Context(), func(int64, int64) {}); err != nil || summary.Contents != 1 ||
		summary.Failed != 0 {
		w.Errorf("all that was lost: %+v, %v", summary, err)
	}
	w.holds(w.key, 5, "four")
}

// generations are made again: as it was decided, and by deciding all anew. Both must hold the same as the live one.
func (w *thingWalk) generations() {
	w.settle()
	_, shared := w.read([]byte("shared")) // which of one append came last is the log's affair
	for pass, feed := range []events.Feed{w.Feed, nil} {
		before := w.verified(true, false)
		summary := w.rebuilt(feed)
		if summary.Compared != before.Versions || summary.Unindexed != 0 || (summary.Recorded > 0) != (feed != nil) {
			w.Errorf("%d versions, and the rebuild did %+v", before.Versions, summary)
		}
		w.holds(w.key, 5, "four")
		w.holds([]byte("shared"), 20, shared)
		disposition, status := events.Created, http.StatusCreated
		if pass > 0 {
			disposition, status = events.Updated, http.StatusOK
		}
		w.became(thing(events.Update, []byte("rebuilt"), fmt.Sprint("in pass ", pass)), disposition, int64(pass+1))
		w.put(status, "rebuilt", fmt.Sprint("in pass ", pass))
	}
	w.verified(true, false)
}

// unknown has a node that doesn't know the dialect any more: what there is stays, what comes waits in quarantine, and
// FHIR goes on.
func (w *thingWalk) unknown() {
	late := things(thing(events.Create, []byte("late"), "\x00first"))
	if _, err := w.writer.Handle(w.Context(), late); events.KindOf(err) != events.Unsupported {
		w.Errorf("a node that doesn't know the dialect writes it: %v", err)
	}
	if outcome := w.append(late)[0]; outcome == nil || outcome.Refusal == nil {
		w.Fatalf("an event of a dialect that is not known became %+v", outcome)
	}
	w.put(http.StatusCreated, "after", "2")
	w.quarantined("the event is of the dialect opaque, and this program knows fhir", 1)
	first := w.asked().found("")[0]
	if _, err := w.asked().Replay(w.Context(), first, "too early"); events.KindOf(err) != events.Invalid {
		w.Errorf("asking for it again gives %v, want an error of kind %s", err, events.Invalid)
	}
	// What was decided stays also in a generation that such a program makes. Things have no terms, so nothing is
	// missing in it.
	w.fed(w.append(things(thing(events.Update, []byte("later"), "\x00first")))[0].Position)
	summary := w.rebuilt(w.Feed)
	report := w.verified(false, false)
	if summary.Compared != report.Versions || summary.Unindexed == 0 ||
		!strings.Contains(report.Problems[0], "belongs to no dialect that this program knows") {
		w.Errorf("the rebuild did %+v, verify says %q", summary, report.Problems[0])
	}
	w.holds(w.key, 5, "four")
}

// known asks again for what the other node could not read, and makes a generation of all of it.
func (w *thingWalk) known() {
	found := w.asked().found("the dialect opaque")
	if len(found) != 2 {
		w.Fatalf("%d records wait", len(found))
	}
	for n, key := range []string{"late", "later"} {
		if outcome, err := w.asked().Replay(w.Context(), found[n], "this node knows things"); err != nil ||
			outcome.Refusal != nil {
			w.Fatalf("got %+v, %v", outcome, err)
		}
		w.holds([]byte(key), 1, "\x00first")
	}
	w.quarantined("", 0)
	w.fed(w.became(thing(events.Update, []byte("late"), "second"), events.Updated, 2))
	before := w.verified(true, false)
	if summary := w.rebuilt(w.Feed); summary.Compared != before.Versions {
		w.Errorf("%d versions, and the rebuild did %+v", before.Versions, summary)
	}
	w.holds([]byte("late"), 2, "second")
	w.verified(true, false)
}
