package events

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
)

var updateGolden = flag.Bool("update-golden", false, "write the golden files that do not exist yet; never rewrites one")

// at is the place of every record in these tests.
var at = Position{Partition: 3, Offset: 42}

func asRaw(t testing.TB, event Event) RawRecord {
	t.Helper()
	headers, value, err := Encode(event)
	if err != nil {
		t.Fatalf("Encode: %v", err)
	}
	return RawRecord{Position: at, Time: time.UnixMilli(1_700_000_000_000).UTC(), Key: []byte(event.Tenant),
		Headers: headers, Value: value}
}

func smallEvent() Event {
	return Event{
		ID: "0190a5d4-7b6a-7c3e-9f00-0123456789ab", Tenant: "main",
		Time: time.Date(2026, 2, 3, 4, 5, 6, 789_000_000, time.UTC),
		Changes: []Change{{Operation: Update, Type: "Patient", ID: "1",
			Content: []byte(`{"resourceType":"Patient", "id":"1"}`), Entry: -1}},
	}
}

// fullEvent uses every field that the form has.
func fullEvent() Event {
	patient := []byte(
		`{"resourceType":"Patient","managingOrganization":{"reference":"urn:x"},"name":[{"family":"Ödön 255.0"}]}`)
	start := bytes.Index(patient, []byte("urn:x"))
	return Event{
		ID: "0190a5d4-7b6a-7c3e-9f00-0123456789ac", Tenant: "clinic-7",
		Time:           time.Date(2026, 2, 3, 4, 5, 6, 0, time.UTC),
		IdempotencyKey: "retry-1", AllowDangling: true,
		Changes: []Change{
			{Operation: Create, Type: "Patient", ID: "a", Content: patient, Condition: "identifier=http://x|1",
				Entry: 2,
				Links: []Link{{Start: start, End: start + 5, Change: 1},
					{Start: start + 5, End: start + 5, Change: -1, Type: "Organization", Query: "name=ö"}}},
			{Operation: Update, Type: "Organization", ID: "b", Content: []byte("{}"), IfMatch: 7, Entry: 0},
			{Operation: Update, Type: "Organization", ID: "c", Content: []byte("{}"), IfNoneMatch: true, Entry: 1},
			{Operation: Delete, Type: "Observation", ID: "d", IfMatch: IfMatchAny, Entry: 3},
			{Operation: Delete, Type: "Observation", Condition: "code=x", Entry: 4},
		},
	}
}

// keyedEvent is one entry of a batch that came with an Idempotency-Key.
func keyedEvent() Event {
	event := smallEvent()
	event.IdempotencyKey = "retry-2"
	event.Repeat = Repeat{Request: Hash{1, 2, 3, 31: 9}, Part: 4, Window: 24 * time.Hour}
	return event
}

// replayEvent asks again for what a record in quarantine asks for.
func replayEvent() Event {
	event := smallEvent()
	event.Settles = &Settling{Position: Position{Partition: 3, Offset: 41}, Reason: "the new release reads it"}
	return event
}

// matchesEvent is an update of any of several versions.
func matchesEvent() Event {
	event := smallEvent()
	event.Changes[0].IfMatch, event.Changes[0].IfMatchOr = 3, []int64{1, 9_000}
	return event
}

// opaqueEvent is of another dialect.
func opaqueEvent() Event {
	event := smallEvent()
	event.Dialect = "opaque-2"
	event.Changes[0].Type, event.Changes[0].ID, event.Changes[0].Content = "thing", "%00 ÿ", []byte{0, 255, 13, 10}
	return event
}

// patchEvent is a transaction of a patch and of deletes that may take others with them.
func patchEvent() Event {
	event := smallEvent()
	event.Changes = []Change{
		{Operation: Patch, Type: "Patient", ID: "1", IfMatch: 2, Entry: 3,
			Content: []byte(`[{"op":"remove","path":"/name"}]`)},
		{Operation: Delete, Type: "Observation", Condition: "code=x", Many: 1_000, Entry: 0},
		{Operation: Delete, Type: "Basic", Many: 20, Entry: 1},
		{Operation: Delete, Type: "Group", ID: "g", Cascade: 500, Entry: 2},
	}
	return event
}

// toldEvent is an update and the Provenance of it.
func toldEvent() Event {
	event := smallEvent()
	content := `{"resourceType":"Provenance","target":[{"reference":"Patient"}]}`
	start := strings.LastIndex(content, "Patient")
	event.Changes = append(event.Changes, Change{Operation: Create, Type: "Provenance", ID: "p", Entry: -1,
		Content: []byte(content), Links: []Link{{Start: start, End: start + len("Patient"), Version: true}}})
	return event
}

