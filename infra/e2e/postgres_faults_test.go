//go:build faults

package e2e

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"binnacle/projections/index/postgres/postgrestest"
)

func TestAPostgresThatIsReadOnlyForAWhileIsToldAndUsedAgain(t *testing.T) {
	env := needs(t)
	at := slices.IndexFunc(env, func(v string) bool { return strings.HasPrefix(v, "BINNACLE_POSTGRES_URL=") })
	database := postgrestest.New(t, strings.TrimPrefix(env[at], "BINNACLE_POSTGRES_URL="))
	env[at] = "BINNACLE_POSTGRES_URL=" + database.URL
	i := newInstallation(t, plain, "distributed", env)
	n := i.start()
	id := n.do(http.StatusCreated, "POST", "/Patient", `{"resourceType":"Patient"}`).id(t)

	database.Alter("set default_transaction_read_only = on")
	database.Terminate()
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

	database.Alter("reset default_transaction_read_only")
	n.awaitReady(20 * time.Second)
	for range 20 { // in whatever session
		n.do(http.StatusCreated, "POST", "/Patient", `{"resourceType":"Patient"}`)
	}
	if got := n.found("Basic"); len(got) != 0 {
		t.Errorf("%d of the refused writes took effect", len(got))
	}
}
