package cassandra

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gocql/gocql"

	"binnacle/events"
	"binnacle/projections"
	"binnacle/projections/projectionstest"
)

// ensure is [settings.ensure] with a configuration that was not checked.
func ensure(ctx context.Context, config Config, create bool) error {
	s, err := config.check()
	if err != nil {
		return err
	}
	_, err = s.ensure(ctx, create)
	return err
}

// config reaches the test server, with a keyspace of its own that is dropped at the end of the test.
func config(t testing.TB) Config {
	t.Helper()
	hosts := os.Getenv("BINNACLE_CASSANDRA_HOSTS")
	if hosts == "" {
		t.Fatal("BINNACLE_CASSANDRA_HOSTS is not set: run `./task test`, or `./task servers:up` and source .servers/env")
	}
	c := Config{
		Hosts:    strings.Split(hosts, ","),
		Keyspace: fmt.Sprintf("test_blobs_%016x", rand.Uint64()),
		Timeout:  10 * time.Second, // the test server is one small node, shared
		Logger:   slog.New(slog.DiscardHandler),
	}
	t.Cleanup(func() {
		if err := Drop(context.Background(), c); err != nil {
			t.Errorf("the keyspace of the test stays behind: %v", err)
		}
	})
	return c
}

func open(t testing.TB, c Config) *Blobs {
	t.Helper()
	store, err := Open(t.Context(), c, true)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	return store
}

func blob(content string) projections.Blob {
	return projections.Blob{Hash: sha256.Sum256([]byte(content)), Content: []byte(content)}
}

func TestCassandraKeepsTheContractOfBlobs(t *testing.T) {
	c := config(t)
	projectionstest.Blobs(t, func(t *testing.T) projections.Blobs {
		store := open(t, c)
		if err := store.sessions.get().Query(fmt.Sprintf(`TRUNCATE %q.%s`, c.Keyspace, table)).WithContext(
			t.Context()).Exec(); err != nil {
			t.Fatal(err)
		}
		return store
	})
}

func TestAMissingTableIsToldWithWhatToDoAndMadeWhenAsked(t *testing.T) {
	c := config(t)
	_, err := Open(t.Context(), c, false)
	if events.KindOf(err) != events.Invalid || !strings.Contains(err.Error(), "binnacle init") ||
		!strings.Contains(err.Error(), c.Keyspace) {
		t.Fatalf("got %v, want a refusal of kind invalid that names the keyspace and `binnacle init`", err)
	}
	for range 2 {
		if err := ensure(t.Context(), c, true); err != nil {
			t.Fatal(err)
		}
	}
	if err := ensure(t.Context(), c, false); err != nil {
		t.Fatalf("after it was made: %v", err)
	}
}

