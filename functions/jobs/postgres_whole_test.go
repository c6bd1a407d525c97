//go:build whole

package jobs_test

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"testing"

	"binnacle/projections"
	"binnacle/projections/index/postgres"
)

func TestNodesShareTheirJobsInPostgres(t *testing.T) {
	url := os.Getenv("BINNACLE_POSTGRES_URL")
	if url == "" {
		t.Fatal("BINNACLE_POSTGRES_URL is not set: run `./task test`, or `./task servers:up` and source .servers/env")
	}
	memosOf = func(t *testing.T) projections.Memos {
		t.Helper()
		config := postgres.Config{URL: url, Schema: fmt.Sprintf("test_jobs_%016x", rand.Uint64()), Connections: 6,
			Catalog: "c", Logger: slog.New(slog.DiscardHandler)}
		t.Cleanup(func() {
			if err := postgres.Drop(context.Background(), config); err != nil {
				t.Errorf("the schemas of the test stay behind: %v", err)
			}
		})
		generations, err := postgres.Open(t.Context(), config, true)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = generations.Close() })
		return generations.Memos()
	}
	defer func() { memosOf = inSQLite }()
	for name, test := range map[string]func(*testing.T){
		"chunks": TestBodiesAndAnswersOfManyChunksComeBackAsTheyWere, "places": TestATenantHasSoManyOpenJobsAndNoTenantAllPlaces,
		"takeover": TestAnotherNodeGoesOnWithAJobAndItsFirstNodeCanKeepNothing, "stop": TestANodeThatStopsGivesItsJobsBack,
		"cancel": TestACanceledJobEndsOnWhicheverNode, "kept": TestNoRequestIsTakenThatIsNotKept,
	} {
		t.Run(name, test)
	}
}
