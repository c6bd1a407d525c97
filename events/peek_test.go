package events

import (
	"testing"

	"github.com/fxamacker/cbor/v2"
)

func TestWhatARecordAsksForIsToldEvenIfItCannotBeDecoded(t *testing.T) {
	raw := asRaw(t, largeEvent())
	want, err := Decode(raw)
	if err != nil {
		t.Fatal(err)
	}
	for i := range raw.Headers {
		if raw.Headers[i].Key == headerType {
			raw.Headers[i].Value = []byte("dev.binnacle.event.v99")
		}
	}
	if _, err := Decode(raw); KindOf(err) != Invalid {
		t.Fatalf("Decode of a form that nobody knows: %v", err)
	}
	tenant, changes := Peek(raw)
	if tenant != want.Event.Tenant || len(changes) != len(want.Event.Changes) {
		t.Fatalf("got %d changes of %q, want %d of %q", len(changes), tenant, len(want.Event.Changes), want.Event.Tenant)
	}
	for i, change := range changes {
		if w := want.Event.Changes[i]; change.Type != w.Type || change.ID != w.ID {
			t.Errorf("change %d is of %s/%s, want %s/%s", i, change.Type, change.ID, w.Type, w.ID)
		}
	}

	later, err := cbor.Marshal(map[int]any{1: []map[int]any{{2: "Patient", 3: "p", 99: "a new precondition"}, {2: "Patient"}}, 77: true})
	if err != nil {
		t.Fatal(err)
	}
	if _, changes := Peek(RawRecord{Key: []byte("main"), Value: later}); len(changes) != 1 || changes[0].ID != "p" {
		t.Errorf("with keys that are not known: got %+v, want Patient/p", changes)
	}
	for name, raw := range map[string]RawRecord{
		"no tenant": {Key: []byte{0xff}, Value: later}, "no CBOR": {Key: []byte("main"), Value: []byte("{}")}, "nothing": {},
		"a broken frame": {Key: []byte("main"), Value: later, Headers: []Header{{headerCompression, []byte(compressionZstd)}}},
	} {
		if _, changes := Peek(raw); len(changes) != 0 {
			t.Errorf("%s: got %+v, want no changes", name, changes)
		}
	}
}
