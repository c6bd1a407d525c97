package postgres

import (
	"context"
	"errors"
	"io"
	"net"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"binnacle/events"
	"binnacle/projections"
	"binnacle/projections/index/postgres/postgrestest"
)

// terminate ends all connections of an installation's pools and listeners but the caller's own.
func terminate(t testing.TB, c Config, condition string, args ...any) {
	t.Helper()
	ended := 0
	if err := admin(t, c).QueryRow(t.Context(), "select count(*) filter (where pg_terminate_backend(pid, 5000)) from pg_stat_activity where pid <> pg_backend_pid() and "+condition, args...).Scan(&ended); err != nil || ended == 0 {
		t.Fatalf("%d backends ended, %v", ended, err)
	}
}

// named gives the connections of a test a name of their own.
func named(c Config) (Config, string) {
	name := strings.TrimPrefix(c.Schema, "test_")
	c.URL += "&application_name=" + name
	return c, name
}

func TestOfTwoProjectorsAtOnePlaceOneCommits(t *testing.T) {
	c := config(t)
	one, other := open(t, c).Live(), open(t, c).Live()
	f := newFeeder(0)
	for round := range 10 {
		commit := f.commit(5)
		var group sync.WaitGroup
		results := make([]error, 4)
		for i := range results {
			group.Go(func() {
				index := one
				if i%2 == 1 {
					index = other
				}
				results[i] = index.Commit(t.Context(), commit)
			})
		}
		group.Wait()
		won := 0
		for _, err := range results {
			switch {
			case err == nil:
				won++
			case events.KindOf(err) != events.Conflict:
				t.Fatalf("round %d: got %v, want kind conflict", round, err)
			}
		}
		if won != 1 {
			t.Fatalf("round %d: %d commits took effect, want 1", round, won)
		}
	}
	if got := total(t, one, 0); got != 50 {
		t.Errorf("%d resources, want 50", got)
	}
}

func TestWhatAServerForgotInACrashIsWrittenAgainWithItsCodings(t *testing.T) {
	c := config(t)
	g := open(t, c)
	index := g.Live()
	commit := newFeeder(0).commit(10)
	mustCommit(t, index, commit)
	// The commit did not wait for the disk: after a crash all of it may be gone.
	tables := g.tables(1)
	if _, err := g.work.Exec(t.Context(), "truncate "+tables+"version, "+tables+"term, "+tables+"span, "+tables+"text, "+tables+"coding, "+tables+"shape, "+tables+"ledger, "+tables+"counter, "+tables+"outcome, "+tables+"position"); err != nil {
		t.Fatal(err)
	}
	mustCommit(t, index, commit)
	page, err := index.Search(t.Context(), projections.Query{Tenant: "main", Type: "Observation", Limit: 20, Clauses: []projections.Clause{
		{Param: "status", Kind: projections.Token, Values: []projections.Value{{AnySystem: true, Code: "final"}}},
		{Param: "note", Kind: projections.String, Modifier: projections.Missing},
	}})
	if err != nil || len(page.Versions) != 10 {
		t.Errorf("got %d versions, %v, want 10", len(page.Versions), err)
	}
}

func TestAnotherNodesCommitOfNewCodingsIsNoReasonToLeaveThemOut(t *testing.T) {
	c := config(t)
	one, other := open(t, c).Live(), open(t, c).Live()
	f := newFeeder(0)
	first, second, third := f.commit(1), f.commit(1), f.commit(1)
	mustCommit(t, one, first)
	mustCommit(t, other, second)
	if err := one.Commit(t.Context(), second); events.KindOf(err) != events.Conflict {
		t.Fatalf("got %v, want kind conflict", err)
	}
	mustCommit(t, one, third)
	for _, code := range []string{"1", "2", "3"} {
		page, err := other.Search(t.Context(), projections.Query{Tenant: "main", Type: "Observation", Limit: 5, Clauses: []projections.Clause{
			{Param: "identifier", Kind: projections.Token, Values: []projections.Value{{AnySystem: true, Code: code}}},
		}})
		if err != nil || len(page.Versions) != 1 {
			t.Errorf("identifier %s: got %d versions, %v, want 1", code, len(page.Versions), err)
		}
	}
}

