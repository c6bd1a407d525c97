package sqlite_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"log/slog"
	"path/filepath"
	"testing"

	"binnacle/events"
	"binnacle/events/sqlitefile"
	"binnacle/projections"
	"binnacle/projections/blobs/sqlite"
	"binnacle/projections/projectionstest"
)

func open(t testing.TB, path string) (*sqlite.Blobs, *sqlitefile.File) {
	t.Helper()
	file, err := sqlitefile.Open(path, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = file.Close() })
	store, err := sqlite.Open(t.Context(), file)
	if err != nil {
		t.Fatal(err)
	}
	return store, file
}

func TestSQLiteKeepsTheContractOfBlobs(t *testing.T) {
	projectionstest.Blobs(t, func(t *testing.T) projections.Blobs {
		store, _ := open(t, filepath.Join(t.TempDir(), "binnacle.db"))
		return store
	})
}

func TestBlobsAreThereAfterTheFileWasClosedAndOpenedAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "binnacle.db")
	content := bytes.Repeat([]byte("kept over a restart "), 100)
	hash := events.Hash(sha256.Sum256(content))
	store, file := open(t, path)
	if err := store.Put(t.Context(), []projections.Blob{{Hash: hash, Content: bytes.Clone(content)}}); err != nil {
		t.Fatal(err)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	store, _ = open(t, path)
	got, err := store.Get(t.Context(), []events.Hash{hash})
	if err != nil || !bytes.Equal(got[0], content) {
		t.Errorf("got %d bytes and %v, want the %d that were put", len(got[0]), err, len(content))
	}
}

func TestADamagedBlobIsMissingUntilItIsPutAgain(t *testing.T) {
	store, file := open(t, filepath.Join(t.TempDir(), "binnacle.db"))
	content := bytes.Repeat([]byte("soon to be damaged "), 100)
	hash := events.Hash(sha256.Sum256(content))
	put := func() {
		if err := store.Put(t.Context(), []projections.Blob{{Hash: hash, Content: bytes.Clone(content)}}); err != nil {
			t.Fatal(err)
		}
	}
	put()
	if err := file.Relaxed(t.Context(), func(tx *sql.Tx) error {
		_, err := tx.Exec("UPDATE blob SET content = substr(content, 1, length(content) - 1)")
		return err
	}); err != nil {
		t.Fatal(err)
	}
	got, err := store.Get(t.Context(), []events.Hash{hash})
	if err != nil || got[0] != nil {
		t.Errorf("got %d bytes and %v, want nil: never a part", len(got[0]), err)
	}
	put()
	if got, err = store.Get(t.Context(), []events.Hash{hash}); err != nil || !bytes.Equal(got[0], content) {
		t.Errorf("after it was put again: got %d bytes and %v, want the %d of the content", len(got[0]), err,
			len(content))
	}
}

func TestABatchThatIsCanceledHalfwayLeavesNothing(t *testing.T) {
	store, file := open(t, filepath.Join(t.TempDir(), "binnacle.db"))
	holding, release, held := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		held <- file.Relaxed(context.Background(), func(*sql.Tx) error {
			close(holding)
			<-release
			return nil
		})
	}()
	<-holding
	ctx, cancel := context.WithCancel(t.Context())
	put := make(chan error, 1)
	go func() {
		put <- store.Put(ctx, []projections.Blob{{Hash: sha256.Sum256([]byte("late")), Content: []byte("late")}})
	}()
	cancel()
	if err := <-put; events.KindOf(err) != events.Transient {
		t.Errorf("Put: got %v, want an error of kind transient", err)
	}
	close(release)
	if err := <-held; err != nil {
		t.Fatal(err)
	}
	if err := store.Each(t.Context(), func(hash events.Hash) error {
		t.Errorf("%x is there, want nothing", hash)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}
