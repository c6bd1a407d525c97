package sqlitefile

import (
	"database/sql"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestTheWriteAheadLogStaysBounded(t *testing.T) {
	const bound, written, transaction = 1 << 20, 16 << 20, 128 << 10
	file, err := open(&File{
		path: filepath.Join(t.TempDir(), "x.db"), logger: slog.New(slog.DiscardHandler), synchronous: normal,
		walBound: bound, checkpointEvery: time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := file.Close(); err != nil {
			t.Error(err)
		}
	}()
	run := func(statement string) {
		if err := file.Relaxed(t.Context(), func(tx *sql.Tx) error { _, err := tx.Exec(statement, transaction); return err }); err != nil {
			t.Fatal(err)
		}
	}
	run("CREATE TABLE t AS SELECT randomblob(?) AS x")
	largest := int64(0)
	for n := 0; n < written; n += transaction {
		run("UPDATE t SET x = randomblob(?)")
		info, err := os.Stat(file.Path() + "-wal")
		if err != nil {
			t.Fatal(err)
		}
		largest = max(largest, info.Size())
	}
	if largest > written/2 {
		t.Errorf("the write-ahead log grew to %d KiB while %d KiB were written", largest>>10, written>>10)
	}
	t.Logf("largest: %d KiB", largest>>10)
}

func TestClosingMovesEverythingIntoTheDatabase(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	file, err := Open(path, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if err := file.Relaxed(t.Context(), func(tx *sql.Tx) error { _, err := tx.Exec("CREATE TABLE t(x)"); return err }); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path + "-wal"); !os.IsNotExist(err) {
		t.Errorf("the write-ahead log is still there: %v", err)
	}
}
