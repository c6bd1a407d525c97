package functions_test

import (
	"fmt"
	"strings"
	"testing"

	"binnacle/events"
	memorylog "binnacle/events/memory"
)

// A decision that no feed could hold would hold up every later one: the event is refused in its place, for good, and the feed goes on.
func TestAnEventWhoseDecisionIsTooLargeForTheFeedIsRefused(t *testing.T) {
	const limit = 3000
	feed := memorylog.NewFeed()
	change, _ := publishing(feed)
	n := newNode(t, change, func(n *node) { n.project.DecisionBytes = limit })
	n.must(201, "PUT", "/Patient/p", patient("p", "1"))
	linked := func(links int) string {
		members := make([]string, links)
		for k := range members {
			members[k] = `{"reference":"Patient?identifier=urn:s|1"}`
		}
		return bundleOf("transaction", entryOf("", "POST", "Observation", observation("")),
			entryOf("", "POST", "Observation", observation(`,"performer":[`+strings.Join(members, ",")+`]`)))
	}
	n.must(200, "POST", "", linked(5))
	key := `Idempotency-Key: "k"`
	large := n.must(413, "POST", "", linked(400), key)
	if text := large.at(t, "issue", 0, "diagnostics"); !strings.Contains(text, fmt.Sprint(limit)) || !strings.Contains(text, "smaller") {
		t.Errorf("the text tells neither the limit nor what to do: %s", text)
	}
	if again := n.must(413, "POST", "", linked(400), key); again.header.Get(replayed) != "true" {
		t.Errorf("the refusal is no outcome: %v", again.header)
	}
	n.must(200, "PUT", "/Patient/p", patient("p", "2"))
	decisions := n.wantFed(feed)
	if refusal := decisions[2].Outcome.Refusal; len(decisions) != 4 || refusal == nil || refusal.Kind != events.TooLarge || refusal.Expression != "Bundle.entry[1]" {
		t.Errorf("%d decisions, the third: %+v", len(decisions), decisions[2].Outcome)
	}
	for _, d := range decisions {
		if _, value, err := events.EncodeDecision(d); err != nil || len(value) > limit+1000 {
			t.Errorf("the decision on %v takes %d bytes, %v", d.Outcome.Position, len(value), err)
		}
	}
	// A rebuild, whose own limit is the common one, applies the refusal and doesn't decide again.
	g := newGenerations(n.index, theCatalog().Digest())
	if _, err := rebuildOf(n, g, feed).Handle(t.Context(), noProgress); err != nil {
		t.Fatal(err)
	}
	if got, want := g.live.dump(), n.index.dump(); got != want {
		t.Errorf("the new generation differs: %s", firstDifference(got, want))
	}
}
