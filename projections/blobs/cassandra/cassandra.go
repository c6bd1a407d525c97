// Package cassandra keeps blobs in Apache Cassandra (5.0 or later), in the table resources(hash text PRIMARY KEY,
// content blob) of a keyspace. The hash stands there as 64 lower-case hexadecimal digits; content is the document
// itself, or one zstd frame when it is long (package packed). What is larger than a row may be stands in several
// (pieces.go).
//
// It promises bounded time: each request is tried again, with growing pauses, until four times the configured timeout
// has passed; then it fails as transient. It promises bounded load: no more than the configured number of reads, and of
// writes, is in flight. Nodes that go and come back are left out and found again without a restart; a session of the
// client that does not find them any more is replaced. With Cassandra's
// periodic commit log a node that dies may lose blobs that it acknowledged; the log heals them.
package cassandra

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync/atomic"
	"time"

	"github.com/gocql/gocql"
	"golang.org/x/sync/errgroup"

	"binnacle/events"
	"binnacle/projections"
	"binnacle/projections/blobs/packed"
)

var _ projections.Blobs = (*Blobs)(nil)

const (
	// compressFrom is the size in bytes from which content is compressed here and not by the node: bytes are what fills
	// its commit log and its heap, and a batch takes more documents that are short (ADR 4).
	compressFrom = 512
	// batchRows and batchBytes bound what is inserted with one request. They are those from which on a node as it comes
	// warns of a batch (unlogged_batch_across_partitions_warn_threshold, batch_size_warn_threshold).
	batchRows  = 10
	batchBytes = 5 << 10
	// rowBytes is what a row counts in a batch beside its content.
	rowBytes = 100
	// getChunk is the number of hashes that one statement asks for.
	getChunk = 10
	// eachPage is the number of hashes that one request of Each reads at the most.
	eachPage = 5_000
)

// Blobs is a store in a keyspace.
type Blobs struct {
	*settings
	sessions *sessions
	codec    *packed.Codec
	reads    chan struct{} // a place for each read in flight
	writes   chan struct{} // and for each write
	cores    chan struct{} // and for each content that is being packed
	spare    gocql.SpeculativeExecutionPolicy

	insert, selectIn, selectPage, remove string
}

// Open connects. Before that it sees that the keyspace and the table are there, and makes them when create is true: run
// one such call at a time.
func Open(ctx context.Context, config Config, create bool) (*Blobs, error) {
	s, err := config.check()
	if err != nil {
		return nil, err
	}
	codec, err := packed.NewCodec(packed.Zstd, compressFrom)
	if err != nil {
		return nil, err
	}
	datacenter, err := s.ensure(ctx, create)
	if err != nil {
		return nil, err
	}
	sessions, err := openSessions(ctx, s.Logger, func(ctx context.Context) (*gocql.Session, error) {
		return s.connect(ctx, "cassandra.Open", s.Keyspace, datacenter, s.Timeout)
	})
	if err != nil {
		return nil, err
	}
	name := fmt.Sprintf("%q.%s", s.Keyspace, table)
	return &Blobs{
		settings: s,
		sessions: sessions,
		codec:    codec,
		reads:    make(chan struct{}, s.Concurrency),
		writes:   make(chan struct{}, s.Concurrency),
		cores:    make(chan struct{}, runtime.GOMAXPROCS(0)),
		spare: &gocql.SimpleSpeculativeExecution{NumAttempts: 1,
			TimeoutDelay: max(s.Timeout/10, time.Millisecond)},
		insert:     "INSERT INTO " + name + " (hash, content) VALUES (?, ?)",
		selectIn:   "SELECT hash, content FROM " + name + " WHERE hash IN ?",
		selectPage: "SELECT DISTINCT hash FROM " + name,
		remove:     "DELETE FROM " + name + " WHERE hash = ?",
	}, nil
}

// parallel calls do for 0 … n-1, each holding one of the places, and returns the first error.
func parallel(ctx context.Context, places chan struct{}, n int, do func(ctx context.Context, i int) error) error {
	group, ctx := errgroup.WithContext(ctx)
	var next atomic.Int64
	for range min(n, cap(places)) {
		group.Go(func() error {
			for {
				i := int(next.Add(1)) - 1
				if i >= n {
					return nil
				}
				if err := ctx.Err(); err != nil {
					return err
				}
				select {
				case places <- struct{}{}:
				case <-ctx.Done():
					return ctx.Err()
				}
				err := do(ctx, i)
				<-places
				if err != nil {
					return err
				}
			}
		})
	}
	return group.Wait()
}

