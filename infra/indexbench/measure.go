package indexbench

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"binnacle/events"
	"binnacle/projections"
	"binnacle/projections/catalog"
)

// Asker asks shapes.
type Asker struct {
	Index    projections.Reader
	Catalog  *catalog.Catalog
	Sample   *Sample
	Seed     uint64
	Duration time.Duration        // of each shape; at least one search is asked
	CPU      func() time.Duration // what this process has used so far

	deep map[string]projections.Query // where a later page begins, by what it was asked for
}

// Answer is how a shape was answered.
type Answer struct {
	Shape         string        `json:"shape"`
	First         time.Duration `json:"first_ns"` // the first search, with whatever it found cold
	P50, P95, P99 time.Duration
	CPU           time.Duration `json:"cpu_ns"` // of this process for each search; a server's is not in it
	Asked         int64         `json:"asked"`
	Found         int           `json:"found"`            // on the page asked for last
	Plan          string        `json:"plan"`             // of the last search
	Matches       int64         `json:"matches"`          // counted accurately; -1: not counted
	CountRate     float64       `json:"count_per_second"` // matches
	Error         string        `json:"error,omitempty"`
}

// The percentiles leave out the searches that fill caches: those of a part of the time, and so many at least.
const (
	warmUp  = 4
	warmers = 20
)

// Ask measures one shape.
func (a *Asker) Ask(ctx context.Context, shape Shape) Answer {
	answer := Answer{Shape: shape.String(), Matches: -1}
	random := rand.New(rand.NewPCG(a.Seed, 1))
	times := hdrhistogram.New(1, time.Hour.Microseconds(), 3)
	var last projections.Query
	until, warm, atMost := time.Now().Add(a.Duration), time.Now().Add(a.Duration/warmUp), time.Now().Add(4*a.Duration)
	cold := true
	var cpu time.Duration
	var before int64 // asked by then
	more := func() bool {
		return time.Now().Before(until) || answer.Asked < 2*warmers && time.Now().Before(atMost)
	}
	for answer.Asked == 0 || more() && ctx.Err() == nil {
		raw := shape.Ask(random)
		if raw == "" && shape.Name != "no filter" {
			answer.Error = "the data has nothing for it"
			return answer
		}
		query, err := a.parse(shape.Type, raw)
		if err != nil {
			answer.Error = err.Error()
			return answer
		}
		last = query
		if query, err = a.turn(ctx, shape, raw, query); err != nil {
			answer.Error = err.Error()
			return answer
		}
		took, page, err := a.page(ctx, shape, query)
		if err != nil {
			answer.Error = err.Error()
			return answer
		}
		answer.Asked++
		if answer.Asked == 1 {
			answer.First = took
		}
		if cold && answer.Asked > warmers && time.Now().After(warm) {
			cold = false
			times.Reset()
			cpu, before = a.CPU(), answer.Asked-1
		}
		_ = times.RecordValue(took.Microseconds()) // out of range would be above an hour
		answer.Found, answer.Plan = len(page.Versions), page.Plan
	}
	if cold {
		cpu, before = a.CPU(), answer.Asked-1
	}
	answer.CPU = (a.CPU() - cpu) / time.Duration(answer.Asked-before)
	at := func(q float64) time.Duration { return time.Duration(times.ValueAtQuantile(q)) * time.Microsecond }
	answer.P50, answer.P95, answer.P99 = at(50), at(95), at(99)
	if shape.Count {
		a.count(ctx, last, &answer)
	}
	return answer
}

func (a *Asker) parse(kind, raw string) (projections.Query, error) {
	parsed, err := a.Catalog.ParseQuery(raw, catalog.Options{Tenant: Tenant, Type: kind})
	if err != nil {
		return projections.Query{}, err
	}
	query := parsed.Query
	query.Total = projections.TotalNone
	return query, nil
}

// turn asks for the pages before the one of a shape, once for each search.
func (a *Asker) turn(ctx context.Context, shape Shape, raw string, query projections.Query) (projections.Query, error) {
	if shape.Deep == 0 {
		return query, nil
	}
	name := shape.Type + "?" + raw
	if known, is := a.deep[name]; is {
		return known, nil
	}
	for range shape.Deep {
		page, err := a.Index.Search(ctx, query)
		if err != nil {
			return query, err
		}
		if page.Next == "" {
			break
		}
		query.After, query.Snapshot = page.Next, page.Snapshot
	}
	if a.deep == nil {
		a.deep = map[string]projections.Query{}
	}
	a.deep[name] = query
	return query, nil
}

// page asks for a page and tells how long that took.
func (a *Asker) page(ctx context.Context, shape Shape, query projections.Query) (took time.Duration, page projections.Page, err error) {
	started := time.Now()
	if page, err = a.Index.Search(ctx, query); err != nil {
		return 0, page, err
	}
	took = time.Since(started)
	if shape.Then == nil || len(page.Versions) == 0 {
		return took, page, nil
	}
	var ids []string
	for _, v := range page.Versions {
		ids = append(ids, v.ID)
	}
	started = time.Now()
	kind, raw := shape.Then(ids)
	if raw == "" {
		var keys []projections.Key
		for _, kept := range a.Sample.kept[kind] {
			keys = append(keys, projections.Key{Tenant: Tenant, Type: kind, ID: kept.ID})
		}
		_, err = a.Index.Current(ctx, keys[:min(len(keys), 50)])
		return took + time.Since(started), page, err
	}
	further, err := a.parse(kind, raw)
	if err != nil {
		return 0, page, err
	}
	further.Limit = 1_000
	_, err = a.Index.Search(ctx, further)
	return took + time.Since(started), page, err
}

// count measures the accurate total of a query, the best of three.
func (a *Asker) count(ctx context.Context, query projections.Query, answer *Answer) {
	query.Limit, query.Total, query.Sort = 0, projections.TotalAccurate, nil
	for range 3 {
		started := time.Now()
		page, err := a.Index.Search(ctx, query)
		if err != nil {
			if events.KindOf(err) != events.TooCostly {
				answer.Error = "count: " + err.Error()
			}
			return
		}
		answer.Matches = page.Total
		answer.CountRate = max(answer.CountRate, float64(page.Total)/max(time.Since(started).Seconds(), 1e-9))
	}
}
