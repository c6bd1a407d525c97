package postgres

import (
	"context"
	"errors"
	"io"
	"net"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"binnacle/events"
	"binnacle/projections"
	"binnacle/projections/index/postgres/postgrestest"
)

// terminate ends all connections of an installation's pools and listeners but the caller's own.
func terminate(t testing.TB, c Config, condition string, args ...any) {
	t.Helper()
	ended := 0
	if err := admin(t, c).QueryRow(t.Context(), "select count(*) filter (where pg_terminate_backend(pid, 5000)) from "+
		"pg_stat_activity where pid <> pg_backend_pid() and "+condition, args...).Scan(&ended); err != nil ||
		ended == 0 {
		t.Fatalf("%d backends ended, %v", ended, err)
	}
}

// named gives the connections of a test a name of their own.
func named(c Config) (Config, string) {
	name := strings.TrimPrefix(c.Schema, "test_")
	c.URL += "&application_name=" + name
	return c, name
}

func TestAServerThatIsNotThereIsTransientInBoundedTime(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	refusing := listener.Addr().String()
	_ = listener.Close()
	silent, err := net.Listen("tcp", "127.0.0.1:0") // it accepts and says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = silent.Close() }()
	for name, address := range map[string]string{"refusing": refusing, "silent": silent.Addr().String()} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			_, err := Open(ctx, Config{URL: "postgres://x:y@" + address + "/x?sslmode=disable"}, true)
			if events.KindOf(err) != events.Transient {
				t.Errorf("got %v, want kind transient", err)
			}
			if ctx.Err() != nil {
				t.Errorf("it took as long as the caller waited")
			}
		})
	}
}

func TestWhatNoWaitingCuresIsToldAtTheStart(t *testing.T) {
	c := config(t)
	address, err := url.Parse(c.URL)
	if err != nil {
		t.Fatal(err)
	}
	address.Path = "/binnacle_no_such_database"
	c.URL = address.String()
	if _, err := Open(t.Context(), c, true); events.KindOf(err) != events.Invalid ||
		!strings.Contains(err.Error(), "does not exist") {
		t.Errorf("a database that is not there: got %v, want kind invalid", err)
	}
	for code, want := range map[string]events.Kind{"28P01": events.Invalid, "28000": events.Invalid,
		"42501": events.Invalid, "57P03": events.Transient, "53300": events.Transient} {
		if got := events.KindOf(asConfigured(classify("test", &pgconn.PgError{Code: code}))); got != want {
			t.Errorf("%s: got %v, want %v", code, got, want)
		}
	}
}

func TestThePoolsRecoverFromLostConnections(t *testing.T) {
	c, name := named(config(t))
	g := open(t, c)
	index := g.Live()
	f := newFeeder(0)
	mustCommit(t, index, f.commit(2))
	total(t, index, 0)
	terminate(t, c, "application_name = $1", name)
	deadline := time.Now().Add(20 * time.Second)
	next := f.commit(2)
	for {
		err := index.Commit(t.Context(), next)
		if err == nil {
			break
		}
		if events.KindOf(err) != events.Transient || time.Now().After(deadline) {
			t.Fatalf("got %v, want kind transient until it works again", err)
		}
	}
	for {
		page, err := index.Search(t.Context(), projections.Query{Tenant: "main", Type: "Observation", Limit: 10})
		if err == nil {
			if len(page.Versions) != 4 {
				t.Errorf("%d resources, want 4", len(page.Versions))
			}
			break
		}
		if events.KindOf(err) != events.Transient || time.Now().After(deadline) {
			t.Fatalf("got %v, want kind transient until it works again", err)
		}
	}
	if err := g.Ready(t.Context()); err != nil {
		t.Errorf("Ready: %v", err)
	}
}

