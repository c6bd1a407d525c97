package sqlite

import (
	"context"
	"database/sql"
	"encoding/binary"
	"slices"

	"golang.org/x/sync/errgroup"

	"binnacle/events/sqlitefile"
	"binnacle/projections"
	"binnacle/projections/index/keys"
	"binnacle/projections/index/rows"
)

// A generation that is built from nothing takes its rows in an order that suits no index: each row of a commit goes to
// another page of the term table, and a page is written again and again. So the term rows of a commit are put aside,
// packed, into as many parts as the first byte of a key has values; at the end each part is sorted here, and its rows
// are appended to the table in the order of its key. The indexes of span and text are made at the end, too.
//
// What is put aside is in the transaction of its commit: a build that is interrupted resumes. Whoever has to read the
// terms before the end settles first; when that happens often, rows go straight to the tables from then on.

const (
	parts        = 256
	packedTerm   = 24 // bytes of a term row that is put aside
	partShift    = 52 // an id of the table load is the part, and below it a number that counts up
	settlesBound = 8  // searches that made rows settle, before none are put aside any more
)

// staging is the state of what a writer puts aside; nil: it puts nothing aside.
type staging struct {
	next    int64              // of the numbers that ids are made of
	ledgers map[int64]struct{} // that have rows put aside
	all     bool               // any ledger may have, since before this process
	settles int
}

func part(key int64) int { return int((uint64(key) ^ 1<<63) >> 56) }

// findStaging tells what the generation's table of what is put aside holds; nil when there is no such table.
func (w *writer) findStaging(ctx context.Context) (*staging, error) {
	there := 0
	if err := w.file.Write.QueryRowContext(ctx, "select count(*) from sqlite_schema where name = ?",
		prefix(w.number)+"load").Scan(&there); err != nil || there == 0 {
		return nil, err
	}
	s := &staging{ledgers: map[int64]struct{}{}}
	err := w.file.Write.QueryRowContext(ctx, "select coalesce(max(id & ?), 0) + 1, count(*) > 0 from "+prefix(
		w.number)+"load", int64(1)<<partShift-1).Scan(&s.next, &s.all)
	return s, err
}

// putAside packs the term rows of a commit; they come in the order of their keys.
func (b *batch) putAside(r *rows.Rows) {
	for first := 0; first < len(r.Terms); {
		p, end := part(r.Terms[first].Key), first+1
		for end < len(r.Terms) && part(r.Terms[end].Key) == p {
			end++
		}
		data := make([]byte, 0, (end-first)*packedTerm)
		for _, t := range r.Terms[first:end] {
			data = binary.LittleEndian.AppendUint64(data, uint64(t.Key))
			data = binary.LittleEndian.AppendUint64(data, uint64(t.Sort))
			data = binary.LittleEndian.AppendUint64(data, uint64(t.Ref))
		}
		b.one("load", int64(p)<<partShift|b.staged.next, data)
		first = end
	}
	b.staged.next++
	for i := range r.Versions {
		b.staged.ledgers[r.Versions[i].Ledger] = struct{}{}
	}
}

// settle moves what was put aside into the term table, part by part, each in a transaction of its own; the next one is
// read and sorted meanwhile. The caller holds the writer.
func (w *writer) settle(ctx context.Context, report func(done, all int)) error {
	group, within := errgroup.WithContext(ctx)
	sorted := make(chan []rows.TermRow)
	group.Go(func() error {
		defer close(sorted)
		for p := range parts {
			part, err := w.readPart(within, int64(p))
			if err != nil {
				return err
			}
			slices.SortFunc(part, rows.CompareTerms)
			select {
			case sorted <- part:
			case <-within.Done(): // the call ended, or the writer has failed and told why before
				return sqlitefile.Classify("sqlite.Finish", within.Err())
			}
		}
		return nil
	})
	group.Go(func() error {
		p := 0
		for rows := range sorted {
			if err := w.movePart(within, int64(p), rows); err != nil {
				return err
			}
			p++
			report(p, parts)
		}
		return nil
	})
	if err := group.Wait(); err != nil {
		return err
	}
	clear(w.staged.ledgers)
	w.staged.all = false
	return nil
}

// ofPart are the first and the last id of what was put aside of a part.
func ofPart(p int64) (first, last int64) { return p << partShift, p<<partShift | (1<<partShift - 1) }

