package e2e

import (
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"
)

func TestOfTwoWritersWithTheSameIfMatchExactlyOneWins(t *testing.T) {
	i := newInstallation(t, watched, "distributed", needs(t))
	nodes := []*node{i.start(), i.start()}
	id := nodes[0].do(http.StatusCreated, "POST", "/Patient", `{"resourceType":"Patient"}`).id(t)
	for version := 1; version <= 20; version++ {
		statuses := make([]int, 4)
		var racers sync.WaitGroup
		for k := range statuses {
			racers.Go(func() {
				body := fmt.Sprintf(`{"resourceType":"Patient","id":%q,"language":"x-%d-%d"}`, id, version, k)
				r, err := nodes[k%2].try("PUT", "/Patient/"+id, body, "If-Match", fmt.Sprintf(`W/"%d"`, version))
				if err != nil {
					t.Error(err)
				}
				statuses[k] = r.status
			})
		}
		racers.Wait()
		slices.Sort(statuses)
		if want := []int{http.StatusOK, http.StatusPreconditionFailed, http.StatusPreconditionFailed, http.StatusPreconditionFailed}; !slices.Equal(statuses, want) {
			t.Fatalf("version %d: statuses %v, want %v", version, statuses, want)
		}
	}
}