func TestSessionsThatWereOpenedWhileTheServerWasReadOnlyAreReplaced(t *testing.T) {
	c := config(t)
	database := postgrestest.New(t, c.URL)
	c.URL = database.URL
	g := open(t, c)
	index := g.Live()
	f := newFeeder(0)
	mustCommit(t, index, f.commit(2))
	if err := g.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	// The settings of a database are those of sessions that begin: the ones that are there go on until they are lost.
	database.Alter("set default_transaction_read_only = on")
	database.Terminate()
	next := f.commit(2)
	for range 5 {
		if err := g.Ready(t.Context()); events.KindOf(err) != events.Transient {
			t.Fatalf("Ready while the server is read-only: got %v, want kind transient", err)
		}
		if err := index.Commit(t.Context(), next); events.KindOf(err) != events.Transient {
			t.Fatalf("Commit while the server is read-only: got %v, want kind transient", err)
		}
	}
	if err := g.Ready(t.Context()); err == nil || !strings.Contains(err.Error(), "read-only") {
		t.Errorf("got %v, want what is wrong", err)
	}
	if got := total(t, index, 0); got != 2 {
		t.Errorf("%d resources are found while the server is read-only, want 2", got)
	}
	// All sessions of the pool are read-only ones now, held until each has been made.
	held := make([]interface{ Release() }, g.work.Config().MaxConns)
	for i := range held {
		conn, err := g.work.Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if readOnly, err := isReadOnly(t.Context(), conn); err != nil || !readOnly {
			t.Fatalf("a session from the time when the server was read-only can write (%v)", err)
		}
		held[i] = conn
	}
	for _, conn := range held {
		conn.Release()
	}
	database.Alter("reset default_transaction_read_only")
	if err := index.Commit(t.Context(), next); events.KindOf(err) != events.Transient {
		t.Fatalf("Commit in a session from before: got %v, want kind transient", err)
	}
	mustCommit(t, index, next) // the first one that fails has all of them replaced
	if err := g.Ready(t.Context()); err != nil {
		t.Errorf("Ready after it: %v", err)
	}
	mustCommit(t, index, f.commit(2))
	if got := total(t, index, 0); got != 6 {
		t.Errorf("%d resources, want 6", got)
	}
}

func TestAnErrorThatSpoilsItsConnection(t *testing.T) {
	for code, want := range map[string]bool{"25006": true, "57P01": true, "57P02": true, "57P03": true, "57P05": true,
		"08006": true, "57014": false, "23505": false, "53100": false, "40001": false, "": false} {
		if got := spoils(&pgconn.PgError{Code: code, SeverityUnlocalized: "ERROR"}); got != want {
			t.Errorf("%q: got %v, want %v", code, got, want)
		}
	}
	if !spoils(&pgconn.PgError{Code: "25P03", SeverityUnlocalized: "FATAL"}) {
		t.Error("a connection that the server has ended is used again")
	}
}

func TestErrorsAreClassified(t *testing.T) {
	for _, c := range []struct {
		err  error
		want events.Kind
	}{
		{&pgconn.PgError{Code: "53300"}, events.Transient},
		{&pgconn.PgError{Code: "53100"}, events.Transient},
		{&pgconn.PgError{Code: "57P01"}, events.Transient},
		{&pgconn.PgError{Code: "57P03"}, events.Transient},
		{&pgconn.PgError{Code: "40P01"}, events.Transient},
		{&pgconn.PgError{Code: "55P03"}, events.Transient},
		{&pgconn.PgError{Code: "25006"}, events.Transient},
		{&pgconn.PgError{Code: "28P01"}, events.Transient},
		{&pgconn.PgError{Code: "42P01"}, events.Transient},
		{&pgconn.PgError{Code: "23505"}, events.Internal},
		{&pgconn.PgError{Code: "XX001"}, events.Internal},
		{&pgconn.PgError{Code: ""}, events.Internal},
		{io.ErrUnexpectedEOF, events.Transient},
		{&net.OpError{Op: "read", Err: errors.New("connection reset by peer")}, events.Transient},
		{errors.New("conn closed"), events.Transient},
		{errors.New("closed pool"), events.Transient},
		{context.DeadlineExceeded, events.Transient},
		{errors.New("anything else"), events.Internal},
		{events.Errorf(events.TooLarge, "x", "y"), events.TooLarge},
	} {
		if got := events.KindOf(classify("test", c.err)); got != c.want {
			t.Errorf("%v: got %v, want %v", c.err, got, c.want)
		}
	}
	if classify("test", nil) != nil {
		t.Error("nil became an error")
	}
}

func TestConnectionsAreNotUsedForEver(t *testing.T) {
	for _, pool := range open(t, config(t)).pools() {
		if c := pool.Config(); c.MaxConnLifetime <= 0 || c.MaxConnLifetime > lifeTime || c.MaxConnLifetimeJitter <= 0 {
			t.Errorf("a connection is used for %v and up to %v, want at most %v, and not all of them replaced at once",
				c.MaxConnLifetime, c.MaxConnLifetimeJitter, lifeTime)
		}
	}
}
