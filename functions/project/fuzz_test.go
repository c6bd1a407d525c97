package project_test

import (
	"testing"

	"binnacle/events"
	"binnacle/functions/functionstest"
	memoryblobs "binnacle/projections/blobs/memory"
	"binnacle/projections/projectionstest"
)

func FuzzTheProjectorTakesAnyRecord(f *testing.F) {
	headers, value, err := events.Encode(events.Event{ID: functionstest.NewID(), Tenant: "main",
		Changes: []events.Change{
			{Operation: events.Create, Type: "Patient", ID: "x",
				Content:   []byte(`{"resourceType":"Patient","link":[{"other":{"reference":"Patient?_id=1"}}]}`),
				Condition: "identifier=a", Entry: 0, Links: []events.Link{{Start: 57, End: 70, Change: -1,
					Type: "Patient", Query: "_id=1"}}},
			{Operation: events.Update, Type: "Patient", ID: "y", Content: []byte(functionstest.Patient("y", "1")),
				IfMatch: 1, Entry: 1},
			{Operation: events.Delete, Type: "Patient", ID: "z", Entry: 2},
		}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(value)
	f.Add([]byte(nil))
	_, value, err = events.Encode(projectionstest.OpaqueEvent(functionstest.NewID(), "main",
		events.Change{Operation: events.Update, ID: "%00", Content: []byte{0}},
		events.Change{Operation: events.Delete, ID: "b"}))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(value)
	x := functionstest.NewIndex()
	p := functionstest.NewProject(x, memoryblobs.New())
	if _, err := p.Seek(f.Context(), 0); err != nil {
		f.Fatal(err)
	}
	offset := int64(0)
	f.Fuzz(func(t *testing.T, value []byte) {
		if err := p.Handle(functionstest.Batch(events.RawRecord{Position: events.Position{Offset: offset},
			Key: []byte("main"), Headers: headers, Value: value})); err != nil {
			t.Fatalf("the line stands still: %v", err)
		}
		offset++
		if state, _ := x.State(t.Context(), 0); state.Next != offset {
			t.Fatalf("next is %d, want %d", state.Next, offset)
		}
	})
}
