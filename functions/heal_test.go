package functions_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"binnacle/events"
	"binnacle/functions"
	"binnacle/functions/functionstest"
	"binnacle/functions/verify"
	"binnacle/projections"
)

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
	n := functionstest.NewNode(t)
	n.Must(201, "PUT", "/Practitioner/d",
		`{"resourceType":"Practitioner","id":"d","identifier":[{"system":"urn:npi","value":"7"}]}`)
	n.Must(201, "PUT", "/Patient/known", functionstest.Patient("known", "known"))
	n.Must(200, "POST", "", functionstest.BundleOf("transaction",
		functionstest.EntryOf("urn:uuid:1", "POST", "Patient", functionstest.Patient("", "known"),
			`"ifNoneExist":"identifier=urn:s|known"`),
		functionstest.EntryOf("urn:uuid:2", "POST", "Patient", functionstest.Patient("", "new"),
			`"ifNoneExist":"identifier=urn:s|new"`),
		functionstest.EntryOf("urn:uuid:3", "POST", "Observation",
			functionstest.Observation(
				`,"subject":{"reference":"urn:uuid:1"},"focus":[{"reference":"urn:uuid:2"},{"reference":"Patient?identifier=urn:s|new"}],"performer":[{"reference":"Practitioner?identifier=urn:npi|7"}]`)),
		functionstest.EntryOf("urn:uuid:4", "POST", "Observation", functionstest.Observation(``)),
	))
	// What the conditions matched then is not what they match now.
	n.Must(204, "DELETE", "/Practitioner/d", "", "Binnacle-Allow-Dangling: true")
	n.Must(201, "PUT", "/Practitioner/e",
		`{"resourceType":"Practitioner","id":"e","identifier":[{"system":"urn:npi","value":"7"}]}`)
	for i := range 5 {
		n.Must(201, "PUT", fmt.Sprintf("/Patient/%d", i), functionstest.Patient(fmt.Sprint(i), "new"))
	}
	n.Must(200, "PUT", "/Patient/known", functionstest.Patient("known", "changed"))
	rows := n.Index.Rows
	storage := &verify.Storage{Log: n.Log, Index: n.Index, Blobs: n.Blobs, Dialects: functionstest.Dialects()}

	want := map[events.Hash]string{}
	for _, row := range rows {
		if row.Deleted {
			continue
		}
		contents, err := n.Blobs.Get(t.Context(), []events.Hash{row.Hash})
		if err != nil {
			t.Fatal(err)
		}
		want[row.Hash] = string(contents[0])
		if err := n.Blobs.Delete(t.Context(), []events.Hash{row.Hash}); err != nil {
			t.Fatal(err)
		}
		for how, from := range map[string]functions.HealIndex{"as recorded": unsearchable{n.Index, t},
			"searched for": forgetful{n.Index}} {
			heal := *n.Heal
			heal.Index = from
			content, err := heal.Handle(t.Context(), row.Version)
			if err != nil || string(content) != want[row.Hash] {
				t.Errorf("%s/%s version %d, its links %s: got %q, %v; want %q", row.Type, row.ID, row.Number, how,
					content, err, want[row.Hash])
			}
		}
		if contents, _ = n.Blobs.Get(t.Context(), []events.Hash{row.Hash}); string(contents[0]) != want[row.Hash] {
			t.Errorf("%s/%s version %d was not put back", row.Type, row.ID, row.Number)
		}
	}

	t.Run("verify tells of it", func(t *testing.T) {
		if err := n.Blobs.Delete(t.Context(), []events.Hash{rows[0].Hash, rows[4].Hash}); err != nil {
			t.Fatal(err)
		}
		if err := n.Blobs.Put(t.Context(), []projections.Blob{{Hash: rows[1].Hash, Content: []byte("other bytes")},
			{Hash: events.Hash{1}, Content: []byte("nobody's")}}); err != nil {
			t.Fatal(err)
		}
		report, err := storage.Handle(t.Context(), verify.Options{}, func(int64, int64) {})
		if err != nil || report.OK || report.Missing != 2 || report.Wrong != 1 || report.Orphans != 1 ||
			len(report.Problems) != 3 {
			t.Errorf("got %v, %+v; want two missing, one wrong, one orphan", err, report)
		}
		if lines := strings.Join(report.Lines(), "\n"); !strings.Contains(lines, "NOT OK") ||
			!strings.Contains(lines, "--repair") {
			t.Errorf("the lines don't tell what to do:\n%s", lines)
		}
	})
	t.Run("verify repairs it", func(t *testing.T) {
		if err := n.Blobs.Delete(t.Context(), []events.Hash{rows[0].Hash, rows[4].Hash}); err != nil {
			t.Fatal(err)
		}
		if err := n.Blobs.Put(t.Context(), []projections.Blob{{Hash: rows[1].Hash,
			Content: []byte("other bytes")}}); err != nil {
			t.Fatal(err)
		}
		report, err := storage.Handle(t.Context(), verify.Options{Repair: true}, func(int64, int64) {})
		if err != nil || !report.OK || report.Repaired != 3 {
			t.Errorf("got %v, %+v; want three repaired", err, report)
		}
		if report, err = storage.Handle(t.Context(), verify.Options{Deep: true}, func(int64, int64) {}); err != nil ||
			!report.OK || report.Missing+report.Wrong != 0 {
			t.Errorf("after the repair: %v, %+v", err, report)
		}
	})
	t.Run("an update is compared with what the log gives", func(t *testing.T) {
		body := functionstest.Patient("known", "changed")
		if err := n.Blobs.Delete(t.Context(), []events.Hash{n.Index.Rows[n.Index.Places[projections.Key{Tenant: "main",
			Type: "Patient", ID: "known"}]].Hash}); err != nil {
			t.Fatal(err)
		}
		stamped := strings.Replace(body, `"id":"known"`, `"id":"known","meta":{"versionId":"2"}`, 1)
		again := n.Must(200, "PUT", "/Patient/known", stamped)
		// meta was added by hand, in another place than the server's
		if !strings.Contains(again.Body, `"versionId":"3"`) {
			t.Logf("the server took %s for a change", stamped)
		}
	})
	t.Run("what the log does not have is not found", func(t *testing.T) {
		for _, v := range []projections.Version{
			{Key: rows[0].Key, Position: events.Position{Offset: 1 << 40}, Hash: rows[0].Hash},
			{Key: rows[0].Key, Position: rows[0].Position, Change: 7, Hash: rows[0].Hash},
			{Key: rows[0].Key, Position: rows[0].Position, Hash: events.Hash{1}},
		} {
			if content, err := n.Heal.Handle(t.Context(), v); content != nil || err == nil {
				t.Errorf("%+v: got %q, %v; want an error", v, content, err)
			}
		}
	})
}

