package infra

import (
	"bytes"
	"context"
	"database/sql"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"binnacle/events"
	"binnacle/events/sqlitefile"
)

// installation is a variant with an index in a SQLite file, in which the tests can put things wrong.
type installation struct {
	t     *testing.T
	flags []string
	data  string
}

func newInstallation(t *testing.T, flags ...string) *installation {
	t.Helper()
	i := &installation{t: t, data: t.TempDir()}
	i.flags = append([]string{"--data", i.data}, flags...)
	return i
}

// open starts a server. An error is why it refuses to start.
func (i *installation) open() (*Embedded, error) {
	return Embed(i.t.Context(), slog.New(slog.DiscardHandler), i.flags...)
}

// use starts a server, lets do use it, and stops it.
func (i *installation) use(do func(server *Embedded)) {
	i.t.Helper()
	server, err := i.open()
	if err != nil {
		i.t.Fatalf("the server does not start: %v", err)
	}
	do(server)
	if err := server.Close(); err != nil {
		i.t.Fatalf("Close: %v", err)
	}
}

func request(server *Embedded, method, path, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "http://server.example"+path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/fhir+json")
	w := httptest.NewRecorder()
	server.Handler().ServeHTTP(w, r)
	return w
}

// put writes a patient and waits until its decision is in the feed.
func (i *installation) put(server *Embedded, id string) {
	i.t.Helper()
	if w := request(server, http.MethodPut, "/fhir/Patient/"+id, `{"resourceType":"Patient","id":"`+id+`"}`); w.Code != http.StatusCreated {
		i.t.Fatalf("PUT Patient/%s: %d %s", id, w.Code, w.Body)
	}
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		ends, err := server.node.Log.Ends(i.t.Context())
		if err != nil {
			i.t.Fatal(err)
		}
		behind := false
		for _, end := range ends {
			fed, err := server.node.Feed.End(i.t.Context(), end.Partition)
			if err != nil {
				i.t.Fatal(err)
			}
			behind = behind || fed < end.Next
		}
		if !behind {
			return
		}
		if time.Now().After(deadline) {
			i.t.Fatal("the feed does not reach the end of the log")
		}
	}
}

