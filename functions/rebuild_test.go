package functions_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"binnacle/events"
	"binnacle/functions"
	"binnacle/functions/rebuild"
	"binnacle/functions/verify"
	"binnacle/projections"
	memoryblobs "binnacle/projections/blobs/memory"
)

// generations keeps some side by side in memory. The first, number 1, is live at the beginning.
type generations struct {
	projections.Generations        // what functions don't use
	live, next              *index // next: the one that is being built
	all                     []*index
	catalogs                []string
	states                  []string
	kept                    map[string][]byte
	released                int
	finished                bool
	paused                  bool
}

func newGenerations(live *index, catalog string) *generations {
	return &generations{live: live, all: []*index{live}, catalogs: []string{catalog}, states: []string{"live"}, kept: map[string][]byte{}}
}

type building struct {
	*index
	of     *generations
	number int
}

func (g *generations) Live() projections.Index { return g.live }

func (g *generations) Auditor(number int) projections.Auditor { return g.all[number-1] }

func (g *generations) List(context.Context) ([]projections.Generation, error) {
	var list []projections.Generation
	for n, state := range g.states {
		if state != "" {
			list = append(list, projections.Generation{Number: n + 1, State: state, Catalog: g.catalogs[n]})
		}
	}
	return list, nil
}

func (g *generations) Keep(_ context.Context, catalog string, definitions []byte) error {
	g.kept[catalog] = definitions
	return nil
}

func (g *generations) Definitions(_ context.Context, catalog string) ([]byte, error) {
	if g.kept[catalog] == nil {
		return nil, events.Errorf(events.NotFound, "generations", "nothing was kept of %s", catalog)
	}
	return g.kept[catalog], nil
}

func (g *generations) Build(_ context.Context, catalog string) (projections.Building, error) {
	if g.next == nil {
		g.next = newIndex()
	}
	if last := len(g.all) - 1; g.all[last] != g.next {
		g.all, g.catalogs, g.states = append(g.all, g.next), append(g.catalogs, catalog), append(g.states, "building")
	}
	return building{g.next, g, len(g.all)}, nil
}

func (g *generations) Reopen(_ context.Context, number int) (projections.Building, error) {
	g.next = g.all[number-1]
	return building{g.next, g, number}, nil
}

func (g *generations) Drop(_ context.Context, number int) error {
	g.states[number-1] = ""
	return nil
}

func (b building) Number() int { return b.number }

func (b building) Finish(_ context.Context, progress func(done, all int, step string)) error {
	progress(1, 1, "building search indexes")
	b.of.finished = true
	return nil
}

func (b building) Pause(context.Context, time.Duration) error {
	b.of.paused = true
	b.of.live.failing(func(method string) error {
		if method == "Commit" {
			return events.Errorf(events.Transient, "generations", "paused")
		}
		return nil
	})
	return nil
}

func (b building) Resume(context.Context) error {
	if b.of.paused {
		b.of.live.failing(nil)
		b.of.paused = false
	}
	return nil
}

func (b building) Switch(ctx context.Context) error {
	g := b.of
	for n, state := range g.states {
		if state == "live" {
			g.states[n] = "old"
		}
	}
	g.states[b.number-1] = "live"
	if err := b.Resume(ctx); err != nil {
		return err
	}
	g.live, g.next = g.next, nil
	return nil
}

func (b building) Release() error {
	b.of.released++
	return nil
}

// filled makes a node with random history.
func filled(t *testing.T) *node {
	t.Helper()
	n := newNode(t)
	for _, raw := range randomRecords(t, 11, 300) {
		raw.Position = events.Position{}
		if _, err := n.log.AppendRaw(raw); err != nil {
			t.Fatal(err)
		}
	}
	n.caughtUp()
	return n
}

