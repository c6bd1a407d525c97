// Package sqlite keeps blobs in the one SQLite file of a standalone node, beside the log and the index.
//
// Rows lie in the order they came, so a batch fills new pages at the end of the file; only the index of the hashes is
// touched in random places. Long content is stored as an S2 block (package packed). Put returns when the blobs survive
// a crash of this process; after a crash of the machine the latest may be missing, and the log heals them.
package sqlite

import (
	"context"
	"database/sql"
	"strings"

	"binnacle/events"
	"binnacle/events/sqlitefile"
	"binnacle/projections"
	"binnacle/projections/blobs/packed"
)

var _ projections.Blobs = (*Blobs)(nil)

const (
	// compressFrom is the size in bytes from which content is compressed: below it little is won (ADR 4).
	compressFrom = 512
	// getChunk is the number of hashes that one statement asks for.
	getChunk = 64
	// eachPage is the number of hashes that one statement of Each reads: no read transaction is open while they are
	// visited, so the write-ahead log can start again meanwhile.
	eachPage = 4_096
	// deleteChunk is the number of hashes that one transaction deletes, so that other writers are not kept waiting.
	deleteChunk = 1_000
)

const (
	create = `CREATE TABLE IF NOT EXISTS blob (place INTEGER PRIMARY KEY, hash BLOB NOT NULL UNIQUE, content BLOB NOT NULL) STRICT`
	// What is there already is compared, so that putting a damaged blob again mends it; equal content is not written.
	insert = `INSERT INTO blob (hash, content) VALUES (?, ?) ON CONFLICT (hash) DO UPDATE SET content = excluded.content WHERE content IS NOT excluded.content`
	remove = `DELETE FROM blob WHERE hash = ?`
	page   = `SELECT place, hash FROM blob WHERE place > ? ORDER BY place LIMIT ?`
)

// Blobs is a store in a file.
type Blobs struct {
	file  *sqlitefile.File
	codec *packed.Codec

	insert, remove, one, chunk, page *sql.Stmt
}

// Open makes the table if there is none. The file belongs to the caller, who closes it after the store.
func Open(ctx context.Context, file *sqlitefile.File) (*Blobs, error) {
	const op = "sqlite.Open"
	codec, err := packed.NewCodec(packed.S2, compressFrom)
	if err != nil {
		return nil, err
	}
	if err := file.Relaxed(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, create)
		return err
	}); err != nil {
		return nil, err
	}
	b := &Blobs{file: file, codec: codec}
	if err := sqlitefile.Prepare(ctx, op,
		sqlitefile.Statement{Into: &b.insert, On: file.Write, Text: insert},
		sqlitefile.Statement{Into: &b.remove, On: file.Write, Text: remove},
		sqlitefile.Statement{Into: &b.one, On: file.Read, Text: selection(1)},
		sqlitefile.Statement{Into: &b.chunk, On: file.Read, Text: selection(getChunk)},
		sqlitefile.Statement{Into: &b.page, On: file.Read, Text: page},
	); err != nil {
		return nil, err
	}
	return b, nil
}

func selection(n int) string {
	return `SELECT hash, content FROM blob WHERE hash IN (?` + strings.Repeat(`, ?`, n-1) + `)`
}

// Put implements [projections.Blobs] with one transaction: all blobs are stored, or none.
func (b *Blobs) Put(ctx context.Context, blobs []projections.Blob) error {
	if len(blobs) == 0 {
		return nil
	}
	if err := ctx.Err(); err != nil {
		return sqlitefile.Classify("sqlite.Put", err)
	}
	stored := make([][]byte, len(blobs))
	for i := range blobs { // before the transaction: the log waits for the same writer
		stored[i] = b.codec.Pack(blobs[i].Content)
	}
	return b.file.Relaxed(ctx, func(tx *sql.Tx) error {
		ctx := context.WithoutCancel(ctx) // the transaction ends with ctx
		put := tx.StmtContext(ctx, b.insert)
		defer func() { _ = put.Close() }()
		for i := range blobs {
			if _, err := put.ExecContext(ctx, blobs[i].Hash[:], stored[i]); err != nil {
				return err
			}
		}
		return nil
	})
}

