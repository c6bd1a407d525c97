package rebuild_test

import (
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"binnacle/events"
	memorylog "binnacle/events/memory"
	"binnacle/functions"
	"binnacle/functions/functionstest"
	"binnacle/functions/rebuild"
	"binnacle/functions/verify"
	"binnacle/projections"
	memoryblobs "binnacle/projections/blobs/memory"
	"binnacle/projections/catalog"
)

// history appends random records, some of them no events at all, twice, and a transaction whose links only the log's
// order resolves.
func history(t *testing.T) *functionstest.Node {
	t.Helper()
	n := functionstest.Filled(t)
	n.Must(201, "PUT", "/Practitioner/d",
		`{"resourceType":"Practitioner","id":"d","identifier":[{"system":"urn:npi","value":"7"}]}`)
	n.Must(200, "POST", "", functionstest.BundleOf("transaction",
		functionstest.EntryOf("urn:uuid:2", "POST", "Patient", functionstest.Patient("", "fresh"),
			`"ifNoneExist":"identifier=urn:s|fresh"`),
		functionstest.EntryOf("urn:uuid:3", "POST", "Observation",
			functionstest.Observation(
				`,"focus":[{"reference":"urn:uuid:2"},{"reference":"Patient?identifier=urn:s|fresh"}],"performer":[{"reference":"Practitioner?identifier=urn:npi|7"}]`)),
	))
	first := functionstest.RandomRecords(t, 11, 300)[:20]
	for _, raw := range append(first, events.RawRecord{Key: []byte("main"), Value: []byte("no event")}) {
		raw.Position = events.Position{}
		if _, err := n.Log.AppendRaw(raw); err != nil {
			t.Fatal(err)
		}
	}
	n.CaughtUp()
	return n
}