// row is a blob as it is stored.
type row struct {
	key     string
	content []byte
}

// Put implements [projections.Blobs]. A blob that is larger than the configured bound even when compressed is refused
// as TooLarge.
func (b *Blobs) Put(ctx context.Context, blobs []projections.Blob) error {
	const op = "cassandra.Put"
	rows := make([]row, len(blobs))
	if err := parallel(ctx, b.cores, len(blobs), func(_ context.Context, i int) error {
		stored := b.codec.Pack(blobs[i].Content)
		if len(stored) > b.LargestBlob {
			return events.Errorf(events.TooLarge, op, "a document of %d bytes is %d when compressed; Cassandra "+
				"is to store up to %d: make it smaller, or keep its data outside and refer to it",
				len(blobs[i].Content), len(stored), b.LargestBlob)
		}
		rows[i] = row{hex.EncodeToString(blobs[i].Hash[:]), stored}
		return nil
	}); err != nil {
		return classify(op, err)
	}
	pieces, rows := divide(rows)
	if err := b.putPieces(ctx, op, pieces); err != nil {
		return classify(op, err)
	}
	requests := batches(rows)
	return classify(op, parallel(ctx, b.writes, len(requests), func(ctx context.Context, i int) error {
		return b.retry(ctx, op, func(ctx context.Context, session *gocql.Session, _ int) error {
			return b.store(ctx, session, requests[i])
		})
	}))
}

// batches divides rows into those that go out together. A row that fills a batch is alone.
func batches(rows []row) [][]row {
	var divided [][]row
	first, bytes := 0, 0
	for i := range rows {
		size := len(rows[i].content) + rowBytes
		if i > first && (i-first >= batchRows || bytes+size > batchBytes) {
			divided = append(divided, rows[first:i])
			first, bytes = i, 0
		}
		bytes += size
	}
	if first < len(rows) {
		divided = append(divided, rows[first:])
	}
	return divided
}

// store inserts rows with one request. The batch has nothing to do with atomicity: what a request costs, both here and
// on the node, is several times what one of such rows does.
func (b *Blobs) store(ctx context.Context, session *gocql.Session, rows []row) error {
	if len(rows) == 1 {
		return session.Query(b.insert, rows[0].key, rows[0].content).WithContext(ctx).Consistency(b.write).Exec()
	}
	batch := session.NewBatch(gocql.UnloggedBatch).WithContext(ctx)
	batch.SetConsistency(b.write)
	batch.Entries = make([]gocql.BatchEntry, len(rows))
	for i, r := range rows {
		batch.Entries[i] = gocql.BatchEntry{Stmt: b.insert, Args: []any{r.key, r.content}, Idempotent: true}
	}
	return session.ExecuteBatch(batch)
}

// Get implements [projections.Blobs]. What is missing at the level of reads, or damaged, is asked for again at QUORUM.
// When too few nodes are up for that, it stays missing: the log has it.
func (b *Blobs) Get(ctx context.Context, hashes []events.Hash) ([][]byte, error) {
	const op = "cassandra.Get"
	if err := ctx.Err(); err != nil {
		return nil, classify(op, err)
	}
	contents := make([][]byte, len(hashes))
	missing := make([]int, len(hashes))
	for i := range hashes {
		missing[i] = i
	}
	levels := []gocql.Consistency{b.read}
	if b.read != gocql.Quorum && b.read != gocql.All {
		levels = append(levels, gocql.Quorum)
	}
	for _, level := range levels {
		if err := b.fetch(ctx, level, hashes, missing, contents); err != nil {
			return nil, classify(op, err)
		}
		missing = slices.DeleteFunc(missing, func(i int) bool { return contents[i] != nil })
	}
	return contents, nil
}