func TestAKeyspaceThatIsGoneIsNotReady(t *testing.T) {
	c := config(t)
	store := open(t, c)
	if err := store.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := Drop(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if err := store.Ready(t.Context()); events.KindOf(err) != events.Transient ||
		!strings.Contains(err.Error(), "binnacle init") {
		t.Errorf("got %v, want kind transient and what to do", err)
	}
	if err := ensure(t.Context(), c, true); err != nil {
		t.Fatal(err)
	}
	if err := store.Ready(t.Context()); err != nil {
		t.Errorf("after it was made again: %v", err)
	}
	content := blob("x")
	if err := store.Put(t.Context(), []projections.Blob{content}); err != nil {
		t.Errorf("a write after it was made again: %v", err)
	}
}

func TestATableOfOtherColumnsIsRefused(t *testing.T) {
	c := config(t)
	store := open(t, c)
	for _, statement := range []string{`DROP TABLE %q.%s`, `CREATE TABLE %q.%s (hash blob PRIMARY KEY, body text)`} {
		if err := store.sessions.get().Query(fmt.Sprintf(statement, c.Keyspace, table)).Exec(); err != nil {
			t.Fatal(err)
		}
	}
	if err := ensure(t.Context(), c, true); events.KindOf(err) != events.Invalid ||
		!strings.Contains(err.Error(), "columns") {
		t.Errorf("got %v, want a refusal that tells the columns", err)
	}
}

func TestAShortDocumentStandsInTheTableAsItIs(t *testing.T) {
	c := config(t)
	store := open(t, c)
	one := blob(`{"resourceType":"Patient","id":"1"}`)
	if err := store.Put(t.Context(), []projections.Blob{one}); err != nil {
		t.Fatal(err)
	}
	var content []byte
	if err := store.sessions.get().Query(fmt.Sprintf(`SELECT content FROM %q.resources WHERE hash = ?`, c.Keyspace),
		hex.EncodeToString(one.Hash[:])).Scan(&content); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(content, one.Content) {
		t.Errorf("got %q, want %q", content, one.Content)
	}
}

func TestRowsGoOutTogetherUpToWhatANodeTakesWithoutAWarning(t *testing.T) {
	sized := func(sizes ...int) []row {
		rows := make([]row, len(sizes))
		for i, size := range sizes {
			rows[i].content = make([]byte, size)
		}
		return rows
	}
	for _, c := range []struct {
		rows []row
		want []int
	}{
		{nil, nil},
		{sized(1), []int{1}},
		{sized(make([]int, 2*batchRows+1)...), []int{batchRows, batchRows, 1}},
		{sized(batchBytes, 1, batchBytes/2, batchBytes/2, 1, 10*batchBytes), []int{1, 2, 2, 1}},
	} {
		var got []int
		for _, batch := range batches(c.rows) {
			got = append(got, len(batch))
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%d rows go out as %v, want %v", len(c.rows), got, c.want)
		}
	}
}

func TestADamagedBlobIsMissingUntilItIsPutAgain(t *testing.T) {
	store := open(t, config(t))
	one := blob(strings.Repeat("soon to be damaged ", 1000))
	put := func() {
		if err := store.Put(t.Context(), []projections.Blob{one}); err != nil {
			t.Fatal(err)
		}
	}
	get := func() []byte {
		contents, err := store.Get(t.Context(), []events.Hash{one.Hash})
		if err != nil {
			t.Fatal(err)
		}
		return contents[0]
	}
	put()
	if err := store.sessions.get().Query(store.insert, hex.EncodeToString(one.Hash[:]),
		[]byte("other bytes")).Exec(); err != nil {
		t.Fatal(err)
	}
	if got := get(); got != nil {
		t.Errorf("got %q, want nil", got)
	}
	put()
	if got := get(); !bytes.Equal(got, one.Content) {
		t.Errorf("after it was put again: got %d bytes, want %d", len(got), len(one.Content))
	}
}

func TestARowThatIsNotOfABlobIsPassedOver(t *testing.T) {
	store := open(t, config(t))
	one := blob("a blob")
	if err := store.Put(t.Context(), []projections.Blob{one}); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"x", "not a hash", strings.ToUpper(hex.EncodeToString(one.Hash[:])),
		hex.EncodeToString(one.Hash[:]) + "00", strings.Repeat("é", 40)} {
		if err := store.sessions.get().Query(store.insert, key, []byte("?")).Exec(); err != nil {
			t.Fatal(err)
		}
	}
	var seen []events.Hash
	if err := store.Each(t.Context(),
		func(hash events.Hash) error { seen = append(seen, hash); return nil }); err != nil {
		t.Fatal(err)
	}
	if len(seen) != 1 || seen[0] != one.Hash {
		t.Errorf("got %x, want the one hash %x", seen, one.Hash)
	}
}

func TestABlobThatIsTooLargeIsRefusedWithWhatToDo(t *testing.T) {
	noise := noiseOf(3 << 20)
	c := config(t)
	c.LargestBlob = 2 << 20
	store := open(t, c)
	err := store.Put(t.Context(), []projections.Blob{{Hash: sha256.Sum256(noise), Content: noise}})
	if events.KindOf(err) != events.TooLarge {
		t.Errorf("got %v, want a refusal of kind too large", err)
	}
	small := blob("small")
	if err := store.Put(t.Context(), []projections.Blob{small}); err != nil {
		t.Errorf("a small blob afterwards: %v", err)
	}
}