func TestARebuildAppliesWhatIsRecorded(t *testing.T) {
	n := history(t)
	for name, keep := range map[string]func(ends int64) int64{
		"all of it":  func(end int64) int64 { return end },
		"half of it": func(end int64) int64 { return end / 2 },
		"nothing":    func(int64) int64 { return 0 },
	} {
		t.Run(name, func(t *testing.T) {
			ends, err := n.Log.Ends(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			to := keep(ends[0].Next)
			feed := memorylog.NewFeed()
			all, err := n.Index.Decisions(t.Context(), events.Position{}, 1<<30)
			if err != nil {
				t.Fatal(err)
			}
			for len(all) > 0 && all[len(all)-1].Outcome.Position.Offset >= to {
				all = all[:len(all)-1]
			}
			if err := feed.Publish(t.Context(), all); err != nil {
				t.Fatal(err)
			}
			g := functionstest.NewGenerations(n.Index, functionstest.Catalog().Digest())
			summary, err := functionstest.RebuildOf(n, g, feed).Handle(t.Context(), functionstest.NoProgress)
			if err != nil {
				t.Fatal(err)
			}
			if got, want := g.Active.Dump(), n.Index.Dump(); g.Active == n.Index || got != want {
				t.Errorf("the new generation differs: %s", functionstest.FirstDifference(got, want))
			}
			if recorded, _ := feed.End(t.Context(), 0); summary.Recorded != recorded {
				t.Errorf("%d records were applied as recorded, the feed ends at %d", summary.Recorded, recorded)
			}
			if summary.Contents != 0 {
				t.Errorf("%d contents were put, and all were there", summary.Contents)
			}
		})
	}
}

// TestARebuildOnALostBlobStoreMakesEveryContentAgain: also those that patches made of each other.
func TestARebuildOnALostBlobStoreMakesEveryContentAgain(t *testing.T) {
	n := history(t)
	g := functionstest.NewGenerations(n.Index, functionstest.Catalog().Digest())
	run := functionstest.RebuildOf(n, g, functionstest.Recorded(t, n.Index))
	empty := memoryblobs.New()
	run.Blobs = empty
	if _, err := run.Handle(t.Context(), functionstest.NoProgress); err != nil {
		t.Fatal(err)
	}
	if got, want := g.Active.Dump(), n.Index.Dump(); got != want {
		t.Errorf("the new generation differs: %s", functionstest.FirstDifference(got, want))
	}
	for _, row := range n.Index.Rows {
		if row.Deleted {
			continue
		}
		found, err := empty.Get(t.Context(), []events.Hash{row.Hash})
		if err != nil || sha256.Sum256(found[0]) != row.Hash {
			t.Errorf("%s/%s version %d has the content %q, %v", row.Type, row.ID, row.Number, found[0], err)
		}
	}
}

// TestRecordsOfAnySizePassTheBoundOfWhatIsInMemory: some cost as much as a whole commit may, and many cost nearly
// nothing.
func TestRecordsOfAnySizePassTheBoundOfWhatIsInMemory(t *testing.T) {
	n := functionstest.Filled(t)
	random := rand.New(rand.NewPCG(3, 4))
	for i := range 5 {
		noise := make([]byte, 600<<10) // no compressor makes it small
		for b := range noise {
			noise[b] = byte(random.Uint32())
		}
		n.Must(201, "PUT", fmt.Sprintf("/Basic/large-%d", i), fmt.Sprintf(
			`{"resourceType":"Basic","id":"large-%d","language":"%x"}`, i, noise))
		for j := range 30 {
			n.Must(201, "PUT", fmt.Sprintf("/Basic/small-%d-%d", i, j), fmt.Sprintf(
				`{"resourceType":"Basic","id":"small-%d-%d"}`, i, j))
		}
	}
	n.CaughtUp()
	g := functionstest.NewGenerations(n.Index, functionstest.Catalog().Digest())
	commits := 0
	g.Next = functionstest.NewIndex()
	g.Next.Fail = func(method string) error {
		if method == "Commit" {
			commits++
		}
		return nil
	}
	summary, err := functionstest.RebuildOf(n, g, functionstest.Recorded(t, n.Index)).Handle(t.Context(),
		functionstest.NoProgress)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := g.Active.Dump(), n.Index.Dump(); got != want {
		t.Errorf("the new generation differs: %s", functionstest.FirstDifference(got, want))
	}
	if summary.Recorded != summary.Records || commits < 4 {
		t.Errorf("%d of %d records were applied as recorded, in %d commits; want all, in more", summary.Recorded,
			summary.Records, commits)
	}
}

// TestAChangedMeaningDoesNotRewriteHistory: the conditional create of the second patient matched the first by the
// identifier. With the new meaning of "identifier" it would match nothing, and a second patient would appear.
func TestAChangedMeaningDoesNotRewriteHistory(t *testing.T) {
	changed, err := catalog.Load(
		[]byte(`{"resourceType":"SearchParameter","url":"urn:own","code":"identifier","base":["Patient"],"type":"token","expression":"Patient.name.given"}`))
	if err != nil {
		t.Fatal(err)
	}
	made := func(t *testing.T) *functionstest.Node {
		n := functionstest.NewNode(t)
		n.Must(201, "PUT", "/Patient/first", functionstest.Patient("first", "same"))
		n.Must(200, "POST", "/Patient", functionstest.Patient("", "same"), "If-None-Exist: identifier=urn:s|same")
		n.Must(201, "POST", "/Observation", functionstest.Observation(
			`,"subject":{"reference":"Patient?identifier=urn:s|same"}`))
		n.CaughtUp()
		return n
	}
	history := func(x *functionstest.Index) string {
		var b strings.Builder
		for _, row := range x.Rows {
			fmt.Fprintf(&b, "%+v\n", row.Version)
		}
		return b.String()
	}
	finds := func(t *testing.T, x *functionstest.Index, identifier string) int {
		t.Helper()
		q, err := changed.ParseCondition("main", "Patient", "identifier="+identifier)
		if err != nil {
			t.Fatal(err)
		}
		q.Limit, q.Total = 10, projections.TotalNone
		page, err := x.Search(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		return len(page.Versions)
	}

	n := made(t)
	for name, feed := range map[string]events.Feed{"recorded in the feed": functionstest.Recorded(t, n.Index),
		"known to the live generation alone": nil} {
		t.Run(name, func(t *testing.T) {
			g := functionstest.NewGenerations(n.Index, functionstest.Catalog().Digest())
			run := functionstest.RebuildOf(n, g, feed)
			run.Dialects = functionstest.DialectsOf(changed)
			summary, err := run.Handle(t.Context(), functionstest.NoProgress)
			if err != nil {
				t.Fatal(err)
			}
			if got, want := history(g.Active), history(n.Index); g.Active == n.Index || got != want {
				t.Errorf("history was rewritten: %s", functionstest.FirstDifference(got, want))
			}
			if summary.Recorded != 3 || summary.Compared != 0 {
				t.Errorf("got %+v, want 3 records applied and none compared", summary)
			}
			if got := finds(t, g.Active, "same"); got != 0 {
				t.Errorf("%d patients are found by what the parameter meant before", got)
			}
		})
	}
	t.Run("decided and not committed before a pause", func(t *testing.T) {
		g := functionstest.NewGenerations(functionstest.NewIndex(), functionstest.Catalog().Digest())
		g.Held = n.Index
		run := functionstest.RebuildOf(n, g, nil)
		run.Dialects = functionstest.DialectsOf(changed)
		summary, err := run.Handle(t.Context(), functionstest.NoProgress)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := history(g.Active), history(n.Index); !summary.Switched || got != want {
			t.Errorf("history was rewritten: %s", functionstest.FirstDifference(got, want))
		}
	})
	t.Run("decided again it would be another one", func(t *testing.T) {
		x := functionstest.NewIndex()
		g := functionstest.NewGenerations(x, changed.Digest()) // an empty live generation, no feed
		run := functionstest.RebuildOf(n, g, nil)
		run.Dialects, run.Blobs = functionstest.DialectsOf(changed), memoryblobs.New()
		if _, err := run.Handle(t.Context(), functionstest.NoProgress); err != nil {
			t.Fatal(err)
		}
		if history(g.Active) == history(n.Index) {
			t.Error("deciding again gives the same history: the test above shows nothing")
		}
	})
}

func TestAFeedThatDoesNotFitTheLogIsRefusedWithThePosition(t *testing.T) {
	n := history(t)
	good, err := n.Index.Decisions(t.Context(), events.Position{}, 1<<30)
	if err != nil {
		t.Fatal(err)
	}
	accepted := func(decisions []events.Decision) int {
		for at := len(decisions) - 1; at >= 0; at-- {
			if len(decisions[at].Outcome.Results) > 0 &&
				decisions[at].Outcome.Results[0].Disposition == events.Created {
				return at
			}
		}
		t.Fatal("nothing was created")
		return 0
	}
	for name, breaks := range map[string]func(d []events.Decision, at int) []events.Decision{
		"another hash":    func(d []events.Decision, at int) []events.Decision { d[at].Outcome.Results[0].Hash[3] ^= 1; return d },
		"another event":   func(d []events.Decision, at int) []events.Decision { d[at].Outcome.EventID = "other"; return d },
		"another version": func(d []events.Decision, at int) []events.Decision { d[at].Outcome.Results[0].Version += 2; return d },
		"a change too many": func(d []events.Decision, at int) []events.Decision {
			d[at].Outcome.Results = append(d[at].Outcome.Results, events.Result{})
			return d
		},
		"a decision missing": func(d []events.Decision, at int) []events.Decision {
			return append(d[:at:at], d[at+1:]...)
		},
	} {
		t.Run(name, func(t *testing.T) {
			decisions := make([]events.Decision, len(good))
			for i := range good {
				decisions[i] = good[i]
				decisions[i].Outcome.Results = append([]events.Result(nil), good[i].Outcome.Results...)
			}
			at := accepted(decisions)
			position := decisions[at].Outcome.Position
			feed := memorylog.NewFeed()
			if err := feed.Publish(t.Context(), breaks(decisions, at)); err != nil {
				t.Fatal(err)
			}
			g := functionstest.NewGenerations(n.Index, functionstest.Catalog().Digest())
			summary, err := functionstest.RebuildOf(n, g, feed).Handle(t.Context(), functionstest.NoProgress)
			if events.KindOf(err) != events.Conflict || !strings.Contains(err.Error(), position.String()) ||
				summary.Switched || g.Active != n.Index {
				t.Errorf("got %v, switched %v; want a conflict that names %v", err, summary.Switched, position)
			}
		})
	}
}

func TestAGenerationThatHoldsSomethingElseIsNotSwitchedTo(t *testing.T) {
	n := history(t)
	damaged := n.Index.Rows[40].Key
	n.Index.Rows[40].MainDate++
	state := n.Index.States[0]
	state.Digest[0] ^= 1
	n.Index.States[0] = state
	g := functionstest.NewGenerations(n.Index, functionstest.Catalog().Digest())
	run := functionstest.RebuildOf(n, g, functionstest.Recorded(t, n.Index))
	summary, err := run.Handle(t.Context(), functionstest.NoProgress)
	if events.KindOf(err) != events.Conflict || summary.Switched || g.Active != n.Index || g.Paused {
		t.Fatalf("got %v, switched %v; want a conflict", err, summary.Switched)
	}
	for _, part := range []string{damaged.Type + "/" + damaged.ID, "partition 0", "sid 41", "term rows",
		"--accept-difference"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("the refusal does not tell %q: %v", part, err)
		}
	}
	run.AcceptDifference = true
	if summary, err = run.Handle(t.Context(), functionstest.NoProgress); err != nil || !summary.Switched {
		t.Errorf("accepted: got %v, switched %v", err, summary.Switched)
	}
}

func TestARollbackCatchesUpBeforeItTakesOver(t *testing.T) {
	n := history(t)
	g := functionstest.NewGenerations(n.Index, functionstest.Catalog().Digest())
	feed := functionstest.Recorded(t, n.Index)
	if _, err := functionstest.RebuildOf(n, g, feed).Handle(t.Context(), functionstest.NoProgress); err != nil {
		t.Fatal(err)
	}
	old, live := n.Index, g.Active
	before := len(old.Rows)
	n.Stop() // from now on the old generation is left alone
	p := functionstest.NewProject(live, n.Blobs)
	more := functionstest.RandomRecords(t, 12, 50)
	var appended []events.RawRecord
	for _, raw := range more {
		raw.Position = events.Position{}
		position, err := n.Log.AppendRaw(raw)
		if err != nil {
			t.Fatal(err)
		}
		raw.Position = position
	}
	end := live.States[0].Next
	if err := n.Log.Replay(t.Context(), events.Position{Offset: end}, end+50, func(records []events.RawRecord) error {
		appended = append(appended, records...)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	p.Reseek = func() {}
	var err error
	if p.LogID, err = functions.LogIdentity(t.Context(), n.Log); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Seek(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	if err := p.Handle(functionstest.Batch(appended...)); err != nil {
		t.Fatal(err)
	}
	if err := p.Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	run := functionstest.RebuildOf(n, g, feed)
	run.Rollback = true
	summary, err := run.Handle(t.Context(), functionstest.NoProgress)
	if err != nil || !summary.Switched || summary.Generation != 1 || g.Active != old {
		t.Fatalf("got %v, %+v; want a switch back to generation 1", err, summary)
	}
	if got, want := old.Dump(), live.Dump(); got != want || len(old.Rows) == before {
		t.Errorf("the generation before has not caught up: %s", functionstest.FirstDifference(got, want))
	}
	if g.States[0] != "live" || g.States[1] != "old" {
		t.Errorf("the states are %q", g.States)
	}
}

func TestAnEmptiedBlobStoreIsRefilled(t *testing.T) {
	n := history(t)
	want := map[events.Hash]bool{}
	for _, row := range n.Index.Rows {
		if !row.Deleted {
			want[row.Hash] = true
		}
	}
	emptied := memoryblobs.New()
	kept := n.Index.Rows[0].Hash
	contents, err := n.Blobs.Get(t.Context(), []events.Hash{kept})
	if err == nil {
		err = emptied.Put(t.Context(), []projections.Blob{{Hash: kept, Content: contents[0]}})
	}
	if err != nil {
		t.Fatal(err)
	}
	refill := &rebuild.Contents{Log: n.Log, Index: n.Index, Blobs: emptied,
		Heal: &functions.Heal{Log: n.Log, Index: n.Index, Blobs: emptied, Dialects: functionstest.Dialects()}}
	for round, least := range []int{len(want) - 1, 0} { // a content that several versions have may count for each
		summary, err := refill.Handle(t.Context(), func(int64, int64) {})
		if err != nil || summary.Contents < int64(least) || least == 0 && summary.Contents > 0 || summary.Failed != 0 {
			t.Fatalf("round %d: got %+v, %v; want %d contents", round, summary, err, least)
		}
	}
	report, err := (&verify.Storage{Log: n.Log, Index: n.Index, Blobs: emptied,
		Dialects: functionstest.Dialects()}).Handle(t.Context(), verify.Options{Deep: true}, func(int64, int64) {})
	if err != nil || report.Missing != 0 || report.Wrong != 0 {
		t.Errorf("after the refill: %v, %+v", err, report)
	}
}
