package projectionstest

import (
	"math/rand/v2"
	"testing"

	"binnacle/events"
	"binnacle/projections"
)

// followsAgain asks for the same chains and _has again and again, now and as of a while ago, while both ends are
// written to: what an index has kept of them must be that of the snapshot. Or what is superseded is swept meanwhile.
func followsAgain(swept bool) func(t *testing.T, g projections.Generations) {
	return func(t *testing.T, g projections.Generations) {
		m := maker{rand.New(rand.NewPCG(23, 9))}
		w := newWorld(t, g.Live(), 1)
		for range 6 {
			w.scribble(m, 25, false)
		}
		earlier := w.search(projections.Query{Tenant: "main", Type: "Observation", Limit: 1,
			Partition: w.partition}).Snapshot
		var questions []projections.Query
		for len(questions) < 16 {
			q := projections.Query{Tenant: "main", Type: pick(m, "Observation", "Observation", "Patient"),
				Limit: pick(m, 3, 50), Total: projections.TotalAccurate, Partition: w.partition}
			q.Clauses = append(q.Clauses, m.follow(ids, w.now.UnixMicro(), 2))
			if m.IntN(3) == 0 {
				q.Clauses = append(q.Clauses, m.clause(ids, w.now.UnixMicro(), 2))
			}
			if m.IntN(4) == 0 {
				q.Sort = m.sort()
			}
			if len(w.expect(q, earlier)) < 3 {
				continue
			}
			if _, err := w.index.Search(testContext(t), q); events.KindOf(err) != events.TooCostly {
				questions = append(questions, q)
			}
		}
		for round := range 9 {
			settle(t, g)
			for _, q := range questions {
				w.check(q)
				if q.Snapshot = earlier; !swept && round > 3 {
					w.check(q)
				}
			}
			if round == 7 {
				earlier = w.search(questions[0]).Snapshot
			}
			w.scribble(m, pick(m, 1, 2, 3, 12, 15), false)
			if swept && round%2 == 0 {
				w.horizon(g)
				portions(t, g)(1_000)
			}
		}
	}
}
