package project_test

import (
	"fmt"
	"testing"

	"binnacle/events"
	"binnacle/functions/functionstest"
)

// TestALargeEventIsDecidedAgainWhenAnotherTurnsOutToBePoison: what was read of it is gone by then, and counts again.
func TestALargeEventIsDecidedAgainWhenAnotherTurnsOutToBePoison(t *testing.T) {
	n := functionstest.NewNode(t)
	bad := events.Event{ID: functionstest.NewID(), Tenant: "main", Changes: []events.Change{{Operation: events.Create,
		Type: "Patient", ID: "bad", Entry: -1,
		Content: []byte(`{"resourceType":"Patient","link":[{"other":{"reference":"p"}}]}`),
		// in the middle of nowhere: the content is no JSON afterwards
		Links: []events.Link{{Start: 20, End: 40, Change: 0}}}}}
	// refers to what the poison would have created
	large := events.Event{ID: functionstest.NewID(), Tenant: "main", Changes: []events.Change{{Operation: events.Create,
		Type: "Patient", ID: "refers",
		Content: []byte(`{"resourceType":"Patient","link":[{"other":{"reference":"Patient/bad"},"type":"seealso"}]}`)}}}
	for i := range 10_001 {
		large.Changes = append(large.Changes, events.Change{Operation: events.Create, Type: "Patient",
			ID: fmt.Sprintf("p%d", i), Entry: i + 1, Content: []byte(`{"resourceType":"Patient"}`)})
	}
	if _, err := n.Log.Append(t.Context(), []events.Event{bad, large}); err != nil {
		t.Fatal(err)
	}
	n.CaughtUp()
	outcomes, err := n.Index.Outcomes(t.Context(), []string{bad.ID, large.ID})
	if err != nil || outcomes[0].Refusal == nil || outcomes[1].Refusal == nil || len(n.Index.Rows) > 0 {
		t.Fatalf("got %+.300v and %+.300v with %d rows (%v)", outcomes[0], outcomes[1], len(n.Index.Rows), err)
	}
}
