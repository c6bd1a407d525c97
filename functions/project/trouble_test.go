package project_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"binnacle/events"
	"binnacle/functions/functionstest"
	"binnacle/projections"
)

func TestAnIndexThatWentBackIsFilledAgainAlthoughNoRecordComes(t *testing.T) {
	n := functionstest.NewNode(t)
	for i := range 3 {
		n.Must(201, "PUT", fmt.Sprintf("/Patient/p%d", i), functionstest.Patient(fmt.Sprintf("p%d", i), "1"))
	}
	want := n.Index.Dump()
	observe := func() {
		states, err := n.Index.Partitions(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		n.Project.Observed(t.Context(), states)
	}
	observe()
	if got := n.Index.Dump(); got != want {
		t.Fatalf("an index that is where it should be was touched: %s", functionstest.FirstDifference(got, want))
	}
	n.Index.Empty()
	n.Project.Observed(t.Context(), map[int32]projections.State{0: {Next: 3}}) // seen before it went back
	if len(n.Index.Dump()) > len(want)/2 {
		t.Fatal("the index is still full")
	}
	observe()
	n.CaughtUp()
	if got := n.Index.Dump(); got != want {
		t.Errorf("the index that went back was not filled as before: %s", functionstest.FirstDifference(got, want))
	}
}

// TestTheProjectorTellsWhyItDoesNotGoOn: health asks, and so do writes, which then are not appended.
func TestTheProjectorTellsWhyItDoesNotGoOn(t *testing.T) {
	blobs := &functionstest.FailingBlobs{}
	n := functionstest.NewNode(t, func(n *functionstest.Node) {
		blobs.Blobs = n.Blobs
		n.Project.Blobs = blobs
		n.Write.Limits.OutcomeWait, n.Write.Limits.LagTrouble, n.Write.Trouble = 50*time.Millisecond,
			100*time.Millisecond, n.Project.TroubleOf
	})
	n.Must(201, "PUT", "/Patient/p", functionstest.Patient("p", "0"))
	if _, err := n.Project.Trouble(); err != nil {
		t.Errorf("while all is well: %v", err)
	}
	until := func(what string, holds func(error) bool) {
		t.Helper()
		for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
			since, err := n.Project.Trouble()
			if holds(err) && (err == nil) == since.IsZero() {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("%s it says %v, since %v", what, err, since)
			}
		}
	}
	blobs.Err.Store(functionstest.Away(events.Transient))
	n.Send("PUT", "/Patient/p", functionstest.Patient("p", "1"))
	until("while the blobs are away", func(err error) bool {
		return events.KindOf(err) == events.Transient &&
			strings.Contains(err.Error(), "partition 0 can't be projected on: away")
	})
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		got := n.Send("PUT", "/Patient/p", functionstest.Patient("p", "2"), "Binnacle-Acknowledge: log")
		if got.Status == 503 && strings.Contains(got.Body,
			"the projector can't be used now: partition 0 can't be projected on: away") &&
			got.Header.Get("Retry-After") != "" {
			break
		}
		if got.Status != 202 || time.Now().After(deadline) {
			t.Fatalf("a write while it can't go on: got %d %s, want 202 at first, then 503", got.Status, got.Body)
		}
	}
	blobs.Err.Store(nil)
	until("when they are back", func(err error) bool { return err == nil })
	for deadline := time.Now().Add(10 * time.Second); n.Send("PUT", "/Patient/p",
		functionstest.Patient("p", "3")).Status >= 300; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("writes are still refused")
		}
	}
	n.Verified()
}
