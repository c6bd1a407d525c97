package functions_test

import (
	"reflect"
	"testing"

	"binnacle/events"
)

// lastOutcome is the outcome of the log's last event.
func (n *node) lastOutcome() *events.Outcome {
	n.t.Helper()
	ends, err := n.log.Ends(n.t.Context())
	if err != nil {
		n.t.Fatal(err)
	}
	var found *events.Outcome
	err = n.log.Replay(n.t.Context(), events.Position{Offset: ends[0].Next - 1}, ends[0].Next, func(records []events.RawRecord) error {
		record, err := events.Decode(records[len(records)-1])
		if err != nil {
			return err
		}
		outcomes, err := n.index.Outcomes(n.t.Context(), []string{record.Event.ID})
		if err == nil {
			found = outcomes[0]
		}
		return err
	})
	if err != nil || found == nil {
		n.t.Fatalf("the last event's outcome is %v, %v", found, err)
	}
	return found
}

func TestAnOutcomeTellsWhatEachLinkBecame(t *testing.T) {
	n := newNode(t)
	n.must(201, "PUT", "/Practitioner/d", `{"resourceType":"Practitioner","id":"d","identifier":[{"system":"urn:npi","value":"7"}]}`)
	n.must(201, "PUT", "/Patient/p", patient("p", "1"))
	linked := `,"subject":{"reference":"Patient/p"},"performer":[{"reference":"Practitioner?identifier=urn:npi|7"},{"reference":"Patient?identifier=urn:s|1"}]`
	n.must(201, "POST", "/Observation", observation(linked))
	if got, want := n.lastOutcome().Results[0].Links, []string{"Practitioner/d", "Patient/p"}; !reflect.DeepEqual(got, want) {
		t.Errorf("the links are %q, want %q", got, want)
	}
	n.must(201, "PUT", "/Patient/q", patient("q", "2"))
	if got := n.lastOutcome().Results[0].Links; got != nil {
		t.Errorf("the links of a change that has none are %q", got)
	}
}