func TestARebuildMakesTheSameGeneration(t *testing.T) {
	n := filled(t)
	g := newGenerations(n.index, theCatalog().Digest())
	var steps []string
	var last rebuild.Progress
	blobs := memoryblobs.New()
	run := &rebuild.Index{Log: n.log, Generations: g, Blobs: blobs, Dialects: theDialects(), Logger: quiet}
	summary, err := run.Handle(t.Context(), func(p rebuild.Progress) {
		if len(steps) == 0 || steps[len(steps)-1] != p.Step {
			steps = append(steps, p.Step)
		}
		if strings.HasPrefix(p.Step, "reading") {
			last = p
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := g.live.dump(), n.index.dump(); g.live == n.index || got != want {
		t.Errorf("the new generation differs: %s", firstDifference(got, want))
	}
	if !summary.Switched || summary.Records != 300 || summary.Ends[0] != 300 || summary.Generation != 2 || g.released != 1 || !g.finished {
		t.Errorf("got %+v, released %d times, finished %v", summary, g.released, g.finished)
	}
	if last.Done != 300 || last.All != 300 {
		t.Errorf("the last progress was %+v, want 300 of 300", last)
	}
	if want := []string{"looking which contents are stored", "reading the log", "building search indexes", "reading what was written meanwhile", "switching"}; !slices.Equal(steps[:min(len(steps), 5)], want) {
		t.Errorf("got the steps %q, want %q first", steps, want)
	}
	if summary.Compared != int64(len(n.index.rows)) || g.paused || g.states[0] != "old" || summary.Contents == 0 {
		t.Errorf("compared %d of %d versions, paused %v, the states are %q, %d contents were put", summary.Compared, len(n.index.rows), g.paused, g.states, summary.Contents)
	}
	if g.catalogs[1] != theCatalog().Digest() || g.kept[theCatalog().Digest()] == nil {
		t.Error("the generation was not begun with the catalog's digest")
	}
	storage := &verify.Storage{Log: n.log, Index: g.live, Blobs: blobs, Dialects: theDialects()}
	report, err := storage.Handle(t.Context(), verify.Options{Deep: true}, func(int64, int64) {})
	if err != nil || !report.OK {
		t.Errorf("verify after the rebuild, with its own blobs: %v\n%s", err, strings.Join(report.Lines(), "\n"))
	}
}

func TestARebuildThatWasStoppedGoesOnWhereItWas(t *testing.T) {
	n := filled(t)
	g := newGenerations(n.index, theCatalog().Digest())
	stopped := errors.New("stopped")
	run := &rebuild.Index{Log: n.log, Generations: g, Blobs: n.blobs, Dialects: theDialects(), Logger: quiet}
	commits := 0
	g.next = newIndex()
	g.next.fail = func(method string) error {
		if method == "Commit" {
			if commits++; commits == 2 {
				return stopped
			}
		}
		return nil
	}
	// Appended after the first commit, so that there is a second one.
	more := randomRecords(t, 12, 300)
	first := true
	summary, err := run.Handle(t.Context(), func(p rebuild.Progress) {
		if first && p.Step == "reading the log" && p.Done > 0 {
			first = false
			for _, raw := range more {
				raw.Position = events.Position{}
				if _, err := n.log.AppendRaw(raw); err != nil {
					t.Error(err)
				}
			}
		}
	})
	if !errors.Is(err, stopped) || summary.Switched || g.live != n.index || g.released != 1 {
		t.Fatalf("got %v, %+v, released %d times; want the failure, nothing switched, released once", err, summary, g.released)
	}
	n.caughtUp()
	g.next.fail = nil
	ends, err := n.log.Ends(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	done := g.next.states[0].Next
	if done == 0 || done == ends[0].Next {
		t.Fatalf("%d of %d records were projected before the stop; want some of them", done, ends[0].Next)
	}
	summary, err = run.Handle(t.Context(), func(rebuild.Progress) {})
	if err != nil || summary.Records != ends[0].Next-done {
		t.Errorf("got %v, %+v; want the %d records that were missing", err, summary, ends[0].Next-done)
	}
	if got, want := g.live.dump(), n.index.dump(); got != want {
		t.Errorf("the new generation differs: %s", firstDifference(got, want))
	}
}

// unsearchable is an index that must not be searched.
type unsearchable struct {
	functions.HealIndex
	t *testing.T
}

func (x unsearchable) Search(ctx context.Context, query projections.Query) (projections.Page, error) {
	x.t.Errorf("%s is searched for although the links are recorded", query.Type)
	return x.HealIndex.Search(ctx, query)
}

// forgetful is an index whose outcomes tell no links, as those of before they were recorded.
type forgetful struct{ functions.HealIndex }

func (x forgetful) Outcomes(ctx context.Context, ids []string) ([]*events.Outcome, error) {
	outcomes, err := x.HealIndex.Outcomes(ctx, ids)
	for i, o := range outcomes {
		if o == nil {
			continue
		}
		bare := *o
		bare.Results = slices.Clone(o.Results)
		for k := range bare.Results {
			bare.Results[k].Links = nil
		}
		outcomes[i] = &bare
	}
	return outcomes, err
}

func TestWhatIsLostComesBackFromTheLog(t *testing.T) {
	n := newNode(t)
	n.must(201, "PUT", "/Practitioner/d", `{"resourceType":"Practitioner","id":"d","identifier":[{"system":"urn:npi","value":"7"}]}`)
	n.must(201, "PUT", "/Patient/known", patient("known", "known"))
	n.must(200, "POST", "", bundleOf("transaction",
		entryOf("urn:uuid:1", "POST", "Patient", patient("", "known"), `"ifNoneExist":"identifier=urn:s|known"`),
		entryOf("urn:uuid:2", "POST", "Patient", patient("", "new"), `"ifNoneExist":"identifier=urn:s|new"`),
		entryOf("urn:uuid:3", "POST", "Observation", observation(`,"subject":{"reference":"urn:uuid:1"},"focus":[{"reference":"urn:uuid:2"},{"reference":"Patient?identifier=urn:s|new"}],"performer":[{"reference":"Practitioner?identifier=urn:npi|7"}]`)),
		entryOf("urn:uuid:4", "POST", "Observation", observation(``)),
	))
	// What the conditions matched then is not what they match now.
	n.must(204, "DELETE", "/Practitioner/d", "", "Binnacle-Allow-Dangling: true")
	n.must(201, "PUT", "/Practitioner/e", `{"resourceType":"Practitioner","id":"e","identifier":[{"system":"urn:npi","value":"7"}]}`)
	for i := range 5 {
		n.must(201, "PUT", fmt.Sprintf("/Patient/%d", i), patient(fmt.Sprint(i), "new"))
	}
	n.must(200, "PUT", "/Patient/known", patient("known", "changed"))
	rows := n.index.rows
	storage := &verify.Storage{Log: n.log, Index: n.index, Blobs: n.blobs, Dialects: theDialects()}

	want := map[events.Hash]string{}
	for _, row := range rows {
		if row.Deleted {
			continue
		}
		contents, err := n.blobs.Get(t.Context(), []events.Hash{row.Hash})
		if err != nil {
			t.Fatal(err)
		}
		want[row.Hash] = string(contents[0])
		if err := n.blobs.Delete(t.Context(), []events.Hash{row.Hash}); err != nil {
			t.Fatal(err)
		}
		for how, from := range map[string]functions.HealIndex{"as recorded": unsearchable{n.index, t}, "searched for": forgetful{n.index}} {
			heal := *n.heal
			heal.Index = from
			content, err := heal.Handle(t.Context(), row.Version)
			if err != nil || string(content) != want[row.Hash] {
				t.Errorf("%s/%s version %d, its links %s: got %q, %v; want %q", row.Type, row.ID, row.Number, how, content, err, want[row.Hash])
			}
		}
		if contents, _ = n.blobs.Get(t.Context(), []events.Hash{row.Hash}); string(contents[0]) != want[row.Hash] {
			t.Errorf("%s/%s version %d was not put back", row.Type, row.ID, row.Number)
		}
	}

	t.Run("verify tells of it", func(t *testing.T) {
		if err := n.blobs.Delete(t.Context(), []events.Hash{rows[0].Hash, rows[4].Hash}); err != nil {
			t.Fatal(err)
		}
		if err := n.blobs.Put(t.Context(), []projections.Blob{{Hash: rows[1].Hash, Content: []byte("other bytes")}, {Hash: events.Hash{1}, Content: []byte("nobody's")}}); err != nil {
			t.Fatal(err)
		}
		report, err := storage.Handle(t.Context(), verify.Options{}, func(int64, int64) {})
		if err != nil || report.OK || report.Missing != 2 || report.Wrong != 1 || report.Orphans != 1 || len(report.Problems) != 3 {
			t.Errorf("got %v, %+v; want two missing, one wrong, one orphan", err, report)
		}
		if lines := strings.Join(report.Lines(), "\n"); !strings.Contains(lines, "NOT OK") || !strings.Contains(lines, "--repair") {
			t.Errorf("the lines don't tell what to do:\n%s", lines)
		}
	})
	t.Run("verify repairs it", func(t *testing.T) {
		if err := n.blobs.Delete(t.Context(), []events.Hash{rows[0].Hash, rows[4].Hash}); err != nil {
			t.Fatal(err)
		}
		if err := n.blobs.Put(t.Context(), []projections.Blob{{Hash: rows[1].Hash, Content: []byte("other bytes")}}); err != nil {
			t.Fatal(err)
		}
		report, err := storage.Handle(t.Context(), verify.Options{Repair: true}, func(int64, int64) {})
		if err != nil || !report.OK || report.Repaired != 3 {
			t.Errorf("got %v, %+v; want three repaired", err, report)
		}
		if report, err = storage.Handle(t.Context(), verify.Options{Deep: true}, func(int64, int64) {}); err != nil || !report.OK || report.Missing+report.Wrong != 0 {
			t.Errorf("after the repair: %v, %+v", err, report)
		}
	})
	t.Run("an update is compared with what the log gives", func(t *testing.T) {
		body := patient("known", "changed")
		if err := n.blobs.Delete(t.Context(), []events.Hash{n.index.rows[n.index.current[projections.Key{Tenant: "main", Type: "Patient", ID: "known"}]].Hash}); err != nil {
			t.Fatal(err)
		}
		stamped := strings.Replace(body, `"id":"known"`, `"id":"known","meta":{"versionId":"2"}`, 1)
		again := n.must(200, "PUT", "/Patient/known", stamped)
		if !strings.Contains(again.body, `"versionId":"3"`) { // meta was added by hand, in another place than the server's
			t.Logf("the server took %s for a change", stamped)
		}
	})
	t.Run("what the log does not have is not found", func(t *testing.T) {
		for _, v := range []projections.Version{
			{Key: rows[0].Key, Position: events.Position{Offset: 1 << 40}, Hash: rows[0].Hash},
			{Key: rows[0].Key, Position: rows[0].Position, Change: 7, Hash: rows[0].Hash},
			{Key: rows[0].Key, Position: rows[0].Position, Hash: events.Hash{1}},
		} {
			if content, err := n.heal.Handle(t.Context(), v); content != nil || err == nil {
				t.Errorf("%+v: got %q, %v; want an error", v, content, err)
			}
		}
	})
}

func TestVerifyFindsWhatIsWrongWithTheIndex(t *testing.T) {
	cases := []struct {
		name, says string
		break_     func(x *index)
	}{
		{"a version that was counted twice", "follows version", func(x *index) { x.rows = append(x.rows, x.rows[len(x.rows)-1]) }},
		{"a version that is missing", "expected is", func(x *index) { x.rows = append(x.rows[:3:3], x.rows[4:]...) }},
		{"the last version missing", "missing at the end", func(x *index) { x.rows = x.rows[:len(x.rows)-1] }},
		{"an outcome that is missing", "has no outcome", func(x *index) {
			for id := range x.outcomes {
				delete(x.outcomes, id)
				return
			}
		}},
		{"a projector that is behind", "not projected yet", func(x *index) {
			state := x.states[0]
			state.Next -= 5
			x.states[0] = state
		}},
		{"a projector that is ahead of the log", "another log", func(x *index) {
			state := x.states[0]
			state.Next += 5
			x.states[0] = state
		}},
		{"a partition that the log does not have", "the log has none", func(x *index) { x.states[7] = projections.State{Next: 1} }},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			n := filled(t)
			c.break_(n.index)
			storage := &verify.Storage{Log: n.log, Index: n.index, Blobs: n.blobs, Dialects: theDialects()}
			report, err := storage.Handle(t.Context(), verify.Options{Deep: true}, func(int64, int64) {})
			if err != nil {
				t.Fatal(err)
			}
			if report.OK || !strings.Contains(strings.Join(report.Problems, "\n"), c.says) {
				t.Errorf("the problems don't tell of %q: %q", c.says, report.Problems)
			}
		})
	}
}
