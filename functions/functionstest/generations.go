package functionstest

import (
	"context"
	"testing"
	"time"

	"binnacle/events"
	"binnacle/functions/rebuild"
	"binnacle/projections"
)

// Generations keeps some side by side in memory. The first, number 1, is live at the beginning.
type Generations struct {
	projections.Generations        // what functions don't use
	Active                  *Index // the one that is live
	Next                    *Index // the one that is being built
	all                     []*Index
	Catalogs                []string
	States                  []string
	Kept                    map[string][]byte
	Released                int
	Finished                bool
	Paused                  bool
	Held                    *Index // the live one as it is when what a server holds back is committed; nil: nothing is
}

// NewGenerations begins with one that is live.
func NewGenerations(live *Index, catalog string) *Generations {
	return &Generations{Active: live, all: []*Index{live}, Catalogs: []string{catalog}, States: []string{"live"},
		Kept: map[string][]byte{}}
}

type building struct {
	*Index
	of     *Generations
	number int
}

func (g *Generations) Live() projections.Index { return g.Active }

func (g *Generations) Auditor(number int) projections.Auditor { return g.all[number-1] }

func (g *Generations) List(context.Context) ([]projections.Generation, error) {
	var list []projections.Generation
	for n, state := range g.States {
		if state != "" {
			list = append(list, projections.Generation{Number: n + 1, State: state, Catalog: g.Catalogs[n]})
		}
	}
	return list, nil
}

func (g *Generations) Keep(_ context.Context, catalog string, definitions []byte) error {
	g.Kept[catalog] = definitions
	return nil
}

func (g *Generations) Definitions(_ context.Context, catalog string) ([]byte, error) {
	if g.Kept[catalog] == nil {
		return nil, events.Errorf(events.NotFound, "generations", "nothing was kept of %s", catalog)
	}
	return g.Kept[catalog], nil
}

func (g *Generations) Build(_ context.Context, catalog string) (projections.Building, error) {
	if g.Next == nil {
		g.Next = NewIndex()
	}
	if last := len(g.all) - 1; g.all[last] != g.Next {
		g.all, g.Catalogs, g.States = append(g.all, g.Next), append(g.Catalogs, catalog), append(g.States, "building")
	}
	return building{g.Next, g, len(g.all)}, nil
}

func (g *Generations) Reopen(_ context.Context, number int) (projections.Building, error) {
	g.Next = g.all[number-1]
	return building{g.Next, g, number}, nil
}

func (g *Generations) Drop(_ context.Context, number int) error {
	g.States[number-1] = ""
	return nil
}

func (b building) Number() int { return b.number }

func (b building) Finish(_ context.Context, progress func(done, all int, step string)) error {
	progress(1, 1, "building search indexes")
	b.of.Finished = true
	return nil
}

func (b building) Pause(context.Context, time.Duration) error {
	if b.of.Held != nil {
		b.of.Active, b.of.all[0], b.of.Held = b.of.Held, b.of.Held, nil
	}
	b.of.Paused = true
	b.of.Active.Failing(func(method string) error {
		if method == "Commit" {
			return events.Errorf(events.Transient, "generations", "paused")
		}
		return nil
	})
	return nil
}

func (b building) Resume(context.Context) error {
	if b.of.Paused {
		b.of.Active.Failing(nil)
		b.of.Paused = false
	}
	return nil
}

func (b building) Switch(ctx context.Context) error {
	g := b.of
	for n, state := range g.States {
		if state == "live" {
			g.States[n] = "old"
		}
	}
	g.States[b.number-1] = "live"
	if err := b.Resume(ctx); err != nil {
		return err
	}
	g.Active, g.Next = g.Next, nil
	return nil
}

func (b building) Release() error {
	b.of.Released++
	return nil
}

// Filled makes a node with random history.
func Filled(t *testing.T) *Node {
	t.Helper()
	n := NewNode(t)
	for _, raw := range RandomRecords(t, 11, 300) {
		raw.Position = events.Position{}
		if _, err := n.Log.AppendRaw(raw); err != nil {
			t.Fatal(err)
		}
	}
	n.CaughtUp()
	return n
}

// RebuildOf makes the rebuild of a node into generations.
func RebuildOf(n *Node, g *Generations, feed events.Feed) *rebuild.Index {
	return &rebuild.Index{Log: n.Log, Feed: feed, Generations: g, Blobs: n.Blobs, Dialects: Dialects(), Logger: Quiet}
}

// NoProgress is for rebuilds whose progress nobody looks at.
func NoProgress(rebuild.Progress) {}
