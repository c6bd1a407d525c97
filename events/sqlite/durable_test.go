package sqlite_test

import (
	"bufio"
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"binnacle/events"
	"binnacle/events/eventstest"
	"binnacle/events/sqlite"
	"binnacle/events/sqlitefile"
)

// childEnv makes the test binary append until it is killed, to the file that the variable names.
const childEnv = "BINNACLE_TEST_APPEND_TO"

func TestMain(m *testing.M) {
	if path := os.Getenv(childEnv); path != "" {
		appendForEver(path)
	}
	os.Exit(m.Run())
}

// appendForEver prints the id of each acknowledged event.
func appendForEver(path string) {
	fail := func(err error) {
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	logger := slog.New(slog.DiscardHandler)
	file, err := sqlitefile.Open(path, logger)
	fail(err)
	log, err := sqlite.Open(context.Background(), file, logger)
	fail(err)
	var output sync.Mutex
	for range 8 {
		go func() {
			for i := 0; ; i++ {
				event := eventstest.NewEvent("main", i)
				_, err := log.Append(context.Background(), []events.Event{event})
				fail(err)
				output.Lock()
				fmt.Println(event.ID)
				output.Unlock()
			}
		}()
	}
	select {}
}

func TestWhatWasAcknowledgedSurvivesAKill(t *testing.T) {
	path := filepath.Join(t.TempDir(), "binnacle.db")
	acked := map[string]bool{}
	for range 3 {
		child := exec.Command(os.Args[0])
		child.Env = append(os.Environ(), childEnv+"="+path)
		child.Stderr = os.Stderr
		output, err := child.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(output)
		for n := 0; n < 300 && lines.Scan(); n++ {
			acked[lines.Text()] = true
		}
		if err := child.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		for lines.Scan() {
			if len(lines.Text()) == 36 { // the last line may be cut short
				acked[lines.Text()] = true
			}
		}
		_ = child.Wait() // it was killed
	}
	log := openAt(t, path)
	defer func() { _ = log.Close() }()
	ends, err := log.Ends(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	due := int64(0)
	err = log.Replay(t.Context(), events.Position{}, ends[0].Next, func(records []events.RawRecord) error {
		for _, raw := range records {
			record, err := events.Decode(raw)
			if err != nil {
				return err
			}
			if raw.Position.Offset != due {
				t.Fatalf("%s came when offset %d was due", raw.Position, due)
			}
			due++
			delete(acked, record.Event.ID)
		}
		return nil
	})
	if err != nil || len(acked) > 0 || due < 900 {
		t.Errorf("%d acknowledged events are not among the %d in the log (%v)", len(acked), due, err)
	}
}

func TestTheAppendsOfAnotherProcessAreFollowed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "binnacle.db")
	mine, theirs := openAt(t, path), openAt(t, path) // two files to SQLite, as two processes have
	defer func() { _ = theirs.Close() }()
	follower, err := mine.Follow(func(context.Context, int32) (int64, error) { return 0, nil })
	if err != nil {
		t.Fatal(err)
	}
	messages, err := follower.Subscribe(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	var appending sync.WaitGroup
	for _, log := range []*sqlite.Log{mine, theirs} {
		appending.Go(func() {
			for i := range 20 {
				if _, err := log.Append(t.Context(), []events.Event{eventstest.NewEvent("main", i)}); err != nil {
					t.Errorf("Append: %v", err)
				}
			}
		})
	}
	for due := int64(0); due < 40; {
		select {
		case msg := <-messages:
			records, err := events.Records(msg)
			if err != nil {
				t.Fatal(err)
			}
			for _, record := range records {
				if record.Position.Offset != due {
					t.Fatalf("%s came when offset %d was due", record.Position, due)
				}
				due++
			}
			msg.Ack()
		case <-time.After(time.Minute):
			t.Fatalf("%d of 40 records came", due)
		}
	}
	appending.Wait()
	if err := mine.Close(); err != nil {
		t.Error(err)
	}
}

func TestCallsThatWaitShareATransaction(t *testing.T) {
	file, err := sqlitefile.Open(filepath.Join(t.TempDir(), "binnacle.db"), eventstest.Logger(t))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	log, err := sqlite.Open(t.Context(), file, eventstest.Logger(t))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = log.Close() }()
	const calls = 8
	var waiting sync.WaitGroup
	canceled, cancel := context.WithCancel(t.Context())
	givenUp := make(chan error, 1)
	err = file.Relaxed(t.Context(), func(*sql.Tx) error { // while the projector has the writer
		for i := range calls {
			waiting.Go(func() {
				if _, err := log.Append(t.Context(), []events.Event{eventstest.NewEvent("main", i)}); err != nil {
					t.Errorf("Append: %v", err)
				}
			})
		}
		time.Sleep(100 * time.Millisecond) // all but the first call are in line now
		go func() {
			_, err := log.Append(canceled, []events.Event{eventstest.NewEvent("main", calls)})
			givenUp <- err
		}()
		time.Sleep(50 * time.Millisecond)
		cancel()
		if err := <-givenUp; events.KindOf(err) != events.Transient {
			t.Errorf("a call that gave up in line got %v, want an error of kind %s", err, events.Transient)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	waiting.Wait()
	times := map[time.Time]int{}
	records := 0
	if err := log.Replay(t.Context(), events.Position{}, calls, func(batch []events.RawRecord) error {
		for _, record := range batch {
			times[record.Time]++
			records++
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if records != calls || len(times) > 2 { // the committer has taken the first, or the first few; the rest shared the next
		t.Errorf("%d records have %d append times, want %d and at most 2", records, len(times), calls)
	}
	if ends, err := log.Ends(t.Context()); err != nil || ends[0].Next != calls {
		t.Errorf("the log ends at %v, %v: the call that gave up has written", ends, err)
	}
}

func TestAppendTimeDoesNotGoBackWithTheClock(t *testing.T) {
	file, err := sqlitefile.Open(filepath.Join(t.TempDir(), "binnacle.db"), eventstest.Logger(t))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	log, err := sqlite.Open(t.Context(), file, eventstest.Logger(t))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = log.Close() }()
	future := time.Now().Add(24 * time.Hour).UnixMilli()
	if err := file.Durable(t.Context(), func(tx *sql.Tx) error {
		_, err := tx.Exec(`INSERT INTO log ("offset", time) VALUES (0, ?)`, future)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	position, err := log.Append(t.Context(), []events.Event{eventstest.NewEvent("main", 1)})
	if err != nil {
		t.Fatal(err)
	}
	err = log.Replay(t.Context(), position[0], position[0].Offset+1, func(records []events.RawRecord) error {
		if got := records[0].Time.UnixMilli(); got != future {
			t.Errorf("append time went back from %d to %d", future, got)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestAFileThatIsFullRefusesAndTakesEventsAgain(t *testing.T) {
	file, err := sqlitefile.Open(filepath.Join(t.TempDir(), "binnacle.db"), eventstest.Logger(t))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	log, err := sqlite.Open(t.Context(), file, eventstest.Logger(t))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = log.Close() }()
	event := eventstest.NewEvent("main", 1)
	event.Changes[0].ID = strings.Repeat("x", 3_000)
	limit := func(pages int) {
		t.Helper()
		if _, err := file.Write.Exec(fmt.Sprintf("PRAGMA max_page_count = %d", pages)); err != nil {
			t.Fatal(err)
		}
	}
	limit(6)
	appended := int64(0)
	for {
		_, err := log.Append(t.Context(), []events.Event{event})
		if err != nil {
			if events.KindOf(err) != events.Transient || !strings.Contains(err.Error(), "full") {
				t.Fatalf("got %v, want an error of kind %s that says the disk is full", err, events.Transient)
			}
			break
		}
		if appended++; appended > 1_000 {
			t.Fatal("the file never fills")
		}
	}
	limit(1_000)
	position, err := log.Append(t.Context(), []events.Event{event})
	if err != nil || position[0].Offset != appended {
		t.Errorf("after space was freed: got %v, %v; want offset %d", position, err, appended)
	}
}
