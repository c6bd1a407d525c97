package postgres

import (
	"bytes"
	"context"
	"encoding/binary"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"binnacle/projections/index/rows"
)

// copyData is the data of one COPY in PostgreSQL's binary format (its documentation, COPY, "Binary Format"). It is
// written here, and not by the client library's CopyFrom, which asks the server for the columns' types before each and
// boxes every value.
type copyData struct {
	table, columns string
	rows           int
	data           []byte
}

// copyHeader is the signature, no flags, no extension.
const copyHeader = "PGCOPY\n\377\r\n\x00" + "\x00\x00\x00\x00" + "\x00\x00\x00\x00"

func (c *copyData) reset() {
	c.rows, c.data = 0, append(c.data[:0], copyHeader...)
}

func (c *copyData) row(fields int16) {
	c.rows++
	c.data = binary.BigEndian.AppendUint16(c.data, uint16(fields))
}

func (c *copyData) bigints(values ...int64) {
	for _, v := range values {
		c.data = binary.BigEndian.AppendUint32(c.data, 8)
		c.data = binary.BigEndian.AppendUint64(c.data, uint64(v))
	}
}

func (c *copyData) integer(v int32) {
	c.data = binary.BigEndian.AppendUint32(c.data, 4)
	c.data = binary.BigEndian.AppendUint32(c.data, uint32(v))
}

func (c *copyData) smallint(v int16) {
	c.data = binary.BigEndian.AppendUint32(c.data, 2)
	c.data = binary.BigEndian.AppendUint16(c.data, uint16(v))
}

func (c *copyData) bytes(v []byte) {
	c.data = binary.BigEndian.AppendUint32(c.data, uint32(len(v)))
	c.data = append(c.data, v...)
}

// array writes a bigint[], NULL when it is empty. In binary an array is: dimensions, 0 for no nulls, the element's
// type, and for its one dimension the length and the first index.
func (c *copyData) array(values []int64) {
	if len(values) == 0 {
		c.data = binary.BigEndian.AppendUint32(c.data, 0xffffffff)
		return
	}
	for _, n := range [...]int{20 + 12*len(values), 1, 0, pgtype.Int8OID, len(values), 1} {
		c.data = binary.BigEndian.AppendUint32(c.data, uint32(n))
	}
	c.bigints(values...)
}

func (c *copyData) text(v string) {
	c.data = binary.BigEndian.AppendUint32(c.data, uint32(len(v)))
	c.data = append(c.data, v...)
}

// run sends the rows, if there are any.
func (c *copyData) run(ctx context.Context, conn *pgx.Conn, tables string) error {
	if c.rows == 0 {
		return nil
	}
	c.data = binary.BigEndian.AppendUint16(c.data, 0xffff) // the end
	_, err := conn.PgConn().CopyFrom(ctx, bytes.NewReader(c.data),
		"copy "+tables+c.table+" ("+c.columns+") from stdin binary")
	return err
}

// copies are the tables that a commit fills by COPY.
type copies struct{ version, term, span, text copyData }

func newCopies() copies {
	return copies{
		version: copyData{table: "version",
			columns: `sid, ledger, log_offset, "at", main, shape, supersedes, resource, number, change, deleted, id, hash, keys`},
		term: copyData{table: "term", columns: "key, sort, ref"},
		span: copyData{table: "span", columns: "key, low, high, ref"},
		text: copyData{table: "text", columns: "key, ref, head, rest, raw"},
	}
}

func (c *copies) all() []*copyData {
	return []*copyData{&c.version, &c.term, &c.span, &c.text}
}

// fill takes the rows over.
func (c *copies) fill(r *rows.Rows) {
	for _, table := range c.all() {
		table.reset()
	}
	for i := range r.Versions {
		v := &r.Versions[i]
		c.version.row(14)
		c.version.bigints(v.Sid, v.Ledger, v.Position.Offset, v.Time.UnixMicro(), v.Main, v.Shape, v.Supersedes,
			v.Resource, v.Number)
		c.version.integer(int32(rows.ChangeColumn(&v.Version)))
		c.version.smallint(int16(rows.Bit(v.Deleted)))
		c.version.text(v.ID)
		c.version.bytes(v.Hash[:])
		c.version.array(v.Keys)
	}
	for i := range r.Terms {
		c.term.row(3)
		c.term.bigints(r.Terms[i].Key, r.Terms[i].Sort, r.Terms[i].Ref)
	}
	for i := range r.Spans {
		c.span.row(4)
		c.span.bigints(r.Spans[i].Key, r.Spans[i].Low, r.Spans[i].High, r.Spans[i].Ref)
	}
	for i := range r.Texts {
		t := &r.Texts[i]
		c.text.row(5)
		c.text.bigints(t.Key, t.Ref)
		c.text.bytes(t.Head)
		c.text.bytes(t.Rest)
		c.text.bytes(t.Raw)
	}
}