func discardEvent() Event {
	event := smallEvent()
	event.Changes, event.Settles = nil, &Settling{Position: Position{Offset: 7}, Discard: true,
		Reason: "a test of ours"}
	return event
}

func largeEvent() Event {
	event := smallEvent()
	event.Changes[0].Content = []byte(`{"resourceType":"Patient","text":"` +
		strings.Repeat("one line of a long story, ", 400) + `"}`)
	return event
}

func TestAnEventComesBackAsItWas(t *testing.T) {
	for name, event := range map[string]Event{"small": smallEvent(), "full": fullEvent(), "large": largeEvent(),
		"keyed": keyedEvent(), "replay": replayEvent(), "discard": discardEvent(), "opaque": opaqueEvent(),
		"patch": patchEvent(), "told": toldEvent()} {
		raw := asRaw(t, event)
		got, err := Decode(raw)
		if err != nil {
			t.Fatalf("%s: Decode: %v", name, err)
		}
		want := Record{Position: at, Time: raw.Time, Event: event}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v\nwant %+v", name, got, want)
		}
	}
}

func TestTheSameEventIsAlwaysWrittenWithTheSameBytes(t *testing.T) {
	for _, event := range []Event{smallEvent(), fullEvent(), largeEvent()} {
		one, two := asRaw(t, event), asRaw(t, event)
		if !reflect.DeepEqual(one, two) {
			t.Errorf("%s was written in two ways", event.ID)
		}
	}
}

func TestALargeValueIsCompressedAndSaysSo(t *testing.T) {
	raw := asRaw(t, largeEvent())
	if len(raw.Value) > 1_000 {
		t.Errorf("the value has %d bytes", len(raw.Value))
	}
	if got := headerValue(raw, headerCompression); got != compressionZstd {
		t.Errorf("%s is %q", headerCompression, got)
	}
	if got := headerValue(asRaw(t, smallEvent()), headerCompression); got != "" {
		t.Errorf("a small event has %s %q", headerCompression, got)
	}
}

func headerValue(raw RawRecord, key string) string {
	for _, header := range raw.Headers {
		if header.Key == key {
			return string(header.Value)
		}
	}
	return ""
}

func TestAnEventThatNoRecordHoldsIsTooLarge(t *testing.T) {
	noise := make([]byte, RecordBytes+1)
	random := rand.NewChaCha8([32]byte{1})
	_, _ = random.Read(noise)
	incompressible, unbounded := smallEvent(), smallEvent()
	incompressible.Changes[0].Content = noise
	unbounded.Changes[0].Content = make([]byte, DecodedBytes)
	for name, event := range map[string]Event{"incompressible": incompressible,
		"above the bound of decoding": unbounded} {
		if _, _, err := Encode(event); KindOf(err) != TooLarge {
			t.Errorf("%s: got %v, want an error of kind %s", name, err, TooLarge)
		}
	}
}

