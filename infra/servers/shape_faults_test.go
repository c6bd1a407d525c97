//go:build faults

package servers

import (
	"context"
	"maps"
	"net"
	"slices"
	"strings"
	"testing"
)

func TestSeveralNodesKnowEachOtherAndComeBackAfterACrash(t *testing.T) {
	ctx := context.Background()
	c, err := OpenShape(t.TempDir(), Shape{Kafka: 3, Cassandra: 2, Postgres: 1, Proxied: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Purge(ctx); err != nil {
			t.Errorf("purge: %v", err)
		}
	})
	if err := c.Up(ctx, func(line string) { t.Log(line) }); err != nil {
		t.Fatal(err)
	}
	env := c.Env()
	if brokers := strings.Split(env["BINNACLE_KAFKA_BROKERS"], ","); len(brokers) != 3 {
		t.Errorf("the brokers are %v, want three", brokers)
	}
	hosts := strings.Split(env["BINNACLE_CASSANDRA_HOSTS"], ",")
	if len(hosts) != 2 || !strings.HasPrefix(hosts[0], "127.0.0.1:") || strings.Replace(hosts[0], "127.0.0.1", "127.0.0.2", 1) != hosts[1] {
		t.Errorf("the Cassandra nodes are %v, want 127.0.0.1 and 127.0.0.2 with the same port", hosts)
	}
	links, err := c.Links()
	if err != nil {
		t.Fatal(err)
	}
	told := slices.Concat(strings.Split(env["BINNACLE_KAFKA_BROKERS"], ","), hosts)
	for _, link := range links {
		if !slices.Contains(told, link.Listen) && !strings.Contains(env["BINNACLE_POSTGRES_URL"], link.Listen) {
			t.Errorf("the link %+v leads from an address that clients are not told", link)
		}
		if conn, err := net.Dial("tcp", link.Listen); err == nil {
			_ = conn.Close() // nothing was said
			t.Errorf("somebody listens on %s, where the test's proxy should", link.Listen)
		}
	}
	if len(links) != 6 {
		t.Errorf("%d links, want one for each of 6 servers", len(links))
	}
	for _, name := range []string{"kafka-2", "cassandra-2"} {
		if err := c.Stop(ctx, name, true); err != nil {
			t.Fatal(err)
		}
		if got := readyServers(t, c); slices.Contains(got, name) || len(got) != 5 {
			t.Errorf("without %s these are ready: %v", name, got)
		}
		if err := c.Start(ctx, name); err != nil {
			t.Fatal(err)
		}
	}
	if got := readyServers(t, c); len(got) != 6 {
		t.Errorf("ready are %v, want all six", got)
	}
	if again := c.Env(); !maps.Equal(again, env) {
		t.Errorf("the addresses were %v and are %v", env, again)
	}
}

func readyServers(t *testing.T, c *Cluster) (names []string) {
	t.Helper()
	list, err := c.Status(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range list {
		if s.Ready {
			names = append(names, s.Name)
		}
	}
	return names
}
