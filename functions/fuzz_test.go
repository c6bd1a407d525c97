package functions_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"binnacle/events"
	"binnacle/events/fhir"
	memoryblobs "binnacle/projections/blobs/memory"
)

func FuzzTheDoorTakesAnyBody(f *testing.F) {
	for _, body := range []string{
		"", "{", patient("p", "1"), observation(`,"subject":{"reference":"Patient?identifier=a|b"}`), bundleOf("batch"),
		bundleOf("transaction", entryOf("urn:uuid:1", "POST", "Patient", patient("", "1"), `"ifNoneExist":"identifier=a"`),
			entryOf("urn:uuid:2", "POST", "Observation", observation(`,"subject":{"reference":"urn:uuid:1"},"text":{"div":"<a href='urn:uuid:1'>\u0041</a>"}`))),
		bundleOf("batch", entryOf("", "DELETE", "Patient/1", ""), entryOf("", "PUT", "Patient?_id=1", patient("1", "1"), `"ifMatch":"W/\"1\""`)),
	} {
		f.Add("POST", "", body)
		f.Add("PUT", "/Patient/p", body)
	}
	n := newNode(f)
	f.Fuzz(func(t *testing.T, method, path, body string) {
		r, err := http.NewRequest(method, "http://server.example/fhir", strings.NewReader(body))
		if err != nil {
			return
		}
		r.URL.Path += path
		rw := httptest.NewRecorder()
		n.door.ServeHTTP(rw, r)
		if rw.Code >= 500 {
			t.Fatalf("%s %q: %d %s", method, path, rw.Code, rw.Body)
		}
		if rw.Body.Len() > 0 {
			if _, err := fhir.ParseResource(rw.Body.Bytes()); err != nil {
				t.Fatalf("the answer is no resource: %v: %s", err, rw.Body)
			}
		}
		if sizes, _ := n.index.Sizes(t.Context()); sizes.Quarantined > 0 {
			t.Fatalf("the door let through what the projector cannot take: %s", n.index.quarantined[0].Reason)
		}
	})
}

func FuzzTheProjectorTakesAnyRecord(f *testing.F) {
	headers, value, err := events.Encode(events.Event{ID: newID(), Tenant: "main", Changes: []events.Change{
		{Operation: events.Create, Type: "Patient", ID: "x", Content: []byte(`{"resourceType":"Patient","link":[{"other":{"reference":"Patient?_id=1"}}]}`), Condition: "identifier=a", Entry: 0, Links: []events.Link{{Start: 57, End: 70, Change: -1, Type: "Patient", Query: "_id=1"}}},
		{Operation: events.Update, Type: "Patient", ID: "y", Content: []byte(patient("y", "1")), IfMatch: 1, Entry: 1},
		{Operation: events.Delete, Type: "Patient", ID: "z", Entry: 2},
	}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(value)
	f.Add([]byte(nil))
	x := newIndex()
	p := newProject(x, memoryblobs.New())
	if _, err := p.Seek(f.Context(), 0); err != nil {
		f.Fatal(err)
	}
	offset := int64(0)
	f.Fuzz(func(t *testing.T, value []byte) {
		if err := p.Handle(batch(events.RawRecord{Position: events.Position{Offset: offset}, Key: []byte("main"), Headers: headers, Value: value})); err != nil {
			t.Fatalf("the line stands still: %v", err)
		}
		offset++
		if state, _ := x.State(t.Context(), 0); state.Next != offset {
			t.Fatalf("next is %d, want %d", state.Next, offset)
		}
	})
}
