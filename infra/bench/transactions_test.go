package bench

import (
	"math/rand/v2"
	"strconv"
	"testing"

	"binnacle/events/fhir"
)

func TestASmallTransactionIsAPatientAndAnObservationOfIt(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	seen := map[string]bool{}
	for range 100 {
		doc, err := fhir.Parse(smallTransaction(r).Body)
		if err != nil {
			t.Fatal(err)
		}
		bundle, err := fhir.ParseBundle(doc)
		if err != nil || len(bundle.Entries) != 2 {
			t.Fatalf("got %d entries, error %v", len(bundle.Entries), err)
		}
		patient, observation := bundle.Entries[0], bundle.Entries[1]
		if got := observation.Resource.Get("subject").Get("reference").Text(); got != patient.FullURL || seen[got] {
			t.Errorf("the subject is %q, want that of the patient, %q, and a new one each time", got, patient.FullURL)
		}
		seen[patient.FullURL] = true
	}
}

func TestScatteredUpdatesTakeEveryResourceOnceBeforeAnyAgain(t *testing.T) {
	s := &sample{}
	for i := range 4 * scatteredUpdates {
		s.observations = append(s.observations, sampled{id: strconv.Itoa(i), body: []byte(`{"resourceType":"Observation","id":"` + strconv.Itoa(i) + `"}`)})
	}
	r := rand.New(rand.NewPCG(1, 2))
	seen := map[string]int{}
	neighbors := 0
	for range 8 {
		doc, err := fhir.Parse(s.scatter(r).Body)
		if err != nil {
			t.Fatal(err)
		}
		last := -1
		for entry := range doc.Root().Get("entry").Items() {
			id := entry.Get("resource").Get("id").Text()
			seen[id]++
			if n, _ := strconv.Atoi(id); n == last+1 {
				neighbors++
			} else {
				last = n
			}
		}
	}
	for i := range s.observations {
		if got := seen[strconv.Itoa(i)]; got != 2 {
			t.Errorf("%d was updated %d times, want 2", i, got)
		}
	}
	if neighbors > len(seen)/4 {
		t.Errorf("%d of %d updates follow on their neighbor: they are not scattered", neighbors, 8*scatteredUpdates)
	}
}