func TestWhatCouldNotBeReadBackIsNotWritten(t *testing.T) {
	for name, spoil := range map[string]func(*Event){
		"no id":                func(e *Event) { e.ID = "" },
		"an id like no other":  func(e *Event) { e.ID = "event-1" },
		"no tenant":            func(e *Event) { e.Tenant = "" },
		"a tenant with NUL":    func(e *Event) { e.Tenant = "a\x00b" },
		"no changes":           func(e *Event) { e.Changes = nil },
		"no operation":         func(e *Event) { e.Changes[0].Operation = 0 },
		"a later operation":    func(e *Event) { e.Changes[0].Operation = 5 },
		"no content":           func(e *Event) { e.Changes[0].Content = nil },
		"a delete of content":  func(e *Event) { e.Changes[3].Content = []byte("{}") },
		"a link past the end":  func(e *Event) { e.Changes[0].Links[1].End = 4_000 },
		"links that overlap":   func(e *Event) { e.Changes[0].Links[1].Start-- },
		"a link to nowhere":    func(e *Event) { e.Changes[0].Links[0].Change = 5 },
		"a NUL in an id":       func(e *Event) { e.Changes[1].ID = "\x00" },
		"a negative entry":     func(e *Event) { e.Changes[1].Entry = -2 },
		"a negative version":   func(e *Event) { e.Changes[1].IfMatch = -2 },
		"versions beside none": func(e *Event) { e.Changes[0].IfMatchOr = []int64{2} },
		"versions beside any":  func(e *Event) { e.Changes[3].IfMatchOr = []int64{2} },
		"version zero":         func(e *Event) { e.Changes[1].IfMatchOr = []int64{0, 2} },
		"no key to repeat": func(e *Event) {
			e.IdempotencyKey, e.Repeat = "", Repeat{Request: Hash{1}, Window: time.Hour}
		},
		"no window":           func(e *Event) { e.Repeat = Repeat{Request: Hash{1}} },
		"half a second":       func(e *Event) { e.Repeat = Repeat{Request: Hash{1}, Window: 1500 * time.Millisecond} },
		"a negative part":     func(e *Event) { e.Repeat = Repeat{Request: Hash{1}, Part: -1, Window: time.Hour} },
		"a negative place":    func(e *Event) { e.Settles = &Settling{Position: Position{Offset: -1}} },
		"a loud dialect":      func(e *Event) { e.Dialect = "KV" },
		"a number of dialect": func(e *Event) { e.Dialect = "2" },
		"a long dialect":      func(e *Event) { e.Dialect = strings.Repeat("a", 33) },
		"a version to come":   func(e *Event) { e.Changes[0].Links[0].Version = true },
		"many of an id":       func(e *Event) { e.Changes[3].Many = 2 },
		"a cascade of none":   func(e *Event) { e.Changes[3].Cascade = -1 },
		"an update of many":   func(e *Event) { e.Changes[1].Many = 2 },
		"fhir by its name":    func(e *Event) { e.Dialect = FHIR },
		"a discard that asks": func(e *Event) { e.Settles = &Settling{Discard: true} },
	} {
		event := fullEvent()
		spoil(&event)
		if _, _, err := Encode(event); KindOf(err) != Invalid {
			t.Errorf("%s: got %v, want an error of kind %s", name, err, Invalid)
		}
	}
}

func TestWhatIsNoKnownEventIsInvalidWithAReason(t *testing.T) {
	set := func(key, value string) func(*RawRecord) {
		return func(raw *RawRecord) {
			for i := range raw.Headers {
				if raw.Headers[i].Key == key {
					raw.Headers[i].Value = []byte(value)
					return
				}
			}
			raw.Headers = append(raw.Headers, Header{key, []byte(value)})
		}
	}
	value := func(bytes ...byte) func(*RawRecord) { return func(raw *RawRecord) { raw.Value = bytes } }
	encoder, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		spoil  func(*RawRecord)
		reason string
	}{
		"random bytes, no headers": {func(raw *RawRecord) { raw.Headers, raw.Value = nil, []byte{1, 2, 3} },
			"ce_specversion"},
		"a null value":          {func(raw *RawRecord) { raw.Value = nil }, "no value"},
		"an empty value":        {func(raw *RawRecord) { raw.Value = []byte{} }, "not the CBOR"},
		"a later specification": {set(headerSpecVersion, "2.0"), "2.0"},
		"a later form":          {set(headerType, "dev.binnacle.event.v9"), "dev.binnacle.event.v9"},
		"another content type":  {set(headerContentType, "application/json"), "application/json"},
		"another compression":   {set(headerCompression, "br"), "br"},
		"another source":        {set(headerSource, "urn:other"), "urn:other"},
		"another tenant's key":  {func(raw *RawRecord) { raw.Key = []byte("other") }, "other"},
		"no key":                {func(raw *RawRecord) { raw.Key = nil }, "key"},
		"an id that is none":    {set(headerID, "x"), "UUID"},
		"a time that is none":   {set(headerTime, "yesterday"), "yesterday"},
		"a header twice": {func(raw *RawRecord) { raw.Headers = append(raw.Headers, Header{headerID, nil}) },
			"more than once"},
		"not CBOR":               {value(0xff), "not the CBOR"},
		"CBOR of something else": {value(0x83, 1, 2, 3), "not the CBOR"},
		"CBOR null":              {value(0xf6), "no change"},
		"CBOR with a tail":       {func(raw *RawRecord) { raw.Value = append(raw.Value, 0) }, "not the CBOR"},
		"CBOR cut short":         {func(raw *RawRecord) { raw.Value = raw.Value[:len(raw.Value)-1] }, "not the CBOR"},
		"an unknown key":         {value(0xa2, 0x01, 0x80, 0x18, 0x63, 0x01), "not the CBOR"},
		"a key twice":            {value(0xa2, 0x01, 0x80, 0x01, 0x80), "not the CBOR"},
		"an operation of later":  {value(0xa1, 0x01, 0x81, 0xa1, 0x01, 0x09), "not known here"},
		"not zstd":               {set(headerCompression, "zstd"), "zstd"},
		"a zstd bomb": {func(raw *RawRecord) {
			set(headerCompression, "zstd")(raw)
			raw.Value = encoder.EncodeAll(make([]byte, DecodedBytes+1), nil)
		}, "claims"},
		"a zstd frame that lies": {func(raw *RawRecord) {
			set(headerCompression, "zstd")(raw)
			raw.Value = []byte{0x28, 0xb5, 0x2f, 0xfd, 0xa0, 0, 0, 0, 1, 1, 0, 0}
		}, "claims"},
		"fhir by its name":     {value(0xa2, 0x01, 0x80, 0x06, 0x64, 'f', 'h', 'i', 'r'), "naming none"},
		"a dialect of no name": {value(0xa2, 0x01, 0x80, 0x06, 0x61, ' '), "dialect"},
		"a short hash":         {value(0xa2, 0x01, 0x80, 0x04, 0xa2, 0x01, 0x41, 0x01, 0x03, 0x01), "hash"},
		"a window without end": {value(append(append([]byte{0xa2, 0x01, 0x80, 0x04, 0xa2, 0x01, 0x58, 0x20},
			make([]byte, 32)...), 0x03, 0x1b, 0x7f, 0, 0, 0, 0, 0, 0, 0)...), "window"},
		"a crowd of empty changes": {func(raw *RawRecord) {
			raw.Value = append([]byte{0xa1, 0x01, 0x9a, 0, 0x60, 0, 0}, bytes.Repeat([]byte{0xa0}, 0x600000)...)
		}, "items"},
	} {
		raw := asRaw(t, smallEvent())
		c.spoil(&raw)
		got, err := Decode(raw)
		if KindOf(err) != Invalid || !strings.Contains(fmt.Sprint(err), c.reason) {
			t.Errorf("%s: got %v, want an error of kind %s that tells of %q", name, err, Invalid, c.reason)
		}
		if got.Position != at || got.Time != raw.Time {
			t.Errorf("%s: the refused record is placed at %v %v", name, got.Position, got.Time)
		}
	}
}

