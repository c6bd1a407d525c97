package sqlitefile

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestWhatIsCommittedLiesInTheFile copies the database and its write-ahead log after each of many random transactions,
// as a crash of this process would leave them, and opens the copy: small transactions and such as are larger than the
// cache, so that pages are written before the end and again, and transactions that are rolled back.
func TestWhatIsCommittedLiesInTheFile(t *testing.T) {
	folder := t.TempDir()
	file, err := open(&File{path: filepath.Join(folder, "x.db"), logger: slog.New(slog.DiscardHandler),
		synchronous: normal, walBound: 1 << 20, checkpointEvery: 20 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	exec := func(statement string, args ...any) {
		t.Helper()
		if err := file.Durable(t.Context(), func(tx *sql.Tx) error {
			_, err := tx.Exec(statement, args...)
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
	exec("CREATE TABLE t(id INTEGER PRIMARY KEY, x BLOB)")
	if _, err := file.Write.Exec("PRAGMA cache_size = 10"); err != nil { // pages
		t.Fatal(err)
	}
	const state = "SELECT count(*) || ' ' || coalesce(sum(length(x) * id), 0) || ' ' || coalesce(group_concat(substr(hex(x), 1, 2), ''), '') FROM (SELECT * FROM t ORDER BY id)"
	random := rand.New(rand.NewPCG(1, 2))
	dropped := errors.New("rolled back")
	for step := range 50 {
		err := file.Relaxed(t.Context(), func(tx *sql.Tx) error {
			for range 1 + random.IntN(4)*random.IntN(20) {
				id := random.IntN(60)
				if _, err := tx.Exec("INSERT OR REPLACE INTO t VALUES (?, randomblob(?))", id, 1+random.IntN(9_000)); err != nil {
					return err
				}
				if _, err := tx.Exec("DELETE FROM t WHERE id = ?", random.IntN(60)); err != nil {
					return err
				}
			}
			if random.IntN(4) == 0 {
				return dropped
			}
			return nil
		})
		if err != nil && !errors.Is(err, dropped) {
			t.Fatal(err)
		}
		got := stateOfCopy(t, file, filepath.Join(folder, fmt.Sprint(step, ".db")), state)
		var want string // asked later: it reads the write-ahead log
		if err := file.Write.QueryRow(state).Scan(&want); err != nil {
			t.Fatal(err)
		}
		if got != want {
			t.Fatalf("step %d: the copy holds %.80s…, want %.80s…", step, got, want)
		}
	}
}

// stateOfCopy copies the files and asks the copy. No checkpoint runs meanwhile.
func stateOfCopy(t *testing.T, file *File, path, query string) (state string) {
	t.Helper()
	conn, err := file.keeper.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, suffix := range []string{"", "-wal"} {
		data, err := os.ReadFile(file.path + suffix)
		if err == nil {
			err = os.WriteFile(path+suffix, data, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	if err := db.QueryRowContext(context.Background(), query).Scan(&state); err != nil {
		t.Fatal(err)
	}
	return state
}