func noiseOf(size int) []byte {
	noise := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{byte(size)}).Read(noise) // never fails
	return noise
}

// TestWhatIsTooLargeForARowStandsInPieces: it is one blob to everybody, and a miss when a piece is missing.
func TestWhatIsTooLargeForARowStandsInPieces(t *testing.T) {
	store := open(t, config(t))
	noise := noiseOf(64 << 20)
	large, small := projections.Blob{Hash: sha256.Sum256(noise), Content: noise}, blob("small")
	mark := blob(string([]byte{piecesMark, 3})) // a content that looks as if it told of pieces
	hashes := []events.Hash{small.Hash, large.Hash, mark.Hash}
	if err := store.Put(t.Context(), []projections.Blob{small, large, mark}); err != nil {
		t.Fatal(err)
	}
	check := func(when string, there bool) {
		t.Helper()
		contents, err := store.Get(t.Context(), hashes)
		if err != nil || string(contents[0]) != "small" || !bytes.Equal(contents[2], mark.Content) ||
			(contents[1] != nil) != there || there && !bytes.Equal(contents[1], noise) {
			t.Errorf("%s: got %d bytes, %v", when, len(contents[1]), err)
		}
	}
	check("stored", true)
	seen := map[events.Hash]int{}
	if err := store.Each(t.Context(), func(hash events.Hash) error { seen[hash]++; return nil }); err != nil {
		t.Fatal(err)
	}
	if len(seen) != 3 || seen[large.Hash] != 1 {
		t.Errorf("Each visits %v", seen)
	}
	key := hex.EncodeToString(large.Hash[:])
	if err := store.sessions.get().Query(store.remove, pieceKey(key, 5)).Exec(); err != nil {
		t.Fatal(err)
	}
	check("without a piece", false)
	if err := store.Put(t.Context(), []projections.Blob{large}); err != nil {
		t.Fatal(err)
	}
	check("put again", true)
	if err := store.Delete(t.Context(), hashes[1:2]); err != nil {
		t.Fatal(err)
	}
	check("deleted", false)
	var rows int
	if err := store.sessions.get().Query(fmt.Sprintf(`SELECT COUNT(*) FROM %q.%s`, store.Keyspace, table)).Scan(
		&rows); err != nil || rows != 2 {
		t.Errorf("%d rows are left (%v), want those of two blobs", rows, err)
	}
}

func TestNoNodeIsTransientAndBounded(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	c := Config{Hosts: []string{"127.0.0.1:1"}, Keyspace: "nowhere", Timeout: 50 * time.Millisecond,
		Logger: slog.New(slog.DiscardHandler)}
	_, err := Open(ctx, c, true)
	if events.KindOf(err) != events.Transient || ctx.Err() != nil {
		t.Errorf("got %v, want an error of kind transient in bounded time", err)
	}
	if err == nil || !strings.Contains(err.Error(), "127.0.0.1:1") {
		t.Errorf("got %v, want the address in it", err)
	}
}

func TestErrorsOfTheClientAreClassified(t *testing.T) {
	for _, c := range []struct {
		err  error
		want events.Kind
	}{
		{context.Canceled, events.Transient},
		{fmt.Errorf("wrapped: %w", context.DeadlineExceeded), events.Transient},
		{gocql.ErrNoConnections, events.Transient},
		{gocql.ErrTimeoutNoResponse, events.Transient},
		{gocql.ErrConnectionClosed, events.Transient},
		{gocql.ErrSessionClosed, events.Transient},
		{gocql.ErrFrameTooBig, events.TooLarge},
		{errors.New("write tcp: broken pipe"), events.Transient},
		{events.Errorf(events.TooLarge, "x", "stays"), events.TooLarge},
	} {
		if got := events.KindOf(classify("op", c.err)); got != c.want {
			t.Errorf("%v: got %v, want %v", c.err, got, c.want)
		}
	}
	if classify("op", nil) != nil {
		t.Error("nil became an error")
	}
}
