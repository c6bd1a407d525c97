//go:build unix

package sqlitefile_test

import (
	"database/sql"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"binnacle/events"
)

// limitFiles lets no file that this process writes grow beyond a size, until the test ends or lift is called:
// setrlimit(2), RLIMIT_FSIZE. A write beyond it fails as one on a disk with no room does, in whatever statement it is,
// COMMIT above all.
func limitFiles(t *testing.T, bytes int64) (lift func()) {
	t.Helper()
	signal.Ignore(syscall.SIGXFSZ)
	var before syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &before); err != nil {
		t.Fatal(err)
	}
	limited := before
	limited.Cur = min(uint64(bytes), before.Cur)
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limited); err != nil {
		t.Fatal(err)
	}
	lift = func() {
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &before); err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(lift)
	return lift
}

func TestACommitForWhichThereIsNoRoomHasWrittenNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	file := openFile(t, path)
	exec(t, file.Durable, "CREATE TABLE t(x)")
	info, err := os.Stat(path + "-wal")
	if err != nil {
		t.Fatal(err)
	}
	lift := limitFiles(t, info.Size()+256<<10)
	insert := func(tx *sql.Tx) error {
		_, err := tx.Exec("INSERT INTO t VALUES (zeroblob(20000))")
		return err
	}
	written := 0
	for err = file.Durable(t.Context(), insert); err == nil; err = file.Durable(t.Context(), insert) {
		if written++; written > 1000 {
			t.Fatal("the file never fills")
		}
	}
	if events.KindOf(err) != events.Transient || !strings.Contains(err.Error(), "nothing was written") {
		t.Errorf("got kind %v: %v", events.KindOf(err), err)
	}
	if err := file.Relaxed(t.Context(), insert); events.KindOf(err) != events.Transient {
		t.Errorf("a relaxed transaction: %v", err)
	}
	// What is made from the log finds no room: the log takes nothing either, although something small would fit.
	small := func(tx *sql.Tx) error { _, err := tx.Exec("UPDATE t SET x = x WHERE false"); return err }
	if err := file.Durable(t.Context(), small); events.KindOf(err) != events.Transient || !strings.Contains(err.Error(), "waits for room") {
		t.Errorf("a small durable transaction: %v", err)
	}
	lift()
	if err := file.Relaxed(t.Context(), insert); err != nil {
		t.Errorf("with room again: %v", err)
	}
	if err := file.Durable(t.Context(), insert); err != nil {
		t.Errorf("with room again: %v", err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	var rows int
	again := openFile(t, path)
	if err := again.Read.QueryRow("SELECT count(*) FROM t").Scan(&rows); err != nil || rows != written+2 {
		t.Errorf("%d rows, %v; %d transactions succeeded", rows, err, written+2)
	}
}

func TestTheLogIsTriedAgainWhenNobodyElseSeeksRoom(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	file := openFile(t, path)
	exec(t, file.Durable, "CREATE TABLE t(x)")
	lift := limitFiles(t, 100<<10)
	if err := file.Relaxed(t.Context(), func(tx *sql.Tx) error {
		_, err := tx.Exec("INSERT INTO t VALUES (zeroblob(1000000))")
		return err
	}); events.KindOf(err) != events.Transient {
		t.Fatalf("a large transaction: %v", err)
	}
	lift()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		err := file.Durable(t.Context(), func(tx *sql.Tx) error { _, err := tx.Exec("INSERT INTO t VALUES (1)"); return err })
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("a minute after there was room again: %v", err)
		}
	}
}
