//go:build faults

package e2e

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"binnacle/infra/servers"
)

func TestAServerThatIsAwayStopsWritesInBoundedTimeAndAllRecovers(t *testing.T) {
	cluster, err := servers.OpenPrivate(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cluster.Purge(context.Background()); err != nil {
			t.Error(err)
		}
	})
	if err := cluster.Up(t.Context(), func(line string) { t.Log(line) }); err != nil {
		t.Fatal(err)
	}
	var env []string
	for name, value := range cluster.Env() {
		env = append(env, name+"="+value)
	}
	i := newInstallation(t, watched, "distributed", env)
	n := i.start()
	patient := n.do(http.StatusCreated, "POST", "/Patient", `{"resourceType":"Patient"}`).id(t)
	for _, name := range []string{"kafka", "cassandra", "postgres"} {
		t.Run(name, func(t *testing.T) {
			if err := cluster.Stop(t.Context(), name, true); err != nil {
				t.Fatal(err)
			}
			n.await(bound, "not ready", func() bool { return n.probe("/health/ready") == http.StatusServiceUnavailable })
			if got := n.probe("/health/live"); got != http.StatusOK {
				t.Errorf("live answers %d while %s is away", got, name)
			}
			if got := n.probe("/health"); got != http.StatusServiceUnavailable {
				t.Errorf("/health answers %d while %s is away", got, name)
			}
			for range 3 {
				r, err := n.try("POST", "/Patient", `{"resourceType":"Patient","active":true}`)
				if err != nil {
					t.Fatalf("a write was not answered while %s is away: %v", name, err)
				}
				if r.status != http.StatusServiceUnavailable && r.status != http.StatusGatewayTimeout {
					t.Errorf("a write answers %d while %s is away: %s", r.status, name, r.body)
				}
				if name == "kafka" && r.status != http.StatusServiceUnavailable {
					t.Errorf("a write answers %d although Kafka is known to be away: %s", r.status, r.body)
				}
				if r.status == http.StatusServiceUnavailable && r.header.Get("Retry-After") == "" {
					t.Errorf("503 without Retry-After while %s is away", name)
				}
			}
			another := i.launch(freeAddress(t), "--start-wait", "3m")
			another.await(bound, "patient", func() bool { return strings.Contains(another.output.String(), "can't start yet") })
			if err := cluster.Start(t.Context(), name); err != nil {
				t.Fatal(err)
			}
			n.awaitReady(bound)
			n.await(bound, "writable", func() bool {
				r, err := n.try("POST", "/Patient", `{"resourceType":"Patient","active":false}`)
				return err == nil && r.status == http.StatusCreated
			})
			n.do(http.StatusOK, "GET", "/Patient/"+patient, "")
			another.awaitReady(bound)
			another.do(http.StatusOK, "GET", "/Patient/"+patient, "")
			another.stop()
		})
	}
	if out, err := i.command(t.Context(), "verify", "--repair").CombinedOutput(); err != nil {
		t.Errorf("verify: %v\n%s", err, out)
	}
}