func TestOtherPeoplesHeadersDoNotDisturb(t *testing.T) {
	raw := asRaw(t, smallEvent())
	raw.Headers = append(raw.Headers, Header{"traceparent", []byte("00-1")}, Header{"traceparent", nil},
		Header{"ce_subject", []byte("x")})
	if _, err := Decode(raw); err != nil {
		t.Error(err)
	}
}

func TestDecodeKeepsNoPartOfTheRecord(t *testing.T) {
	raw := asRaw(t, smallEvent())
	record, err := Decode(raw)
	if err != nil {
		t.Fatal(err)
	}
	clear(raw.Value)
	clear(raw.Key)
	for _, header := range raw.Headers {
		clear(header.Value)
	}
	if want := smallEvent(); !reflect.DeepEqual(record.Event, want) {
		t.Errorf("got %+v after the record's memory was reused", record.Event)
	}
}

// goldenRecord is how a golden file holds a record of the log and what it means. Fields of bytes are base64.
type goldenRecord struct {
	Key     []byte
	Headers []Header
	Value   []byte
	Event   Event
}

// Every form ever written has golden files. None is ever changed or removed: a log from that day must be readable for
// ever.
func TestEveryFormEverWrittenIsStillRead(t *testing.T) {
	if *updateGolden {
		writeGolden(t)
	}
	files, err := filepath.Glob("testdata/*.golden")
	if err != nil || len(files) < 3 {
		t.Fatalf("found %d golden files (%v), want at least the 3 of v1", len(files), err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var golden goldenRecord
		if err := json.Unmarshal(data, &golden); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		got, err := Decode(RawRecord{Key: golden.Key, Headers: golden.Headers, Value: golden.Value})
		if err != nil {
			t.Errorf("%s: %v", file, err)
		} else if !reflect.DeepEqual(got.Event, golden.Event) {
			t.Errorf("%s: got %+v\nwant %+v", file, got.Event, golden.Event)
		}
	}
}

func writeGolden(t *testing.T) {
	for name, event := range map[string]Event{"v1-small": smallEvent(), "v1-full": fullEvent(), "v1-zstd": largeEvent(),
		"v1-keyed": keyedEvent(), "v1-replay": replayEvent(), "v1-discard": discardEvent(),
		"v1-matches": matchesEvent(), "v1-dialect": opaqueEvent(), "v1-patch": patchEvent(), "v1-told": toldEvent()} {
		file := filepath.Join("testdata", name+".golden")
		if _, err := os.Stat(file); err == nil {
			continue
		}
		raw := asRaw(t, event)
		data, err := json.MarshalIndent(goldenRecord{raw.Key, raw.Headers, raw.Value, event}, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, append(data, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func TestTheFormOfTodayIsWrittenByteForByte(t *testing.T) {
	for name, event := range map[string]Event{"v1-full": fullEvent(), "v1-keyed": keyedEvent(),
		"v1-replay": replayEvent(), "v1-discard": discardEvent(), "v1-matches": matchesEvent(),
		"v1-dialect": opaqueEvent(), "v1-patch": patchEvent(), "v1-told": toldEvent()} {
		data, err := os.ReadFile("testdata/" + name + ".golden")
		if err != nil {
			t.Fatal(err)
		}
		var golden goldenRecord
		if err := json.Unmarshal(data, &golden); err != nil {
			t.Fatal(err)
		}
		raw := asRaw(t, event)
		if !bytes.Equal(raw.Value, golden.Value) || !reflect.DeepEqual(raw.Headers, golden.Headers) {
			t.Errorf("%s: the written form has changed: got %x %q, want %x %q; a changed form needs a new ce_type "+
				"and a golden file", name, raw.Value, raw.Headers, golden.Value, golden.Headers)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, event := range []Event{smallEvent(), fullEvent(), largeEvent(), keyedEvent(), replayEvent(), discardEvent(),
		matchesEvent(), opaqueEvent(), patchEvent(), toldEvent()} {
		raw := asRaw(f, event)
		f.Add(raw.Value, headerValue(raw, headerCompression), event.ID, "2026-02-03T04:05:06Z")
	}
	f.Add([]byte{0xa1, 0x01, 0x9a, 0xff, 0xff, 0xff, 0xff}, "", smallEvent().ID, "")
	f.Fuzz(func(t *testing.T, value []byte, compression, id, when string) {
		raw := RawRecord{Key: []byte("main"), Value: value, Headers: []Header{
			{headerSpecVersion, []byte(specVersion)}, {headerType, []byte(typeEventV1)},
			{headerSource, []byte(sourcePrefix + "main")}, {headerID, []byte(id)},
			{headerTime, []byte(when)}, {headerContentType, []byte(contentTypeCBOR)},
			{headerCompression, []byte(compression)},
		}}
		record, err := Decode(raw)
		tenant, peeked := Peek(raw)
		if err != nil {
			if KindOf(err) != Invalid {
				t.Fatalf("got an error of kind %s: %v", KindOf(err), err)
			}
			return
		}
		named := 0
		for _, change := range record.Event.Changes {
			if change.ID != "" {
				named++
			}
		}
		if tenant != record.Event.Tenant || len(peeked) != named {
			t.Fatalf("Peek tells of %d changes of %q, Decode of %d of %q", len(peeked), tenant, named,
				record.Event.Tenant)
		}
		// What is read can be written, and means the same.
		headers, rewritten, err := Encode(record.Event)
		if err != nil {
			t.Fatalf("Encode of what Decode gave: %v", err)
		}
		again, err := Decode(RawRecord{Key: raw.Key, Headers: headers, Value: rewritten})
		if err != nil || !reflect.DeepEqual(again.Event, record.Event) {
			t.Fatalf("got %+v, %v\nwant %+v", again.Event, err, record.Event)
		}
	})
}

func TestMemoryThatIsUsedAgainIsNotSharedByEvents(t *testing.T) {
	large, other := transactionEvent(), transactionEvent()
	for i := range other.Changes {
		other.Changes[i].Content = bytes.ToUpper(other.Changes[i].Content)
	}
	raw, otherRaw := asRaw(t, large), asRaw(t, other)
	var running sync.WaitGroup
	for _, c := range []struct {
		raw  RawRecord
		want Event
	}{{raw, large}, {otherRaw, other}, {raw, large}, {otherRaw, other}} {
		running.Go(func() {
			var earlier []Event
			for range 5 {
				got, err := Decode(c.raw)
				if err != nil {
					t.Errorf("Decode: %v", err)
					return
				}
				earlier = append(earlier, got.Event)
				if _, value, err := Encode(c.want); err != nil || !bytes.Equal(value, c.raw.Value) {
					t.Errorf("Encode gives other bytes than before: %v", err)
				}
			}
			for _, got := range earlier {
				for i := range got.Changes {
					if !bytes.Equal(got.Changes[i].Content, c.want.Changes[i].Content) {
						t.Errorf("change %d has other bytes now", i)
						return
					}
				}
			}
		})
	}
	running.Wait()
}
