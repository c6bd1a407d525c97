package sqlite_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"binnacle/events"
	"binnacle/events/sqlitefile"
	"binnacle/projections"
	"binnacle/projections/index/sqlite"
)

func TestAnIDThatIsDamagedInTheFileNeverLooksAsIfItHadNotBeen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "index.db")
	opened := func() (projections.Generations, func()) {
		t.Helper()
		file, err := sqlitefile.Open(path, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		g, err := sqlite.Open(t.Context(), sqlite.Config{File: file, Catalog: "catalog-1", Timeout: time.Minute,
			Logger: slog.New(slog.DiscardHandler)}, true)
		if err != nil {
			t.Fatal(err)
		}
		return g, func() {
			_ = g.Close()
			_ = file.Close()
		}
	}
	g, closed := opened()
	rows := make([]projections.Row, 200)
	for i := range rows {
		rows[i] = projections.Row{Version: projections.Version{Key: projections.Key{Tenant: "main", Type: "Patient",
			ID: fmt.Sprintf("patient-%03d", i)}, Sid: int64(i) + 1, Number: 1, Time: time.UnixMilli(1e12)}}
	}
	if err := g.Live().Commit(t.Context(), projections.Commit{Next: 1, Rows: rows}); err != nil {
		t.Fatal(err)
	}
	closed()
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	key := rows[77].Key
	told := 0
	for at := 0; ; at++ {
		next := bytes.Index(whole[at:], []byte(key.ID))
		if next < 0 {
			break
		}
		at += next
		broken := bytes.Clone(whole)
		copy(broken[at:], "\xa5\xa5\xa5")
		if err := os.WriteFile(path, broken, 0o600); err != nil {
			t.Fatal(err)
		}
		g, closed := opened()
		found, err := g.Live().Current(t.Context(), []projections.Key{key})
		if err == nil && found[0].Sid != 78 {
			t.Errorf("with damage at byte %d of %d: found %+v", at, len(whole), found)
		}
		page, historyErr := g.Live().Versions(t.Context(), projections.Span{Tenant: key.Tenant, Types: []string{key.Type},
			Key: key, Limit: 10, Count: true})
		if historyErr == nil && page.Total != 1 {
			t.Errorf("with damage at byte %d of %d: a history of %d versions", at, len(whole), page.Total)
		}
		if events.KindOf(err) == events.Internal && events.KindOf(historyErr) == events.Internal {
			told++
		}
		absent, err := g.Live().Current(t.Context(), []projections.Key{{Tenant: "main", Type: "Patient", ID: "nobody"}})
		if err != nil || absent[0].Sid != 0 {
			t.Errorf("of a patient who has never been: %+v, %v", absent, err)
		}
		closed()
	}
	if told == 0 {
		t.Error("no damage was told, want that of the index by id")
	}
}
