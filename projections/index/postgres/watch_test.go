package postgres

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

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
