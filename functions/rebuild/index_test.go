package rebuild_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"binnacle/events"
	"binnacle/functions/functionstest"
	"binnacle/functions/rebuild"
	"binnacle/functions/verify"
	memoryblobs "binnacle/projections/blobs/memory"
)

func TestARebuildMakesTheSameGeneration(t *testing.T) {
	n := functionstest.Filled(t)
	g := functionstest.NewGenerations(n.Index, functionstest.Catalog().Digest())
	var steps []string
	var last rebuild.Progress
	blobs := memoryblobs.New()
	run := &rebuild.Index{Log: n.Log, Generations: g, Blobs: blobs, Dialects: functionstest.Dialects(),
		Logger: functionstest.Quiet}
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
	if got, want := g.Active.Dump(), n.Index.Dump(); g.Active == n.Index || got != want {
		t.Errorf("the new generation differs: %s", functionstest.FirstDifference(got, want))
	}
	if !summary.Switched || summary.Records != 300 || summary.Ends[0] != 300 || summary.Generation != 2 ||
		g.Released != 1 || !g.Finished {
		t.Errorf("got %+v, released %d times, finished %v", summary, g.Released, g.Finished)
	}
	if last.Done != 300 || last.All != 300 {
		t.Errorf("the last progress was %+v, want 300 of 300", last)
	}
	if want := []string{"looking which contents are stored", "reading the log", "building search indexes",
		"reading what was written meanwhile", "waiting for what servers hold back",
		"switching"}; !slices.Equal(steps[:min(len(steps), 6)], want) {
		t.Errorf("got the steps %q, want %q first", steps, want)
	}
	if summary.Compared != int64(len(n.Index.Rows)) || g.Paused || g.States[0] != "old" || summary.Contents == 0 {
		t.Errorf("compared %d of %d versions, paused %v, the states are %q, %d contents were put", summary.Compared,
			len(n.Index.Rows), g.Paused, g.States, summary.Contents)
	}
	if g.Catalogs[1] != functionstest.Catalog().Digest() || g.Kept[functionstest.Catalog().Digest()] == nil {
		t.Error("the generation was not begun with the catalog's digest")
	}
	storage := &verify.Storage{Log: n.Log, Index: g.Active, Blobs: blobs, Dialects: functionstest.Dialects()}
	report, err := storage.Handle(t.Context(), verify.Options{Deep: true}, func(int64, int64) {})
	if err != nil || !report.OK {
		t.Errorf("verify after the rebuild, with its own blobs: %v\n%s", err, strings.Join(report.Lines(), "\n"))
	}
}

func TestARebuildThatWasStoppedGoesOnWhereItWas(t *testing.T) {
	n := functionstest.Filled(t)
	g := functionstest.NewGenerations(n.Index, functionstest.Catalog().Digest())
	stopped := errors.New("stopped")
	run := &rebuild.Index{Log: n.Log, Generations: g, Blobs: n.Blobs, Dialects: functionstest.Dialects(),
		Logger: functionstest.Quiet}
	commits := 0
	g.Next = functionstest.NewIndex()
	g.Next.Fail = func(method string) error {
		if method == "Commit" {
			if commits++; commits == 2 {
				return stopped
			}
		}
		return nil
	}
	// Appended after the first commit, so that there is a second one.
	more := functionstest.RandomRecords(t, 12, 300)
	first := true
	summary, err := run.Handle(t.Context(), func(p rebuild.Progress) {
		if first && p.Step == "reading the log" && p.Done > 0 {
			first = false
			for _, raw := range more {
				raw.Position = events.Position{}
				if _, err := n.Log.AppendRaw(raw); err != nil {
					t.Error(err)
				}
			}
		}
	})
	if !errors.Is(err, stopped) || summary.Switched || g.Active != n.Index || g.Released != 1 {
		t.Fatalf("got %v, %+v, released %d times; want the failure, nothing switched, released once", err, summary,
			g.Released)
	}
	n.CaughtUp()
	g.Next.Fail = nil
	ends, err := n.Log.Ends(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	done := g.Next.States[0].Next
	if done == 0 || done == ends[0].Next {
		t.Fatalf("%d of %d records were projected before the stop; want some of them", done, ends[0].Next)
	}
	summary, err = run.Handle(t.Context(), func(rebuild.Progress) {})
	if err != nil || summary.Records != ends[0].Next-done {
		t.Errorf("got %v, %+v; want the %d records that were missing", err, summary, ends[0].Next-done)
	}
	if got, want := g.Active.Dump(), n.Index.Dump(); got != want {
		t.Errorf("the new generation differs: %s", functionstest.FirstDifference(got, want))
	}
}
