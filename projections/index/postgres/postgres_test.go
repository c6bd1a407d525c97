package postgres

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"testing"
)

// config reaches the test server, with schemas of its own that are dropped at the end of the test.
func config(t testing.TB) Config {
	t.Helper()
	url := os.Getenv("BINNACLE_POSTGRES_URL")
	if url == "" {
		t.Fatal("BINNACLE_POSTGRES_URL is not set: run `./task test`, or `./task servers:up` and source .servers/env")
	}
	c := Config{
		URL: url, Schema: fmt.Sprintf("test_index_%016x", rand.Uint64()), Connections: 6, Catalog: "catalog-1",
		Logger: slog.New(slog.DiscardHandler),
	}
	t.Cleanup(func() {
		if err := Drop(context.Background(), c); err != nil {
			t.Errorf("the schemas of the test stay behind: %v", err)
		}
	})
	return c
}

func open(t testing.TB, c Config) *Generations {
	t.Helper()
	g, err := Open(t.Context(), c, true)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = g.Close() })
	return g
}
