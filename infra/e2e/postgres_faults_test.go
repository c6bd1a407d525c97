//go:build faults

package e2e

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// statements runs statements on the test server's main database, one after the other.
func statements(ctx context.Context, t *testing.T, address string, list ...string) {
	t.Helper()
	conn, err := pgx.Connect(ctx, address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	for _, sql := range list {
		if _, err := conn.Exec(ctx, sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
}

// ownDatabase makes a database for one test, which may change its settings, and puts it into the environment in place of the main one.
func ownDatabase(t *testing.T, env []string) (main, name string) {
	t.Helper()
	name = "e2e_" + strings.ReplaceAll(uuid.NewString(), "-", "")
	at := slices.IndexFunc(env, func(v string) bool { return strings.HasPrefix(v, "BINNACLE_POSTGRES_URL=") })
	main = strings.TrimPrefix(env[at], "BINNACLE_POSTGRES_URL=")
	own, err := url.Parse(main)
	if err != nil {
		t.Fatal(err)
	}
	own.Path = "/" + name
	env[at] = "BINNACLE_POSTGRES_URL=" + own.String()
	statements(t.Context(), t, main, "create database "+name)
	t.Cleanup(func() { statements(context.Background(), t, main, "drop database "+name+" with (force)") })
	return main, name
}

func TestAPostgresThatIsReadOnlyForAWhileIsToldAndUsedAgain(t *testing.T) {
	env := needs(t)
	main, database := ownDatabase(t, env)
	i := newInstallation(t, plain, "distributed", env)
	n := i.start()
	id := n.do(http.StatusCreated, "POST", "/Patient", `{"resourceType":"Patient"}`).id(t)

	terminate := fmt.Sprintf("select pg_terminate_backend(pid, 5000) from pg_stat_activity where datname = '%s'", database)
	statements(t.Context(), t, main, "alter database "+database+" set default_transaction_read_only = on", terminate)
	n.await(20*time.Second, "not ready", func() bool { return n.probe("/health/ready") == http.StatusServiceUnavailable })
	if health, err := send(n.root+"/health/ready", http.MethodGet, ""); err != nil || !strings.Contains(string(health.body), "Postgres is read-only") {
		t.Errorf("%s %v: want the health answer to name what is wrong", health.body, err)
	}
	for range 20 {
		r := n.do(http.StatusServiceUnavailable, "POST", "/Basic", `{"resourceType":"Basic"}`)
		if r.header.Get("Retry-After") == "" || !strings.Contains(string(r.body), "nothing was written") || !strings.Contains(string(r.body), "read-only") {
			t.Fatalf("%v %s: want Retry-After, and what is wrong", r.header, r.body)
		}
	}
	n.do(http.StatusOK, "GET", "/Patient/"+id, "")

	statements(t.Context(), t, main, "alter database "+database+" reset default_transaction_read_only")
	n.awaitReady(20 * time.Second)
	for range 20 { // in whatever session
		n.do(http.StatusCreated, "POST", "/Patient", `{"resourceType":"Patient"}`)
	}
	if got := n.found("Basic"); len(got) != 0 {
		t.Errorf("%d of the refused writes took effect", len(got))
	}
}