// TestAResourceThatWasPatchedOftenIsGoneThroughOnce: what is made on the way to a lost content goes back, too.
func TestAResourceThatWasPatchedOftenIsGoneThroughOnce(t *testing.T) {
	n := functionstest.NewNode(t)
	n.Must(201, "PUT", "/Patient/p", functionstest.Patient("p", "1"))
	const patches = 5
	for i := range patches {
		n.Must(200, "PATCH", "/Patient/p", fmt.Sprintf(`[{"op":"add","path":"/birthDate","value":"200%d"}]`, i),
			"Content-Type: application/json-patch+json")
	}
	n.CaughtUp()
	var hashes []events.Hash
	for _, row := range n.Index.Rows {
		hashes = append(hashes, row.Hash)
	}
	if err := n.Blobs.Delete(t.Context(), hashes); err != nil {
		t.Fatal(err)
	}
	last := n.Index.Rows[len(n.Index.Rows)-1]
	heal := &functions.Heal{Log: n.Log, Index: n.Index, Blobs: n.Blobs, Dialects: functionstest.Dialects()}
	if content, err := heal.Handle(t.Context(), last.Version); err != nil ||
		!strings.Contains(string(content), `"birthDate":"2004"`) {
		t.Fatalf("got %s, %v", content, err)
	}
	found, err := n.Blobs.Get(t.Context(), hashes)
	if err != nil || len(found) != 1+patches || slices.ContainsFunc(found, func(c []byte) bool { return c == nil }) {
		t.Errorf("the store has %q, %v", found, err)
	}
}
