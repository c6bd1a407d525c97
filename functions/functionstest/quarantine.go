package functionstest

import (
	"time"

	"binnacle/events"
	"binnacle/functions"
	"binnacle/functions/project"
	"binnacle/projections"
)

// Poisoned appends an event in a form that nobody knows; cure makes its record one that can be read.
func (n *Node) Poisoned(event events.Event) (at events.Position) {
	n.T.Helper()
	headers, value, err := events.Encode(event)
	if err != nil {
		n.T.Fatal(err)
	}
	for i := range headers {
		if headers[i].Key == "ce_type" {
			headers[i].Value = []byte("dev.binnacle.event.v99")
		}
	}
	at, err = n.Log.AppendRaw(events.RawRecord{Key: []byte(event.Tenant), Headers: headers, Value: value})
	if err != nil {
		n.T.Fatal(err)
	}
	n.CaughtUp()
	return at
}

func Put(id, identifier string) events.Event {
	return events.Event{ID: NewID(), Tenant: "main", Changes: []events.Change{{Operation: events.Update,
		Type: "Patient", ID: id, Content: []byte(Patient(id, identifier)), Entry: -1}}}
}

func (n *Node) Quarantine() *functions.Quarantine {
	try := func(record events.RawRecord) (events.Event, error) { return project.Try(Dialects(), record) }
	return &functions.Quarantine{Index: n.Index, Ask: n.Write.Handle, Try: try, Partitions: 1, Now: time.Now,
		NewID: NewID}
}

func (n *Node) QuarantinedAt(at events.Position) projections.Quarantined {
	n.T.Helper()
	found, err := n.Quarantine().At(n.T.Context(), at)
	if err != nil {
		n.T.Fatal(err)
	}
	return found
}
