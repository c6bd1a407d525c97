//go:build faults

package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"

	"binnacle/infra/servers"
)

// cluster is a set of servers of a test's own, with a proxy on each way to them.
type cluster struct {
	*servers.Cluster
	folder  string
	proxies map[string]*toxiproxy.Proxy // by the server's name
}

// startCluster starts servers that end with the test.
func startCluster(t *testing.T, shape servers.Shape) *cluster {
	t.Helper()
	shape.Proxied = true
	folder := t.TempDir()
	set, err := servers.OpenShape(folder, shape)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := set.Purge(context.Background()); err != nil {
			t.Error(err)
		}
	})
	if err := set.Up(t.Context(), func(line string) { t.Log(line) }); err != nil {
		t.Fatal(err)
	}
	links, err := set.Links()
	if err != nil {
		t.Fatal(err)
	}
	c := &cluster{Cluster: set, folder: folder, proxies: map[string]*toxiproxy.Proxy{}}
	quiet := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	for _, link := range links {
		proxy := toxiproxy.NewProxy(quiet, link.Server, link.Listen, link.Target)
		if err := proxy.Start(); err != nil {
			t.Fatalf("the proxy before %s: %v", link.Server, err)
		}
		t.Cleanup(proxy.Stop)
		c.proxies[link.Server] = proxy
	}
	return c
}

// env is what a node needs to reach the servers and to make storage that survives the loss of one node of each kind.
func (c *cluster) env() []string {
	env := []string{"BINNACLE_KAFKA_REPLICATION=3", "BINNACLE_KAFKA_MIN_IN_SYNC=2", "BINNACLE_CASSANDRA_REPLICATION=SimpleStrategy:2",
		"BINNACLE_CASSANDRA_READ_CONSISTENCY=ONE", "BINNACLE_CASSANDRA_WRITE_CONSISTENCY=ONE"}
	for name, value := range c.Env() {
		env = append(env, name+"="+value)
	}
	return env
}

// cut closes all connections to a server and lets no new one through until heal.
func (c *cluster) cut(server string) { c.proxies[server].Stop() }

func (c *cluster) heal(server string) error { return c.proxies[server].Start() }

// slow delays everything that a server answers, by so many milliseconds more or less; quick ends that.
func (c *cluster) slow(server string, milliseconds int) error {
	_, err := c.proxies[server].Toxics.AddToxicJson(strings.NewReader(
		fmt.Sprintf(`{"name":"slow","type":"latency","attributes":{"latency":%d,"jitter":%d}}`, milliseconds, milliseconds/2)))
	return err
}

func (c *cluster) quick(ctx context.Context, server string) error {
	return c.proxies[server].Toxics.RemoveToxic(ctx, "slow")
}

// keepLogs copies what the servers have logged to the evidence of a failed test, before they are purged.
func (c *cluster) keepLogs(t *testing.T, evidence string) {
	t.Cleanup(func() {
		if t.Failed() {
			if err := os.CopyFS(filepath.Join(evidence, "servers"), os.DirFS(filepath.Join(c.folder, "logs"))); err != nil {
				t.Log(err)
			}
		}
	})
}
