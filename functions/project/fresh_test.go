package project_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"testing"
	"time"

	"binnacle/events"
	"binnacle/functions"
	"binnacle/functions/functionstest"
	"binnacle/functions/project"
	memoryblobs "binnacle/projections/blobs/memory"
)

// Two processes append to one partition, each under ids that it has made, and project it in turn. Either loses its
// place again and again, and meets ids of its own that the other one has decided meanwhile.
func TestWhatIsFreshIsNeverThere(t *testing.T) {
	const count = 400
	for seed := range uint64(4) {
		random := rand.New(rand.NewPCG(seed, 5))
		x, blobs := functionstest.NewIndex(), memoryblobs.New()
		type process struct {
			fresh   *functions.Fresh
			project *project.Projector
			next    int64
			lost    bool
		}
		processes := make([]*process, 2)
		for i := range processes {
			p := &process{fresh: new(functions.Fresh), project: functionstest.NewProject(x, blobs), lost: true}
			p.project.Fresh, p.project.Reseek = p.fresh, func() { p.lost = true }
			processes[i] = p
		}
		var records []events.RawRecord
		var made []string
		add := func(fresh *functions.Fresh) {
			event := events.Event{ID: fresh.New(), Tenant: "main", Changes: []events.Change{{Operation: events.Create,
				Type: "Patient", ID: fresh.New(), Entry: -1, Content: []byte(`{"resourceType":"Patient"}`)}}}
			c := &event.Changes[0]
			if len(made) > 0 && random.IntN(2) == 0 {
				c.Operation, c.ID = events.Update, made[random.IntN(len(made))]
				c.Content = fmt.Appendf(nil, `{"resourceType":"Patient","id":%q,"birthDate":"19%02d"}`, c.ID, random.IntN(99))
			} else {
				made = append(made, c.ID)
			}
			headers, value, err := events.Encode(event)
			if err != nil {
				t.Fatal(err)
			}
			record := events.RawRecord{Time: time.UnixMilli(1_700_000_000_000), Key: []byte("main"), Headers: headers, Value: value}
			for range 1 + random.IntN(10)/9 { // it may come twice
				record.Position.Offset = int64(len(records))
				records = append(records, record)
			}
		}
		for step := 0; len(records) < count || x.States[0].Next < int64(len(records)); step++ {
			if step > 100*count {
				t.Fatalf("seed %d: the line stands at %d", seed, x.States[0].Next)
			}
			p := processes[random.IntN(2)]
			if len(records) < count && random.IntN(3) > 0 {
				add(p.fresh)
				continue
			}
			if p.lost {
				var err error
				if p.next, err = p.project.Seek(t.Context(), 0); err != nil {
					t.Fatal(err)
				}
				p.lost = false
				continue
			}
			end := min(int64(len(records)), p.next+int64(1+random.IntN(12)))
			if p.next == end {
				continue
			}
			if err := p.project.Handle(functionstest.Batch(records[p.next:end]...)); err != nil {
				t.Fatal(err)
			}
			if !p.lost {
				p.next = end
			}
		}
		clean := functionstest.NewIndex()
		if err := functionstest.NewProject(clean, memoryblobs.New()).Handle(functionstest.Batch(records...)); err != nil {
			t.Fatal(err)
		}
		if got, want := x.Dump(), clean.Dump(); got != want {
			t.Errorf("seed %d: two processes made\n%s\nwant\n%s", seed, got, want)
		}
	}
}

func TestACreateOfThisProcessIsNotLookedUp(t *testing.T) {
	n := functionstest.NewNode(t)
	create := func() { n.Must(http.StatusCreated, http.MethodPost, "/Patient", `{"resourceType":"Patient"}`) }
	create() // from now on the projector knows where the index stands
	asked := map[string]int{}
	n.Index.Failing(func(method string) error { asked[method]++; return nil })
	create()
	n.Index.Failing(nil)
	if asked["Current"]+asked["Outcomes"] > 0 {
		t.Errorf("the index was asked: %v", asked)
	}
}