// execute changes the file of the stopped, or of the running, installation.
func (i *installation) execute(statements ...string) {
	i.t.Helper()
	file, err := sqlitefile.Open(filepath.Join(i.data, "binnacle.db"), slog.New(slog.DiscardHandler))
	if err != nil {
		i.t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	if err := file.Durable(i.t.Context(), func(tx *sql.Tx) error {
		for _, statement := range statements {
			if _, err := tx.Exec(statement); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		i.t.Fatal(err)
	}
}

// wantRefused holds that the server does not start, and that the reason has these words.
func (i *installation) wantRefused(words ...string) {
	i.t.Helper()
	server, err := i.open()
	if err == nil {
		_ = server.Close()
		i.t.Fatal("the server starts")
	}
	if events.KindOf(err) != events.Conflict {
		i.t.Errorf("the refusal is of kind %s: %v", events.KindOf(err), err)
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			i.t.Errorf("the refusal does not tell %q: %v", word, err)
		}
	}
}

func (i *installation) run(args ...string) {
	i.t.Helper()
	var text bytes.Buffer
	if code := Run(i.t.Context(), append(args, i.flags...), strings.NewReader(""), &text, &text); code != 0 {
		i.t.Fatalf("binnacle %s: exit code %d\n%s", strings.Join(args, " "), code, &text)
	}
}

func TestALogThatDoesNotFitIsRefusedAtTheStart(t *testing.T) {
	for _, c := range []struct {
		name  string
		wrong []string
		words []string
	}{
		{"another log", []string{`UPDATE log_identity SET id = 'another'`}, []string{"the id another", "made anew", "binnacle rebuild", "binnacle drop --feed"}},
		{"the log of another cluster", []string{`UPDATE g1_position SET log = log || 'cluster-1'`}, []string{"cluster cluster-1", "the brokers of the right cluster"}},
		{"another number of partitions", []string{`UPDATE g1_position SET log = replace(log, '/1/', '/3/')`}, []string{"has 1 partitions and had 3"}},
		{"an older backup", []string{`DELETE FROM log WHERE "offset" >= 1`}, []string{"projected up to offset 3", "ends at 1", "the last 2 records", "binnacle rebuild"}},
		{"a log whose beginning is gone", []string{`UPDATE g1_position SET next = 1`, `DELETE FROM log WHERE "offset" < 2`}, []string{"projected up to offset 1", "begins at 2", "1 records"}},
		{"another record at the same place", []string{`UPDATE log SET value = x'00' WHERE "offset" = 2`}, []string{"the record at 0:2 is another one"}},
		{"a feed that is ahead", []string{`INSERT INTO feed SELECT 7, data FROM feed WHERE "offset" = 2`}, []string{"up to offset 8", "ends at 3", "binnacle drop --feed"}},
		{"the feed of another log", []string{`UPDATE feed SET data = replace(cast(data AS text), '"event":"0', '"event":"9') WHERE "offset" = 2`}, []string{"the feed's decision on 0:2 is about the event 9", "binnacle drop --feed"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			i := newInstallation(t, "--variant", "standalone")
			i.use(func(server *Embedded) {
				for _, id := range []string{"a", "b", "c"} {
					i.put(server, id)
				}
			})
			i.use(func(*Embedded) {}) // as it is it starts
			i.execute(c.wrong...)
			i.wantRefused(append(c.words, filepath.Join(i.data, "binnacle.db"))...)
		})
	}
}

func TestALogThatIsReplacedUnderARunningServerStopsWritesAndShows(t *testing.T) {
	i := newInstallation(t, "--variant", "standalone")
	i.use(func(server *Embedded) {
		i.put(server, "a")
		i.execute(`UPDATE log_identity SET id = 'another'`)
		late := time.Now().Add(time.Minute)
		for request(server, http.MethodGet, "/health/ready", "").Code == http.StatusOK {
			if time.Now().After(late) {
				t.Fatal("the server calls itself ready")
			}
			time.Sleep(50 * time.Millisecond)
		}
		if w := request(server, http.MethodGet, "/health/ready", ""); !strings.Contains(w.Body.String(), "the id another") {
			t.Errorf("the ready check says %s", w.Body)
		}
		if w := request(server, http.MethodPut, "/fhir/Patient/b", `{"resourceType":"Patient","id":"b"}`); w.Code != http.StatusServiceUnavailable {
			t.Errorf("a write is answered %d %s", w.Code, w.Body)
		}
		if w := request(server, http.MethodGet, "/fhir/Patient/a", ""); w.Code != http.StatusOK {
			t.Errorf("a read of what was there is answered %d", w.Code)
		}
	})
}

// brokersOf gives the addresses of the test brokers.
func brokersOf(t *testing.T) []string {
	t.Helper()
	brokers := os.Getenv("BINNACLE_KAFKA_BROKERS")
	if brokers == "" {
		t.Fatal("BINNACLE_KAFKA_BROKERS is not set: run `./task test`, or `./task servers:up` and source .servers/env")
	}
	return strings.Split(brokers, ",")
}

// replica gives an installation whose log is a topic of its own.
func replica(t *testing.T) (i *installation, topic string) {
	t.Helper()
	brokersOf(t)
	topic = "infra-fit-test-" + uuid.NewString()
	i = newInstallation(t, "--variant", "replica", "--kafka-topic", topic)
	t.Cleanup(func() {
		_ = Run(context.Background(), append([]string{"drop", "--yes"}, i.flags...), strings.NewReader(""), io.Discard, io.Discard) // what is not there is none to delete
	})
	return i, topic
}

func TestATopicThatDoesNotFitIsRefusedAndARebuildIsTheWayOut(t *testing.T) {
	i, topic := replica(t)
	i.use(func(server *Embedded) {
		for _, id := range []string{"a", "b"} {
			i.put(server, id)
		}
	})
	i.use(func(*Embedded) {})
	// The same name, and as many records.
	other := newInstallation(t, i.flags[2:]...)
	other.run("drop", "--yes")
	other.use(func(server *Embedded) {
		for _, id := range []string{"c", "d"} {
			other.put(server, id)
		}
	})
	i.wantRefused("the topic "+topic, "made anew", "binnacle rebuild", "binnacle drop --feed")

	i.run("drop", "--feed", "--yes")
	i.run("init")
	i.run("rebuild")
	i.use(func(server *Embedded) {
		if w := request(server, http.MethodGet, "/fhir/Patient/c", ""); w.Code != http.StatusOK {
			t.Errorf("what the new topic holds is answered %d", w.Code)
		}
		if w := request(server, http.MethodGet, "/fhir/Patient/a", ""); w.Code != http.StatusNotFound {
			t.Errorf("what the new topic does not hold is answered %d", w.Code)
		}
		i.put(server, "e") // and the feed has all of it
	})
}