// readPart reads what was put aside of one part.
func (w *writer) readPart(ctx context.Context, p int64) ([]rows.TermRow, error) {
	const op = "sqlite.Finish"
	first, last := ofPart(p)
	found, err := w.file.Read.QueryContext(ctx, "select data from "+prefix(
		w.number)+"load where id between ? and ? order by id", first, last)
	if err != nil {
		return nil, sqlitefile.Classify(op, err)
	}
	defer func() { _ = found.Close() }() // the error of the rows is told below
	var part []rows.TermRow
	var data sql.RawBytes
	for found.Next() {
		if err := found.Scan(&data); err != nil {
			return nil, sqlitefile.Classify(op, err)
		}
		for ; len(data) >= packedTerm; data = data[packedTerm:] {
			part = append(part, rows.TermRow{
				Key:  int64(binary.LittleEndian.Uint64(data)),
				Sort: int64(binary.LittleEndian.Uint64(data[8:])),
				Ref:  int64(binary.LittleEndian.Uint64(data[16:])),
			})
		}
	}
	return part, sqlitefile.Classify(op, found.Err())
}

// movePart puts the rows of a part into the term table and deletes what was put aside of it.
func (w *writer) movePart(ctx context.Context, p int64, rows []rows.TermRow) error {
	if len(rows) == 0 {
		return nil
	}
	first, last := ofPart(p)
	return w.file.Relaxed(ctx, func(tx *sql.Tx) error {
		ctx := context.WithoutCancel(ctx) // the transaction ends with ctx
		b := batch{ctx: ctx, tx: tx, writer: w}
		if b.terms(rows); b.err != nil {
			return b.err
		}
		_, err := tx.ExecContext(ctx, "delete from "+prefix(w.number)+"load where id between ? and ?", first, last)
		return err
	})
}

// complete settles, makes the indexes that are missing, and puts nothing aside any more. To do it again is cheap.
func (w *writer) complete(ctx context.Context, report func(done, all int, step string)) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.completeHeld(ctx, report)
}

func (w *writer) completeHeld(ctx context.Context, report func(done, all int, step string)) error {
	const op = "sqlite.Finish"
	if err := w.prepare(ctx); err != nil {
		return err
	}
	if w.staged == nil {
		report(1, 1, "nothing is put aside")
		return nil
	}
	all := parts + len(searchIndexes()) + 1
	if err := w.settle(ctx, func(done, _ int) { report(done, all, "terms in the order of their keys") }); err != nil {
		return err
	}
	for i, index := range searchIndexes() {
		if err := w.createIndex(ctx, index); err != nil {
			return sqlitefile.Classify(op, err)
		}
		report(parts+i+1, all, "index "+index.name)
	}
	if err := w.file.Relaxed(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "drop table "+prefix(w.number)+"load")
		return err
	}); err != nil {
		return err
	}
	w.staged = nil
	report(all, all, "done")
	return nil
}

// createIndex sorts through files: the memory of a sort grows with the table.
func (w *writer) createIndex(ctx context.Context, index searchIndex) error {
	conn, err := w.file.Write.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }() // gives it back to its pool
	if _, err := conn.ExecContext(ctx, "pragma temp_store = file"); err != nil {
		return err
	}
	_, err = conn.ExecContext(ctx, index.create(w.number))
	if _, reset := conn.ExecContext(context.WithoutCancel(ctx), "pragma temp_store = memory"); err == nil {
		err = reset
	}
	return err
}

// readable makes what a search needs readable: nil for all that is read from the terms.
func (w *writer) readable(ctx context.Context, q *projections.Query) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.prepare(ctx); err != nil || w.staged == nil {
		return err
	}
	if q != nil {
		if !plain(q) || w.staged.settles >= settlesBound {
			return w.completeHeld(ctx, func(int, int, string) {})
		}
		if _, aside := w.staged.ledgers[keys.Ledger(q.Tenant, q.Type)]; !aside && !w.staged.all {
			return nil
		}
		w.staged.settles++
	}
	return w.settle(ctx, func(int, int) {})
}

// plain tells whether a search needs nothing but the terms of its own type: that is what conditions mostly ask.
func plain(q *projections.Query) bool {
	if len(q.Sort) > 0 {
		return false
	}
	for i := range q.Clauses {
		c := &q.Clauses[i]
		if c.Follow != nil || len(c.Any) > 0 || c.Kind != projections.Token && c.Kind != projections.Reference {
			return false
		}
	}
	return true
}
