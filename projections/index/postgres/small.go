package postgres

import (
	"strconv"

	"binnacle/projections/index/rows"
)

// smallRows is up to how many rows of terms a commit sends its rows along with the first round trip, as arrays. More
// are copied: that is cheaper for each row, and costs a round trip for each table.
const smallRows = 600

func small(r *rows.Rows) bool {
	return len(r.Versions)+len(r.Terms)+len(r.Spans)+len(r.Texts) <= smallRows
}

// keysText is the written form of the keys on a version's row: no array can hold arrays of several lengths.
func keysText(keys []int64) *string {
	if len(keys) == 0 {
		return nil
	}
	text := []byte{'{'}
	for _, key := range keys {
		text = append(strconv.AppendInt(text, key, 10), ',')
	}
	text[len(text)-1] = '}'
	written := string(text)
	return &written
}

// columns gathers the rows of a table by their columns.
type columns [][]int64

func (c columns) add(row int, values ...int64) {
	for i, v := range values {
		c[i][row] = v
	}
}

func newColumns(width, rows int) columns {
	c := make(columns, width)
	values := make([]int64, width*rows)
	for i := range c {
		c[i] = values[i*rows : (i+1)*rows : (i+1)*rows]
	}
	return c
}

func (c columns) args(more ...any) []any {
	list := make([]any, 0, len(c)+len(more))
	for _, column := range c {
		list = append(list, column)
	}
	return append(list, more...)
}

// insert queues the rows that a larger commit copies.
func (b *beginning) insert(tables string, r *rows.Rows) {
	if n := len(r.Versions); n > 0 {
		c := newColumns(11, n)
		ids, hashes, keys := make([]string, n), make([][]byte, n), make([]*string, n)
		for i := range r.Versions {
			v := &r.Versions[i]
			c.add(i, v.Sid, v.Ledger, v.Position.Offset, v.Time.UnixMicro(), v.Main, v.Shape, v.Supersedes, v.Resource,
				v.Number, rows.ChangeColumn(&v.Version), rows.Bit(v.Deleted))
			ids[i], hashes[i], keys[i] = v.ID, v.Hash[:], keysText(v.Keys)
		}
		const columns = `sid, ledger, log_offset, "at", main, shape, supersedes, resource, number, change, deleted, id, hash, keys`
		b.Queue("insert into "+tables+"version ("+columns+") select "+columns+"::bigint[] from unnest($1::bigint[], "+
			"$2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[], "+
			"$9::bigint[], $10::bigint[]::int[], $11::bigint[]::smallint[], $12::text[], $13::bytea[], "+
			"$14::text[]) v("+columns+")",
			c.args(ids, hashes, keys)...)
	}
	if n := len(r.Terms); n > 0 {
		c := newColumns(3, n)
		for i, t := range r.Terms {
			c.add(i, t.Key, t.Sort, t.Ref)
		}
		b.Queue("insert into "+tables+"term (key, sort, ref) select * from unnest($1::bigint[], $2::bigint[], "+
			"$3::bigint[])", c.args()...)
	}
	if n := len(r.Spans); n > 0 {
		c := newColumns(4, n)
		for i, t := range r.Spans {
			c.add(i, t.Key, t.Low, t.High, t.Ref)
		}
		b.Queue("insert into "+tables+"span (key, low, high, ref) select * from unnest($1::bigint[], $2::bigint[], "+
			"$3::bigint[], $4::bigint[])", c.args()...)
	}
	if n := len(r.Texts); n > 0 {
		c := newColumns(2, n)
		heads, rests, raws := make([][]byte, n), make([][]byte, n), make([][]byte, n)
		for i, t := range r.Texts {
			c.add(i, t.Key, t.Ref)
			heads[i], rests[i], raws[i] = t.Head, t.Rest, t.Raw
		}
		b.Queue("insert into "+tables+"text (key, ref, head, rest, raw) select * from unnest($1::bigint[], "+
			"$2::bigint[], $3::bytea[], $4::bytea[], $5::bytea[])", c.args(heads, rests, raws)...)
	}
}