// Get implements [projections.Blobs].
func (b *Blobs) Get(ctx context.Context, hashes []events.Hash) ([][]byte, error) {
	contents := make([][]byte, len(hashes))
	if len(hashes) == 1 {
		if err := b.fetch(ctx, b.one, hashes, contents); err != nil {
			return nil, err
		}
		return contents, nil
	}
	for at := 0; at < len(hashes); at += getChunk {
		end := min(at+getChunk, len(hashes))
		if err := b.fetch(ctx, b.chunk, hashes[at:end], contents[at:end]); err != nil {
			return nil, err
		}
	}
	return contents, nil
}

// fetch fills contents with what one statement finds. The arguments that are left over repeat the first hash.
func (b *Blobs) fetch(ctx context.Context, statement *sql.Stmt, hashes []events.Hash, contents [][]byte) error {
	const op = "sqlite.Get"
	arguments := make([]any, getChunk)
	if statement == b.one {
		arguments = arguments[:1]
	}
	for i := range arguments {
		if i < len(hashes) {
			arguments[i] = hashes[i][:]
		} else {
			arguments[i] = arguments[0]
		}
	}
	rows, err := statement.QueryContext(ctx, arguments...)
	if err != nil {
		return sqlitefile.Classify(op, err)
	}
	defer func() { _ = rows.Close() }()
	var hash, stored sql.RawBytes
	for rows.Next() {
		if err := rows.Scan(&hash, &stored); err != nil {
			return sqlitefile.Classify(op, err)
		}
		key := events.Hash(hash)
		for i := range hashes {
			if hashes[i] == key {
				contents[i] = b.codec.Unpack(key, append([]byte{}, stored...))
			}
		}
	}
	return sqlitefile.Classify(op, rows.Err())
}

// Each implements [projections.Blobs]. It visits in the order in which blobs came, to the end as it is when it gets
// there.
func (b *Blobs) Each(ctx context.Context, visit func(events.Hash) error) error {
	const op = "sqlite.Each"
	after := int64(-1 << 63)
	for {
		hashes, last, err := b.hashesAfter(ctx, after)
		if err != nil {
			return sqlitefile.Classify(op, err)
		}
		if len(hashes) == 0 {
			return nil
		}
		for _, hash := range hashes {
			if err := ctx.Err(); err != nil {
				return sqlitefile.Classify(op, err)
			}
			if err := visit(hash); err != nil {
				return err
			}
		}
		after = last
	}
}

func (b *Blobs) hashesAfter(ctx context.Context, after int64) (hashes []events.Hash, last int64, err error) {
	rows, err := b.page.QueryContext(ctx, after, eachPage)
	if err != nil {
		return nil, 0, err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var hash sql.RawBytes
		if err := rows.Scan(&last, &hash); err != nil {
			return nil, 0, err
		}
		hashes = append(hashes, events.Hash(hash))
	}
	return hashes, last, rows.Err()
}

// Delete implements [projections.Blobs].
func (b *Blobs) Delete(ctx context.Context, hashes []events.Hash) error {
	for at := 0; at < len(hashes); at += deleteChunk {
		chunk := hashes[at:min(at+deleteChunk, len(hashes))]
		if err := b.file.Relaxed(ctx, func(tx *sql.Tx) error {
			remove := tx.StmtContext(ctx, b.remove)
			defer func() { _ = remove.Close() }()
			for i := range chunk {
				if _, err := remove.ExecContext(ctx, chunk[i][:]); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			return err
		}
	}
	return nil
}

// Ready implements [projections.Blobs].
func (b *Blobs) Ready(ctx context.Context) error {
	rows, err := b.page.QueryContext(ctx, 0, 1)
	if err != nil {
		return sqlitefile.Classify("sqlite.Ready", err)
	}
	defer func() { _ = rows.Close() }()
	rows.Next() // a blob or none: what counts is that it can be read
	return sqlitefile.Classify("sqlite.Ready", rows.Err())
}

// Close implements [projections.Blobs]. The file stays open.
func (b *Blobs) Close() error {
	return sqlitefile.CloseStatements("sqlite.Close", b.insert, b.remove, b.one, b.chunk, b.page)
}