func TestAFailedCommitLeavesNothingAndTheNextOneWorks(t *testing.T) {
	c := config(t)
	index := open(t, c).Live()
	f := newFeeder(0)
	mustCommit(t, index, f.commit(3))
	good := f.commit(3)
	bad := good
	bad.Rows = append([]projections.Row(nil), good.Rows...)
	bad.Rows[2].ID = "a\x00b" // which no column of text holds
	if err := index.Commit(t.Context(), bad); err == nil {
		t.Fatal("an id with a NUL was stored")
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := index.Commit(ended, good); events.KindOf(err) != events.Transient {
		t.Errorf("a call that had ended: got %v, want kind transient", err)
	}
	if got := total(t, index, 0); got != 3 {
		t.Errorf("%d resources, want 3", got)
	}
	mustCommit(t, index, good)
	if got := total(t, index, 0); got != 6 {
		t.Errorf("%d resources, want 6", got)
	}
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
	if _, err := Open(t.Context(), c, true); events.KindOf(err) != events.Invalid || !strings.Contains(err.Error(), "does not exist") {
		t.Errorf("a database that is not there: got %v, want kind invalid", err)
	}
	for code, want := range map[string]events.Kind{"28P01": events.Invalid, "28000": events.Invalid, "42501": events.Invalid, "57P03": events.Transient, "53300": events.Transient} {
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
	for code, want := range map[string]bool{"25006": true, "57P01": true, "57P02": true, "57P03": true, "57P05": true, "08006": true, "57014": false, "23505": false, "53100": false, "40001": false, "": false} {
		if got := spoils(&pgconn.PgError{Code: code, SeverityUnlocalized: "ERROR"}); got != want {
			t.Errorf("%q: got %v, want %v", code, got, want)
		}
	}
	if !spoils(&pgconn.PgError{Code: "25P03", SeverityUnlocalized: "FATAL"}) {
		t.Error("a connection that the server has ended is used again")
	}
}

func TestWhatWasRemovedFromAGenerationIsTold(t *testing.T) {
	g := open(t, config(t))
	mustCommit(t, g.Live(), newFeeder(0).commit(3))
	tables := g.tables(1)
	for name, c := range map[string]struct{ change, back, want string }{
		"an index":       {"drop index %term_key", "create index term_key on %term (key, sort, ref)", "the index %term_key"},
		"an invalid one": {"update pg_index set indisvalid = false where indexrelid = '%span_key'::regclass", "update pg_index set indisvalid = true where indexrelid = '%span_key'::regclass", "the index %span_key"},
		"a primary key":  {"alter table %outcome drop constraint outcome_pkey", "alter table %outcome add primary key (event)", "the primary key of %outcome"},
		"a table":        {"drop table %claim", "create table %claim (name text primary key)", "the table %claim"},
	} {
		lacks := func() []string {
			t.Helper()
			audit, err := g.Live().Audit(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			return audit.Lacks
		}
		exec := func(sql string) {
			t.Helper()
			if _, err := g.work.Exec(t.Context(), strings.ReplaceAll(sql, "%", tables)); err != nil {
				t.Fatal(err)
			}
		}
		exec(c.change)
		if got, want := lacks(), strings.ReplaceAll(c.want, "%", tables); len(got) != 1 || got[0] != want {
			t.Errorf("%s: it lacks %q, want %q", name, got, want)
		}
		exec(c.back)
		if got := lacks(); len(got) > 0 {
			t.Errorf("%s: when it is back it lacks %q", name, got)
		}
	}
}

// blocked holds a lock on a table, so that everybody who reads it waits.
func blocked(t *testing.T, g *Generations, c Config, table string) (release func()) {
	t.Helper()
	tx, err := admin(t, c).Begin(t.Context())
	if err == nil {
		_, err = tx.Exec(t.Context(), "lock table "+g.tables(1)+table+" in access exclusive mode")
	}
	if err != nil {
		t.Fatal(err)
	}
	return func() { _ = tx.Rollback(context.Background()) }
}

func TestASearchThatTakesTooLongIsTooCostlyAndKeepsNoCommitWaiting(t *testing.T) {
	c := config(t)
	c.SearchTimeout = 300 * time.Millisecond
	c.Connections = leastConnections
	g := open(t, c)
	index := g.Live()
	f := newFeeder(0)
	mustCommit(t, index, f.commit(2))
	release := blocked(t, g, c, "counter")
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			_, err := index.Search(t.Context(), projections.Query{Tenant: "main", Type: "Observation", Limit: 10})
			if kind := events.KindOf(err); kind != events.TooCostly && kind != events.Transient {
				t.Errorf("got %v, want kind too costly, or transient for one that found no connection", err)
			}
		})
	}
	if _, err := index.Current(t.Context(), []projections.Key{{Tenant: "main", Type: "Observation", ID: "x"}}); err != nil {
		t.Errorf("Current meanwhile: %v", err)
	}
	group.Wait()
	if _, err := index.Search(t.Context(), projections.Query{Tenant: "main", Type: "Observation", Limit: 10}); events.KindOf(err) != events.TooCostly {
		t.Errorf("got %v, want kind too costly", err)
	}
	patient := make(chan error, 1)
	go func() {
		_, err := index.Search(t.Context(), projections.Query{Tenant: "main", Type: "Observation", Limit: 10, Patient: true})
		patient <- err
	}()
	select {
	case err := <-patient:
		release()
		t.Fatalf("a search without a limit of time ended before it could: %v", err)
	case <-time.After(3 * c.SearchTimeout):
	}
	release()
	if err := <-patient; err != nil {
		t.Errorf("a search without a limit of time: %v", err)
	}
	if got := total(t, index, 0); got != 2 {
		t.Errorf("%d resources, want 2", got)
	}
}

