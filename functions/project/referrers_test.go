package project_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"binnacle/functions/functionstest"
)

func TestWhoRefersToWhatIsDeletedIsAskedOnceForAChunk(t *testing.T) {
	n := functionstest.NewNode(t)
	var patients, observations, both []string
	for i := range 20 {
		id := fmt.Sprint(i)
		n.Must(201, "PUT", "/Patient/"+id, functionstest.Patient(id, id))
		n.Must(201, "PUT", "/Observation/"+id,
			`{"resourceType":"Observation","id":"`+id+`","status":"final","code":{},"subject":{"reference":"Patient/`+id+`"}}`)
		patients = append(patients, functionstest.EntryOf("", "DELETE", "Patient/"+id, ""))
		observations = append(observations, functionstest.EntryOf("", "DELETE", "Observation/"+id, ""))
	}
	both = append(slices.Clone(patients), observations...)
	var mu sync.Mutex
	asked := map[string]int{}
	n.Index.Failing(func(method string) error {
		mu.Lock()
		defer mu.Unlock()
		asked[method]++
		return nil
	})
	if text := n.Must(409, "POST", "", functionstest.BundleOf("transaction", strings.Join(patients, ","))).At(t,
		"issue", 0, "diagnostics"); !strings.Contains(text, "Observation?patient=Patient/0") {
		t.Errorf("the text doesn't tell what refers to it first: %s", text)
	}
	n.Must(200, "POST", "", functionstest.BundleOf("transaction", strings.Join(both, ",")))
	n.CaughtUp()
	mu.Lock()
	defer mu.Unlock()
	if asked["Referrers"] != 2 {
		t.Errorf("the index was asked %d times who refers to what two transactions delete", asked["Referrers"])
	}
}
