package projectionstest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"binnacle/projections"
)

// referring are the parameters by which the versions of random worlds refer to others, and one that none has.
func referring() []projections.Referrer {
	var by []projections.Referrer
	for _, resourceType := range []string{"Observation", "Organization", "Patient", "Group"} {
		for _, param := range []string{"focus", "never", "patient", "subject"} {
			by = append(by, projections.Referrer{Type: resourceType, Param: param, Shares: shares[param]})
		}
	}
	return by
}

// referrers asks who refers to resources, there or not, while versions that refer to them come and go.
func referrers(t *testing.T, g projections.Generations) {
	m := maker{rand.New(rand.NewPCG(5, 17))}
	w := newWorld(t, g.Live(), 1)
	for round := range 5 {
		w.scribble(m, 40, round%2 == 0)
		w.referrers(true)
	}
}

// manyReferrers has more of them than an index looks at one by one.
func manyReferrers(t *testing.T, g projections.Generations) {
	w := newWorld(t, g.Live(), 0)
	to := func(target, id string) projections.Term {
		return projections.Term{Param: "subject", Kind: projections.Reference, System: target, Code: id}
	}
	for i := range 1_200 {
		w.put(key("Observation", fmt.Sprint(i)), projections.MinTime, to("Organization", "1"), to("Patient", "1"))
	}
	w.put(key("Observation", "focus"), projections.MinTime,
		projections.Term{Param: "focus", Kind: projections.Reference, System: "Organization", Code: "2"})
	w.commit()
	w.referrers(false)
}

// referrersWhileBuilding asks a generation that has no index yet, and then one that has.
func referrersWhileBuilding(t *testing.T, g projections.Generations) {
	b := build(t, g, "catalog-2")
	w := newWorld(t, b, 0)
	fill(w, 11, 30)
	w.referrers(false)
	finish(t, b)
	w.referrers(false)
}

// referrers compares what the index tells with what refers to the resources; exactly: it tells no more.
func (w *world) referrers(exactly bool) {
	w.t.Helper()
	by := map[string][]projections.Referrer{"Patient": referring(), "Organization": referring(),
		"Observation": referring()[:6]}
	var keys []projections.Key
	for _, tenant := range []string{"main", "other", "nobody"} {
		// of a Group nobody asks
		for _, resourceType := range []string{"Patient", "Organization", "Observation", "Group"} {
			for id := range 22 {
				keys = append(keys, projections.Key{Tenant: tenant, Type: resourceType, ID: fmt.Sprint(id)})
			}
		}
	}
	got, err := w.index.Referrers(testContext(w.t), keys, by)
	if err != nil || len(got) != len(keys) {
		w.t.Fatalf("Referrers: %d answers to %d questions, %v", len(got), len(keys), err)
	}
	for i, k := range keys {
		var want []int
		for n, r := range by[k.Type] {
			refers := projections.Query{Clauses: []projections.Clause{{Param: r.Param, Kind: projections.Reference,
				Values: []projections.Value{{System: k.Type, Code: k.ID}}}}}
			for _, row := range w.current {
				if row.Tenant == k.Tenant && row.Type == r.Type && !row.Deleted &&
					projections.Matches(refers, row.Version, row.Terms) {
					want = append(want, n)
					break
				}
			}
		}
		if !slices.IsSorted(got[i]) || exactly && !slices.Equal(got[i], want) {
			w.t.Fatalf("Referrers of %v: %v, want %v", k, got[i], want)
		}
		for _, n := range want {
			if !slices.Contains(got[i], n) {
				w.t.Fatalf("Referrers of %v: %v lacks %d", k, got[i], n)
			}
		}
	}
}
