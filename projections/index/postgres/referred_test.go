package postgres

import (
	"slices"
	"testing"
	"time"

	"binnacle/events"
	"binnacle/projections"
)

// One node remembers that nothing has ever referred to a type; another one writes a reference, and another.
func TestWhatAnotherNodeHasWrittenRefersToo(t *testing.T) {
	c := config(t)
	one, other := open(t, c).Live(), open(t, c).Live()
	patient := projections.Key{Tenant: "main", Type: "Patient", ID: "1"}
	by := map[string][]projections.Referrer{"Patient": {{Type: "Group", Param: "member"},
		{Type: "Observation", Param: "subject"}}}
	sid := int64(0)
	commit := func(index projections.Index, key projections.Key, terms ...projections.Term) error {
		return index.Commit(t.Context(), projections.Commit{Expect: sid, Next: sid + 1, Time: time.UnixMilli(1e12),
			Rows: []projections.Row{{Version: projections.Version{Key: key, Sid: sid + 1, Number: 1,
				Time: time.UnixMilli(1e12), Position: events.Position{Offset: sid}}, MainDate: projections.MinTime,
				Terms: terms}}})
	}
	refer := func(index projections.Index, resourceType, param string) {
		t.Helper()
		if _, err := index.State(t.Context(), 0); err != nil {
			t.Fatal(err)
		}
		if err := commit(index, projections.Key{Tenant: "main", Type: resourceType, ID: "1"}, projections.Term{
			Param: param, Kind: projections.Reference, System: "Patient", Code: "1"}); err != nil {
			t.Fatal(err)
		}
		sid++
	}
	wanted := func(want ...int) {
		t.Helper()
		if got, err := one.Referrers(t.Context(), []projections.Key{patient}, by); err != nil ||
			!slices.Equal(got[0], want) {
			t.Fatalf("Referrers = %v, %v; want %v", got, err, want)
		}
	}
	refer(one, "Patient", "link") // which is not asked for
	wanted()
	refer(other, "Observation", "subject")
	if _, err := one.State(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	wanted(1)
	refer(other, "Group", "member")
	sid--
	if err := commit(one, patient); events.KindOf(err) != events.Conflict {
		t.Fatalf("a commit to a position that has moved: %v", err)
	}
	sid++
	wanted(0, 1)
}

// An index of keys on rows keeps what is new unsorted, and reads all of that for every key.
func TestWhatIsUnsortedIsSortedBeforeManyKeysAreLookedUp(t *testing.T) {
	g := open(t, config(t))
	index, f := g.Live(), newFeeder(0)
	unsorted := func() (pages int) {
		t.Helper()
		if err := g.work.QueryRow(t.Context(), "select gin_clean_pending_list($1::regclass)",
			g.tables(1)+"version_keys").Scan(&pages); err != nil {
			t.Fatal(err)
		}
		return pages
	}
	mustCommit(t, index, f.commit(40))
	if unsorted() == 0 {
		t.Fatal("a commit leaves nothing unsorted: the server's default is another one")
	}
	mustCommit(t, index, f.commit(40))
	if _, err := index.Referrers(t.Context(), []projections.Key{{Tenant: "main", Type: "Practitioner", ID: "1"}},
		map[string][]projections.Referrer{"Practitioner": {{Type: "Observation", Param: "performer"}}}); err != nil {
		t.Fatal(err)
	}
	if pages := unsorted(); pages > 0 {
		t.Errorf("%d pages were unsorted when the keys were looked up", pages)
	}
}
