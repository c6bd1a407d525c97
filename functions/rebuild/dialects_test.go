package rebuild_test

import (
	"fmt"
	"strings"
	"testing"

	"binnacle/events"
	"binnacle/functions/functionstest"
	"binnacle/functions/rebuild"
	"binnacle/projections"
	"binnacle/projections/fhir"
	"binnacle/projections/projectionstest"
)

// words is a dialect with one parameter. What its terms say depends on its definitions.
type words struct {
	projectionstest.Opaque
	definitions string
}

func (w words) Name() string                 { return "words" }
func (w words) Types() []string              { return []string{"word"} }
func (w words) Digest() string               { return w.definitions }
func (w words) Definitions() ([]byte, error) { return []byte(w.definitions), nil }

func (w words) Restore(definitions []byte) (projections.Registered, error) {
	return words{definitions: string(definitions)}, nil
}

func (w words) Prepare(change *events.Change) (projections.Prepared, error) {
	if change.Type != "word" {
		return projections.Prepared{}, events.Errorf(events.Invalid, "words.Prepare", "%q is no word", change.Type)
	}
	return projections.Prepared{Exact: true, Content: word{text: w.definitions + " " + string(change.Content)}}, nil
}

func (w words) Read(content []byte) (projections.Content, error) {
	return word{text: w.definitions + " " + string(content)}, nil
}

type word struct {
	projections.Content // what words have not
	text                string
}

func (word) Mentions(string, []events.Link) []projections.Mention { return nil }
func (word) Release()                                             {}

func (w word) Extract() (projections.Extracted, error) {
	term := projections.Term{Param: "text", Kind: projections.Token, Code: w.text}
	return projections.Extracted{Terms: []projections.Term{term}, MainDate: projections.MinTime}, nil
}

// TestTheDefinitionsOfEachDialectBelongToAGeneration rebuilds with other definitions of a second dialect, writes, and
// goes back: each generation has the terms that its definitions give, and FHIR's are the same in both.
func TestTheDefinitionsOfEachDialectBelongToAGeneration(t *testing.T) {
	dialects := func(definitions string) *projections.Dialects {
		d, err := projections.NewDialects(fhir.New(functionstest.Catalog()), words{definitions: definitions})
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	first, second := dialects("first"), dialects("second")
	n := functionstest.NewNode(t, func(n *functionstest.Node) {
		n.Heal.Dialects, n.Project.Dialects, n.Write.Dialects = first, first, first
	})
	write := func(by *projections.Dialects, x *functionstest.Index, text string) {
		t.Helper()
		n.Write.Dialects = by
		event := events.Event{ID: functionstest.NewID(), Tenant: "main", Dialect: "words", Changes: []events.Change{
			{Operation: events.Update, Type: "word", ID: text, Content: []byte(text), Entry: -1}}}
		if _, _, err := n.Write.Append(t.Context(), event); err != nil {
			t.Fatal(err)
		}
		if x == n.Index {
			n.CaughtUp()
			return
		}
		end := x.States[0].Next
		p := functionstest.NewProject(x, n.Blobs)
		p.Dialects, p.LogID = by, n.Project.LogID
		functionstest.MustSeek(t, p)
		handle := func(records []events.RawRecord) error { return p.Handle(functionstest.Batch(records...)) }
		if err := n.Log.Replay(t.Context(), events.Position{Offset: end}, end+1, handle); err != nil {
			t.Fatal(err)
		}
	}
	terms := func(x *functionstest.Index) string {
		var all []string
		for _, row := range x.Rows {
			for _, term := range row.Terms {
				if row.Type == "word" {
					all = append(all, term.Code)
				}
			}
		}
		return strings.Join(all, ", ")
	}

	n.Must(201, "PUT", "/Patient/p", functionstest.Patient("p", "1"))
	write(first, n.Index, "one")
	g := functionstest.NewGenerations(n.Index, first.Digest())
	kept, err := first.Definitions()
	if err != nil {
		t.Fatal(err)
	}
	g.Kept[first.Digest()] = kept
	run := functionstest.RebuildOf(n, g, functionstest.Recorded(t, n.Index))
	run.Dialects = second
	if summary, err := run.Handle(t.Context(), functionstest.NoProgress); err != nil || summary.Compared != 0 {
		t.Fatalf("got %+v, %v; what other definitions give is not compared", summary, err)
	}
	old, live := n.Index, g.Active
	n.Stop()
	write(second, live, "two")
	if terms(old) != "first one" || terms(live) != "second one, second two" {
		t.Fatalf("the generations have the terms %q and %q", terms(old), terms(live))
	}
	restored, err := rebuild.DialectsOf(t.Context(), second, g, first.Digest())
	if err != nil || restored.Digest() != first.Digest() || g.Kept[second.Digest()] == nil {
		t.Errorf("kept were %d definitions; the first come back as %v, %v", len(g.Kept), restored, err)
	}
	run = functionstest.RebuildOf(n, g, functionstest.Recorded(t, live))
	run.Dialects, run.Rollback = second, true
	if _, err := run.Handle(t.Context(), functionstest.NoProgress); err != nil {
		t.Fatal(err)
	}
	if g.Active != old || terms(old) != "first one, first two" {
		t.Errorf("the generation that was gone back to has the terms %q", terms(old))
	}
	if got, want := fmt.Sprint(old.Rows[0]), fmt.Sprint(live.Rows[0]); got != want {
		t.Errorf("the patient is %s, and was %s", got, want)
	}
}
