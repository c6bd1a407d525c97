package writebehind_test

import (
	"path/filepath"
	"slices"
	"testing"
	"time"

	"binnacle/projections"
	"binnacle/projections/index/writebehind"
)

// A page may be followed by searches for something else at its snapshot: included resources, other types.
func TestTheSnapshotOfAPageHasWhatWaitsOfOtherTypes(t *testing.T) {
	m, _ := newModeled(t, time.Hour, 12, 1)
	projector, reader := m.g.Projecting("catalog-1"), m.g.Bound("catalog-1")
	search := func(resourceType string, snapshot int64) projections.Page {
		t.Helper()
		page, err := reader.Search(t.Context(), projections.Query{Tenant: "main", Type: resourceType, Limit: 100,
			Total: projections.TotalNone, Snapshot: snapshot})
		if err != nil {
			t.Fatal(err)
		}
		return page
	}
	for at := range m.records {
		if err := projector.Commit(t.Context(), m.commit(at, at+1, m.store.Put)); err != nil {
			t.Fatal(err)
		}
		rows := int64(m.first[at+1])
		if rows == 0 {
			continue
		}
		page := search("Observation", 0)
		if page.Snapshot != rows {
			t.Errorf("after record %d a search is one at %d, want %d", at, page.Snapshot, rows)
		}
		patients := search("Patient", page.Snapshot).Versions
		for key, want := range m.current("Patient", rows) {
			if want.Alive() && !slices.Contains(patients, want) {
				t.Errorf("after record %d a search at %d misses %v, %+v", at, page.Snapshot, key, want)
			}
		}
		for _, version := range patients {
			if want := m.current("Patient", rows)[version.Key]; version != want {
				t.Errorf("after record %d a search at %d finds %+v, want %+v", at, page.Snapshot, version, want)
			}
		}
		time.Sleep(60 * time.Millisecond) // so that the next one waits: nobody has looked for long enough
	}
}

func TestTheFirstVersionsOfAllAreInTheSnapshotOfAPageOfAnotherType(t *testing.T) {
	g := open(t, filepath.Join(t.TempDir(), "index.db"), writebehind.Config{Within: time.Hour})
	v := projections.Version{Key: projections.Key{Tenant: "main", Type: "Patient", ID: "1"}, Sid: 1, Number: 1,
		Time: time.UnixMilli(1e12).UTC()}
	if err := g.Projecting("catalog-1").Commit(t.Context(), projections.Commit{Next: 1, Time: v.Time,
		Rows: []projections.Row{{Version: v, MainDate: projections.MinTime}}}); err != nil {
		t.Fatal(err)
	}
	index := g.Generations.Bound("catalog-1")
	query := projections.Query{Tenant: "main", Type: "Observation", Limit: 10, Total: projections.TotalNone}
	page, err := index.Search(t.Context(), query)
	if err != nil || len(page.Versions) != 0 {
		t.Fatalf("Search = %+v, %v", page, err)
	}
	query.Type, query.Snapshot = "Patient", page.Snapshot
	if page, err = index.Search(t.Context(), query); err != nil || len(page.Versions) != 1 {
		t.Fatalf("a search at the snapshot of that page = %+v, %v; want the patient", page, err)
	}
}