func TestACallThatEndsEndsItsStatementAndKeepsTheConnection(t *testing.T) {
	c := config(t)
	g := open(t, c)
	index := g.Live()
	mustCommit(t, index, newFeeder(0).commit(2))
	total(t, index, 0)
	before := g.searches.Stat().NewConnsCount()
	release := blocked(t, g, c, "counter")
	defer release()
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(100*time.Millisecond, cancel)
	if _, err := index.Search(ctx, projections.Query{Tenant: "main", Type: "Observation", Limit: 10}); events.KindOf(err) != events.Transient {
		t.Errorf("got %v, want kind transient", err)
	}
	release()
	total(t, index, 0)
	if after := g.searches.Stat().NewConnsCount(); after != before {
		t.Errorf("%d connections were made anew", after-before)
	}
}

func TestAWatcherHearsOfOtherNodesAndListensAgainAfterItsConnectionIsLost(t *testing.T) {
	c, name := named(config(t))
	watching := open(t, c)
	plain := c
	plain.URL = strings.TrimSuffix(c.URL, "&application_name="+name)
	projector := open(t, plain).Live()
	ctx, cancel := context.WithCancel(t.Context())
	progressed := make(chan struct{}, 1000)
	ended := make(chan error, 1)
	go func() { ended <- watching.Watch(ctx, func() { progressed <- struct{}{} }) }()
	wait := func(what string) {
		t.Helper()
		select {
		case <-progressed:
		case <-time.After(20 * time.Second):
			t.Fatalf("nothing was heard of %s", what)
		}
	}
	drain := func() {
		for {
			select {
			case <-progressed:
			case <-time.After(300 * time.Millisecond):
				return
			}
		}
	}
	wait("the beginning")
	f := newFeeder(0)
	for range 3 {
		drain()
		mustCommit(t, projector, f.commit(1))
		wait("a commit")
	}
	drain()
	terminate(t, plain, "application_name = $1 and query ilike 'listen%'", name)
	wait("the new beginning")
	drain()
	mustCommit(t, projector, f.commit(1))
	wait("a commit after the connection was lost")
	drain()
	b := mustBuild(t, open(t, plain), "second")
	if err := b.Switch(t.Context()); err != nil {
		t.Fatal(err)
	}
	wait("a switch")
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("Watch ended with %v", err)
	}
}

func TestAListenerThatHearsNothingMakesSureOfItsConnection(t *testing.T) {
	c := config(t)
	g := open(t, c)
	conn, err := pgx.ConnectConfig(t.Context(), g.listening.Copy())
	if err != nil {
		t.Fatal(err)
	}
	defer closeSoon(t.Context(), conn)
	if _, err := conn.Exec(t.Context(), "listen "+c.Schema); err != nil {
		t.Fatal(err)
	}
	heard := 0
	for range 3 {
		if err := g.hear(t.Context(), conn, 20*time.Millisecond, func() { heard++ }); err != nil || heard != 0 {
			t.Fatalf("heard %d, %v, want silence", heard, err)
		}
	}
	mustCommit(t, g.Live(), newFeeder(0).commit(1))
	if err := g.hear(t.Context(), conn, 20*time.Second, func() { heard++ }); err != nil || heard != 1 {
		t.Fatalf("heard %d, %v, want one commit", heard, err)
	}
	terminate(t, c, "pid = $1", conn.PgConn().PID())
	if err := g.hear(t.Context(), conn, 20*time.Millisecond, func() { heard++ }); err == nil {
		t.Error("a lost connection was not noticed")
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
			t.Errorf("a connection is used for %v and up to %v, want at most %v, and not all of them replaced at once", c.MaxConnLifetime, c.MaxConnLifetimeJitter, lifeTime)
		}
	}
}
