package cassandra

import (
	"context"
	"fmt"
	"maps"
	"time"

	"github.com/gocql/gocql"

	"binnacle/events"
)

// table is where the blobs stand.
const table = "resources"

// createTable is for content that is written once, read by its key and hardly ever deleted. A key lies in one file
// only, so levels would rewrite files and save no read: files are merged in tiers. Chunks of 16 kB hold several
// documents and shrink well. A deletion that a node missed leaves an orphan and no harm, so a day is enough for
// tombstones; it must not be less than the 3 hours of hints.
const createTable = `CREATE TABLE IF NOT EXISTS %q.` + table + ` (hash text PRIMARY KEY, content blob)
 WITH comment = 'Binnacle: content of FHIR resource versions under its SHA-256 (lower hex); plain or one zstd frame'
 AND compression = {'class': 'ZstdCompressor', 'chunk_length_in_kb': 16, 'compression_level': 1}
 AND compaction = {'class': 'UnifiedCompactionStrategy', 'scaling_parameters': 'T4'}
 AND caching = {'keys': 'ALL', 'rows_per_partition': 'NONE'}
 AND bloom_filter_fp_chance = 0.01 AND gc_grace_seconds = 86400`

// ensure sees that the keyspace and the table are there: it makes what is missing when create is true, and else says
// what is missing and what to do (kind Invalid). A keyspace or table of other settings stays as it is. Run one ensure
// at a time with create. It also tells the datacenter of the node that answered.
func (s *settings) ensure(ctx context.Context, create bool) (datacenter string, err error) {
	const op = "cassandra.Ensure"
	session, err := s.connect(ctx, op, "", s.Datacenter, schemaTimeout)
	if err != nil {
		return "", err
	}
	defer session.Close()
	if err := session.Query(`SELECT data_center FROM system.local`).WithContext(ctx).Consistency(gocql.One).Scan(
		&datacenter); err != nil {
		return "", classify(op, err)
	}
	columns, err := s.columns(ctx, session)
	if err != nil {
		return "", classify(op, err)
	}
	if len(columns) == 0 {
		if !create {
			return "", events.Errorf(events.Invalid, op, "Cassandra has no table %s.%s; run `binnacle init`",
				s.Keyspace, table)
		}
		if err := s.make(ctx, session); err != nil {
			return "", classify(op, err)
		}
		if columns, err = s.columns(ctx, session); err != nil {
			return "", classify(op, err)
		}
	}
	if want := map[string]string{"hash": "text partition_key", "content": "blob regular"}; !maps.Equal(columns, want) {
		return "", events.Errorf(events.Invalid, op, "the table %s.%s is not one of blobs: it has the columns %v, "+
			"not %v; give another keyspace", s.Keyspace, table, columns, want)
	}
	return datacenter, nil
}

// columns are the columns of the table with type and kind; none when there is no table.
func (s *settings) columns(ctx context.Context, session *gocql.Session) (map[string]string, error) {
	iter := session.Query(
		`SELECT column_name, type, kind FROM system_schema.columns WHERE keyspace_name = ? AND table_name = ?`,
		s.Keyspace, table).
		WithContext(ctx).Consistency(gocql.One).Iter()
	columns := map[string]string{}
	for name, kind, place := "", "", ""; iter.Scan(&name, &kind, &place); {
		columns[name] = kind + " " + place
	}
	return columns, iter.Close()
}

// make waits for the nodes to agree on the schema before each change and after the last: a change while they don't
// makes two of it.
func (s *settings) make(ctx context.Context, session *gocql.Session) error {
	for _, statement := range []string{
		fmt.Sprintf(`CREATE KEYSPACE IF NOT EXISTS %q WITH replication = %s`, s.Keyspace, s.replication),
		fmt.Sprintf(createTable, s.Keyspace),
	} {
		if err := agree(ctx, session); err != nil {
			return err
		}
		if err := session.Query(statement).WithContext(ctx).RetryPolicy(nil).Idempotent(false).Exec(); err != nil {
			return err
		}
	}
	return agree(ctx, session)
}

func agree(ctx context.Context, session *gocql.Session) error {
	ctx, cancel := context.WithTimeout(ctx, schemaTimeout)
	defer cancel()
	return session.AwaitSchemaAgreement(ctx)
}

// Drop deletes the keyspace with everything in it. One that is not there is no error.
func Drop(ctx context.Context, config Config) error {
	const op = "cassandra.Drop"
	s, err := config.check()
	if err != nil {
		return err
	}
	session, err := s.connect(ctx, op, "", s.Datacenter, schemaTimeout)
	if err != nil {
		return err
	}
	defer session.Close()
	ctx, cancel := context.WithTimeout(ctx, 2*schemaTimeout+time.Second)
	defer cancel()
	if err := agree(ctx, session); err != nil {
		return classify(op, err)
	}
	if err := session.Query(fmt.Sprintf(`DROP KEYSPACE IF EXISTS %q`, s.Keyspace)).WithContext(ctx).RetryPolicy(
		nil).Idempotent(false).Exec(); err != nil {
		return classify(op, err)
	}
	return classify(op, agree(ctx, session))
}