// fetch fills in the contents of the missing places, in chunks side by side.
func (b *Blobs) fetch(
	ctx context.Context, level gocql.Consistency, hashes []events.Hash, missing []int, contents [][]byte,
) error {
	return parallel(ctx, b.reads, (len(missing)+getChunk-1)/getChunk, func(ctx context.Context, chunk int) error {
		places := missing[chunk*getChunk : min((chunk+1)*getChunk, len(missing))]
		keys := make([]string, len(places))
		for i, place := range places {
			keys[i] = hex.EncodeToString(hashes[place][:])
		}
		return b.retry(ctx, "cassandra.Get", func(ctx context.Context, session *gocql.Session, number int) error {
			query := session.Query(b.selectIn, keys).WithContext(ctx).Consistency(level)
			if number == 0 && level == b.read {
				// Once only: with no other node to ask, the client takes the spare request for a failure of all.
				query = query.SetSpeculativeExecutionPolicy(b.spare)
			}
			iter := query.Iter()
			inPieces := map[int]int{} // how many there are, by the place in places
			for {
				var key string
				var stored []byte
				if !iter.Scan(&key, &stored) {
					break
				}
				for i, place := range places {
					if keys[i] != key {
						continue
					}
					if contents[place] = b.codec.Unpack(hashes[place], stored); contents[place] == nil &&
						piecesOf(stored) > 0 {
						inPieces[i] = piecesOf(stored)
					}
				}
			}
			err := iter.Close()
			for i, count := range inPieces {
				var whole []byte
				if whole, err = b.join(ctx, level, keys[i], count); err != nil {
					break
				}
				contents[places[i]] = b.codec.Unpack(hashes[places[i]], whole)
			}
			var unavailable *gocql.RequestErrUnavailable
			if level != b.read && errors.As(err, &unavailable) {
				return nil
			}
			return err
		})
	})
}

// Each implements [projections.Blobs], in the order of the tokens, reading at QUORUM. A row that is not of a blob is
// left out and logged.
func (b *Blobs) Each(ctx context.Context, visit func(events.Hash) error) error {
	const op = "cassandra.Each"
	var state []byte
	for page := leastPage; ; {
		var keys []string
		var next []byte
		if err := b.retry(ctx, op, func(ctx context.Context, session *gocql.Session, _ int) error {
			keys = keys[:0]
			iter := session.Query(b.selectPage).WithContext(ctx).Consistency(gocql.Quorum).PageSize(
				page).PageState(state).Iter()
			next = iter.PageState()
			for key := ""; iter.Scan(&key); {
				keys = append(keys, key)
			}
			return iter.Close()
		}); err != nil {
			return err
		}
		page = nextPage(page, keys)
		for _, key := range keys {
			if err := ctx.Err(); err != nil {
				return classify(op, err)
			}
			if isPiece(key) {
				continue
			}
			var hash events.Hash
			if n, err := hex.Decode(hash[:], []byte(key)[:min(len(key), 2*len(hash))]); err != nil || n != len(hash) ||
				hex.EncodeToString(hash[:]) != key {
				b.Logger.Warn("a row of the blobs' table is not under a hash; somebody else wrote it", "keyspace",
					b.Keyspace, "table", table, "key", key)
				continue
			}
			if err := visit(hash); err != nil {
				return err
			}
		}
		if state = next; len(state) == 0 {
			return nil
		}
	}
}

// Delete implements [projections.Blobs].
func (b *Blobs) Delete(ctx context.Context, hashes []events.Hash) error {
	const op = "cassandra.Delete"
	return classify(op, parallel(ctx, b.writes, len(hashes), func(ctx context.Context, i int) error {
		key := hex.EncodeToString(hashes[i][:])
		if err := b.removePieces(ctx, key); err != nil {
			return err
		}
		return b.retry(ctx, op, func(ctx context.Context, session *gocql.Session, _ int) error {
			return session.Query(b.remove, key).WithContext(ctx).Consistency(b.write).Exec()
		})
	}))
}

// Ready implements [projections.Blobs]. It asks one node once, for the configured timeout at most, whether it knows the
// table.
func (b *Blobs) Ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, b.Timeout)
	defer cancel()
	columns, err := b.columns(ctx, b.sessions.get())
	b.sessions.note(err)
	switch {
	case err != nil:
		return classify("cassandra.Ready", err)
	case len(columns) == 0:
		return events.Errorf(events.Transient, "cassandra.Ready", "%s", goneText)
	}
	return nil
}

// Close implements [projections.Blobs].
func (b *Blobs) Close() error {
	b.sessions.close()
	return nil
}
