package sqlitefile_test

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"binnacle/events"
	"binnacle/events/eventstest"
	"binnacle/events/sqlitefile"
)

func openFile(t *testing.T, path string) *sqlitefile.File {
	t.Helper()
	file, err := sqlitefile.Open(path, eventstest.Logger(t))
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	t.Cleanup(func() {
		if err := file.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return file
}

func exec(t *testing.T, transact func(context.Context, func(*sql.Tx) error) error, statements ...string) {
	t.Helper()
	if err := transact(t.Context(), func(tx *sql.Tx) error {
		for _, statement := range statements {
			if _, err := tx.Exec(statement); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatalf("%q: %v", statements, err)
	}
}

func value(t *testing.T, db *sql.DB, query string) string {
	t.Helper()
	var got string
	if err := db.QueryRow(query).Scan(&got); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return got
}

func TestAFileIsSetUpForOneWriterAndManyReaders(t *testing.T) {
	file := openFile(t, filepath.Join(t.TempDir(), "a new folder", "a name with ? and # and %.db"))
	for pragma, want := range map[string]string{"page_size": "8192", "journal_mode": "wal", "foreign_keys": "0"} {
		if got := value(t, file.Read, "PRAGMA "+pragma); got != want {
			t.Errorf("%s is %s, want %s", pragma, got, want)
		}
	}
	if _, err := os.Stat(file.Path()); err != nil {
		t.Errorf("the file is not where it says: %v", err)
	}
	if _, err := file.Read.Exec("CREATE TABLE t(x)"); err == nil {
		t.Error("a reader may write")
	}
}

func TestWhatJoinsATransactionTakesEffectWithIt(t *testing.T) {
	for name, open := range both(t) {
		t.Run(name, func(t *testing.T) {
			file, other := open(), open()
			for _, f := range []*sqlitefile.File{file, other} {
				if err := f.Relaxed(t.Context(), func(tx *sql.Tx) error { _, err := tx.Exec("CREATE TABLE t(x)"); return err }); err != nil {
					t.Fatal(err)
				}
			}
			insert := func(tx *sql.Tx) error { _, err := tx.Exec("INSERT INTO t VALUES (1)"); return err }
			for _, fails := range []bool{true, false} {
				err := file.Relaxed(t.Context(), func(tx *sql.Tx) error {
					ctx := file.Joining(t.Context(), tx)
					err := errors.Join(file.Relaxed(ctx, insert), other.Relaxed(ctx, insert))
					if fails {
						err = errors.Join(err, errors.New("no"))
					}
					return err
				})
				if (err != nil) != fails {
					t.Fatal(err)
				}
			}
			if got := value(t, file.Read, "SELECT count(*) FROM t"); got != "1" {
				t.Errorf("%s rows, want that of the transaction that was committed", got)
			}
			if got := value(t, other.Read, "SELECT count(*) FROM t"); got != "2" {
				t.Errorf("%s rows in another file, which has nothing to do with it, want 2", got)
			}
		})
	}
}

func TestATransactionThatFailsLeavesNothing(t *testing.T) {
	for name, open := range both(t) {
		file := open()
		exec(t, file.Durable, "CREATE TABLE t(x)")
		failure := errors.New("no")
		err := file.Durable(t.Context(), func(tx *sql.Tx) error {
			if _, err := tx.Exec("INSERT INTO t VALUES (1)"); err != nil {
				return err
			}
			return failure
		})
		if !errors.Is(err, failure) {
			t.Errorf("%s: got %v, want the function's error", name, err)
		}
		func() {
			defer func() { _ = recover() }()
			_ = file.Relaxed(t.Context(), func(tx *sql.Tx) error {
				_, _ = tx.Exec("INSERT INTO t VALUES (2)")
				panic("broken")
			})
		}()
		if got := value(t, file.Read, "SELECT count(*) FROM t"); got != "0" {
			t.Errorf("%s: %s rows are in the table", name, got)
		}
		exec(t, file.Relaxed, "INSERT INTO t VALUES (3)") // the writer is free again
	}
}

func both(t *testing.T) map[string]func() *sqlitefile.File {
	return map[string]func() *sqlitefile.File{
		"file": func() *sqlitefile.File { return openFile(t, filepath.Join(t.TempDir(), "x.db")) },
		"memory": func() *sqlitefile.File {
			file, err := sqlitefile.OpenMemory(eventstest.Logger(t))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = file.Close() })
			return file
		},
	}
}

func TestReadersAndWritersDoNotWaitForEachOther(t *testing.T) {
	for name, open := range both(t) {
		file := open()
		exec(t, file.Relaxed, "CREATE TABLE t(x)", "INSERT INTO t VALUES (1)")
		reading, err := file.Read.Begin()
		if err != nil {
			t.Fatal(err)
		}
		var before, during, after string
		if err := reading.QueryRow("SELECT count(*) FROM t").Scan(&before); err != nil {
			t.Fatal(err)
		}
		if err := file.Durable(t.Context(), func(tx *sql.Tx) error {
			if _, err := tx.Exec("INSERT INTO t VALUES (2)"); err != nil {
				return err
			}
			return file.Read.QueryRow("SELECT count(*) FROM t").Scan(&during) // inside the write transaction, from outside of it
		}); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if err := reading.QueryRow("SELECT count(*) FROM t").Scan(&after); err != nil {
			t.Fatal(err)
		}
		if err := reading.Rollback(); err != nil {
			t.Fatal(err)
		}
		if before != "1" || during != "1" || after != "1" || value(t, file.Read, "SELECT count(*) FROM t") != "2" {
			t.Errorf("%s: the reader saw %s, %s, %s", name, before, during, after)
		}
	}
}

func TestWritersQueueAndNoneIsTurnedAway(t *testing.T) {
	for name, open := range both(t) {
		file := open()
		exec(t, file.Relaxed, "CREATE TABLE t(x)")
		var running sync.WaitGroup
		for range 8 {
			running.Go(func() {
				for i := range 20 {
					transact := file.Relaxed
					if i%5 == 0 {
						transact = file.Durable
					}
					if err := transact(t.Context(), func(tx *sql.Tx) error { _, err := tx.Exec("INSERT INTO t VALUES (1)"); return err }); err != nil {
						t.Errorf("%s: %v", name, err)
					}
				}
			})
		}
		running.Wait()
		if got := value(t, file.Read, "SELECT count(*) FROM t"); got != "160" {
			t.Errorf("%s: %s rows, want 160", name, got)
		}
	}
}

func TestAMemoryFileIsGoneWhenItIsClosed(t *testing.T) {
	file, err := sqlitefile.OpenMemory(eventstest.Logger(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Dir(file.Path())); !os.IsNotExist(err) {
		t.Errorf("its folder is still there: %v", err)
	}
	if err := file.Close(); err != nil {
		t.Errorf("a second Close: %v", err)
	}
}

func TestWhatCannotBeUsedIsRefusedWithAClearText(t *testing.T) {
	folder := t.TempDir()
	text := filepath.Join(folder, "text.db")
	if err := os.WriteFile(text, []byte(strings.Repeat("this is no database\n", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, c := range map[string]struct {
		kind events.Kind
		text string
	}{
		text:                            {events.Invalid, "not a SQLite database"},
		filepath.Join(text, "below.db"): {events.Invalid, "cannot be made"},
		folder:                          {events.Transient, "cannot be opened"},
	} {
		_, err := sqlitefile.Open(path, eventstest.Logger(t))
		if events.KindOf(err) != c.kind || err == nil || !strings.Contains(err.Error(), c.text) || !strings.Contains(err.Error(), folder) {
			t.Errorf("%s: got %v, want an error of kind %s that tells %q and where", path, err, c.kind, c.text)
		}
	}
}

func TestAClosedFileAndAnEndedCallAreTransient(t *testing.T) {
	file, err := sqlitefile.OpenMemory(eventstest.Logger(t))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := file.Durable(ctx, func(*sql.Tx) error { return nil }); events.KindOf(err) != events.Transient {
		t.Errorf("an ended call gives %v", err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	if err := file.Relaxed(t.Context(), func(*sql.Tx) error { return nil }); events.KindOf(err) != events.Transient {
		t.Errorf("a closed file gives %v", err)
	}
}

func TestAFullFileIsTransientAndSaysWhatToDo(t *testing.T) {
	file := openFile(t, filepath.Join(t.TempDir(), "x.db"))
	exec(t, file.Relaxed, "CREATE TABLE t(x)")
	if _, err := file.Write.Exec("PRAGMA max_page_count = 10"); err != nil {
		t.Fatal(err)
	}
	err := file.Durable(t.Context(), func(tx *sql.Tx) error {
		_, err := tx.Exec("INSERT INTO t VALUES (zeroblob(1000000))")
		return err
	})
	if events.KindOf(err) != events.Transient || !strings.Contains(err.Error(), "full") {
		t.Errorf("got %v", err)
	}
}

func TestAStatementBeyondALimitOfSQLiteIsTooCostly(t *testing.T) {
	file := openFile(t, filepath.Join(t.TempDir(), "x.db"))
	exec(t, file.Relaxed, "CREATE TABLE t(x)")
	for name, query := range map[string]string{
		"alternatives one in the other": "SELECT x FROM t WHERE " + strings.Repeat("x = 1 OR ", 1_100) + "x = 2",
		"unions":                        strings.Repeat("SELECT x FROM t UNION ALL ", 600) + "SELECT x FROM t",
		"tables":                        "SELECT 1 FROM t" + strings.Repeat(", t", 64),
	} {
		_, err := file.Read.ExecContext(t.Context(), query)
		if err := sqlitefile.Classify("test", err); events.KindOf(err) != events.TooCostly {
			t.Errorf("%s: got %v, want an error of kind TooCostly", name, err)
		}
	}
}
