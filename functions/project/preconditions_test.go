package project_test

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"binnacle/functions/functionstest"
)

func TestOfTwoWritersWithTheSameIfMatchOneWins(t *testing.T) {
	n := functionstest.NewNode(t)
	n.Must(201, "PUT", "/Patient/p", functionstest.Patient("p", "0"))
	const rounds, writers = 20, 8
	for round := range rounds {
		var won, lost atomic.Int32
		var group sync.WaitGroup
		for w := range writers {
			group.Go(func() {
				got := n.Send("PUT", "/Patient/p", functionstest.Patient("p", fmt.Sprintf("%d-%d", round, w)),
					fmt.Sprintf(`If-Match: W/"%d"`, round+1))
				switch got.Status {
				case 200:
					won.Add(1)
				case 412:
					lost.Add(1)
				default:
					t.Errorf("got %d: %s", got.Status, got.Body)
				}
			})
		}
		group.Wait()
		if won.Load() != 1 || lost.Load() != writers-1 {
			t.Fatalf("round %d: %d won and %d lost, want 1 and %d", round, won.Load(), lost.Load(), writers-1)
		}
	}
	n.Verified()
}

func TestIfMatchHoldsForAnyVersionOfItsList(t *testing.T) {
	n := functionstest.NewNode(t)
	n.Must(201, "PUT", "/Patient/p", functionstest.Patient("p", "0"))
	n.Must(200, "PUT", "/Patient/p", functionstest.Patient("p", "1"), `If-Match: W/"1", W/"7"`)
	n.Must(200, "PUT", "/Patient/p", functionstest.Patient("p", "2"), `If-Match: "x,y","7",W/"2"`)
	n.Must(200, "PUT", "/Patient/p", functionstest.Patient("p", "3"), `If-Match: W/"9"`, `If-Match: 3`)
	n.Must(412, "PUT", "/Patient/p", functionstest.Patient("p", "4"), `If-Match: W/"1", W/"2", W/"3"`)
	entry := func(kind, list string) string {
		return `{"resourceType":"Bundle","type":"` + kind + `","entry":[{"resource":` +
			functionstest.Patient("p", "5") + `,"request":{"method":"PUT","url":"Patient/p","ifMatch":"` +
			strings.ReplaceAll(list, `"`, `\"`) + `"}}]}`
	}
	n.Must(412, "POST", "", entry("transaction", `W/"x"`))
	n.Must(200, "POST", "", entry("transaction", `W/"x", W/"4"`))
	n.Must(204, "DELETE", "/Patient/p", "", `If-Match: W/"4", W/"5"`)
	n.Verified()
}

func TestOfManyConditionalCreatesOneCreates(t *testing.T) {
	n := functionstest.NewNode(t)
	const writers = 16
	var ids sync.Map
	var created atomic.Int32
	var group sync.WaitGroup
	for range writers {
		group.Go(func() {
			got := n.Send("POST", "/Patient", functionstest.Patient("", "same"), "If-None-Exist: identifier=urn:s|same")
			switch got.Status {
			case 201:
				created.Add(1)
			case 200:
			default:
				t.Errorf("got %d: %s", got.Status, got.Body)
				return
			}
			ids.Store(got.At(t, "id"), true)
		})
	}
	group.Wait()
	count := 0
	ids.Range(func(any, any) bool { count++; return true })
	if created.Load() != 1 || count != 1 {
		t.Errorf("%d created, %d ids; want one of each", created.Load(), count)
	}
	n.Verified()
}

func TestConditionalReferencesAreLookedUpOnce(t *testing.T) {
	n := functionstest.NewNode(t)
	n.Must(201, "PUT", "/Practitioner/d",
		`{"resourceType":"Practitioner","id":"d","identifier":[{"system":"urn:npi","value":"7"}]}`)
	// what is read while a practitioner is being committed is not kept
	if err := n.Project.Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	before := n.Index.Searches
	for range 20 {
		n.Must(201, "POST", "/Observation", functionstest.Observation(
			`,"performer":[{"reference":"Practitioner?identifier=urn:npi|7"}]`))
	}
	if got := n.Index.Searches - before; got != 1 {
		t.Errorf("%d searches for the same condition, want 1", got)
	}
	n.Must(201, "PUT", "/Practitioner/e",
		`{"resourceType":"Practitioner","id":"e","identifier":[{"system":"urn:npi","value":"7"}]}`)
	n.Must(412, "POST", "/Observation", functionstest.Observation(
		`,"performer":[{"reference":"Practitioner?identifier=urn:npi|7"}]`))
}
