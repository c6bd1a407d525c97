package project_test

import (
	"fmt"
	"strings"
	"testing"

	"binnacle/events"
	memorylog "binnacle/events/memory"
	"binnacle/functions/functionstest"
)

// A decision that no feed could hold would hold up every later one: the event is refused in its place, for good, and
// the feed goes on.
func TestAnEventWhoseDecisionIsTooLargeForTheFeedIsRefused(t *testing.T) {
	const limit = 3000
	feed := memorylog.NewFeed()
	change, _ := functionstest.Publishing(feed)
	n := functionstest.NewNode(t, change, func(n *functionstest.Node) { n.Project.LimitDecisions(limit) })
	n.Must(201, "PUT", "/Patient/p", functionstest.Patient("p", "1"))
	linked := func(links int) string {
		members := make([]string, links)
		for k := range members {
			members[k] = `{"reference":"Patient?identifier=urn:s|1"}`
		}
		return functionstest.BundleOf("transaction", functionstest.EntryOf("", "POST", "Observation",
			functionstest.Observation("")),
			functionstest.EntryOf("", "POST", "Observation",
				functionstest.Observation(`,"performer":[`+strings.Join(members, ",")+`]`)))
	}
	n.Must(200, "POST", "", linked(5))
	key := `Idempotency-Key: "k"`
	large := n.Must(413, "POST", "", linked(400), key)
	if text := large.At(t, "issue", 0, "diagnostics"); !strings.Contains(text, fmt.Sprint(limit)) ||
		!strings.Contains(text, "smaller") {
		t.Errorf("the text tells neither the limit nor what to do: %s", text)
	}
	if again := n.Must(413, "POST", "", linked(400), key); again.Header.Get("Idempotent-Replayed") != "true" {
		t.Errorf("the refusal is no outcome: %v", again.Header)
	}
	n.Must(200, "PUT", "/Patient/p", functionstest.Patient("p", "2"))
	decisions := n.WantFed(feed)
	if refusal := decisions[2].Outcome.Refusal; len(decisions) != 4 || refusal == nil ||
		refusal.Kind != events.TooLarge || refusal.Expression != "Bundle.entry[1]" {
		t.Errorf("%d decisions, the third: %+v", len(decisions), decisions[2].Outcome)
	}
	for _, d := range decisions {
		if _, value, err := events.EncodeDecision(d); err != nil || len(value) > limit+1000 {
			t.Errorf("the decision on %v takes %d bytes, %v", d.Outcome.Position, len(value), err)
		}
	}
	// A rebuild, whose own limit is the common one, applies the refusal and doesn't decide again.
	g := functionstest.NewGenerations(n.Index, functionstest.Catalog().Digest())
	if _, err := functionstest.RebuildOf(n, g, feed).Handle(t.Context(), functionstest.NoProgress); err != nil {
		t.Fatal(err)
	}
	if got, want := g.Active.Dump(), n.Index.Dump(); got != want {
		t.Errorf("the new generation differs: %s", functionstest.FirstDifference(got, want))
	}
}
