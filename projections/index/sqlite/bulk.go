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
// packed and in no order, into as many parts as the first byte of a key has values; at the end each part is sorted
// here, and its rows are appended to the table in the order of its key. The dictionary of codings is filled in the same
// way, but for the entries without a code: they are few, and asked for. The indexes of version, span and text are made
// at the end, too; latest.go stands in for the one that a build needs.
//
// What is put aside is in the transaction of its commit: a build that is interrupted resumes. Whoever has to read the
// terms before the end settles first; when that happens often, rows go straight to the tables from then on.

const (
	termParts    = 256
	codingParts  = 16
	parts        = termParts + codingParts // those of terms come first
	packedTerm   = 24                      // bytes of a term row that is put aside
	partShift    = 52                      // an id of the table load is the part, and below it a number that counts up
	settlesBound = 8                       // searches that made rows settle, before none are put aside any more
)

// staging is the state of what a writer puts aside; nil: it puts nothing aside.
type staging struct {
	next    int64              // of the numbers that ids are made of
	ledgers map[int64]struct{} // that have rows put aside
	all     bool               // any ledger may have, since before this process
	settles int
	latest  *rows.Latest // nil: the index by id is there
	packed  []byte       // of the commit in hand
}

// part is where a term row is put aside: parts ascend with keys.
func part(key int64) int { return int((uint64(key) ^ 1<<63) >> 56) }

// codingPart is where an entry of the dictionary is put aside.
func codingPart(param int64) int { return termParts + int((uint64(param)^1<<63)>>60) }

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
	if err == nil {
		s.latest, err = w.findLatest(ctx)
	}
	return s, err
}

// putAside packs the term rows of a commit, and the codings that come in the order of their parameters. It returns the
// codings that belong into their table now.
func (b *batch) putAside(r *rows.Rows) (now []rows.CodingRow) {
	var ends [termParts + 1]int // of the parts, behind each other
	for i := range r.Terms {
		ends[part(r.Terms[i].Key)+1]++
	}
	for p := range termParts {
		ends[p+1] += ends[p]
	}
	at := ends
	size := packedTerm * len(r.Terms)
	b.staged.packed = slices.Grow(b.staged.packed[:0], size)[:size]
	for i := range r.Terms {
		t := &r.Terms[i]
		p := part(t.Key)
		to := b.staged.packed[packedTerm*at[p]:]
		binary.LittleEndian.PutUint64(to, uint64(t.Key))
		binary.LittleEndian.PutUint64(to[8:], uint64(t.Sort))
		binary.LittleEndian.PutUint64(to[16:], uint64(t.Ref))
		at[p]++
	}
	for p := range termParts {
		if ends[p] < ends[p+1] {
			b.aside(p, b.staged.packed[packedTerm*ends[p]:packedTerm*ends[p+1]])
		}
	}
	for first := 0; first < len(r.Codings); {
		p, end := codingPart(r.Codings[first].Param), first
		b.staged.packed = b.staged.packed[:0]
		for ; end < len(r.Codings) && codingPart(r.Codings[end].Param) == p; end++ {
			if r.Codings[end].Code == "" {
				now = append(now, r.Codings[end])
			} else {
				b.staged.packed = rows.PackCoding(b.staged.packed, &r.Codings[end])
			}
		}
		if len(b.staged.packed) > 0 {
			b.aside(p, b.staged.packed)
		}
		first = end
	}
	b.staged.next++
	for i := range r.Versions {
		b.staged.ledgers[r.Versions[i].Ledger] = struct{}{}
	}
	return now
}

func (b *batch) aside(p int, packed []byte) { b.one("load", int64(p)<<partShift|b.staged.next, packed) }

// settling is a part on its way into its table.
type settling struct {
	part    int
	terms   []rows.TermRow
	codings []rows.CodingRow
}

// settle moves what was put aside into the tables, part by part, each in a transaction of its own; the next one is read
// and sorted meanwhile. The caller holds the writer.
func (w *writer) settle(ctx context.Context, report func(done, all int)) error {
	group, within := errgroup.WithContext(ctx)
	sorted, spare := make(chan settling), make(chan settling, 2)
	spare <- settling{}
	spare <- settling{}
	group.Go(func() error {
		defer close(sorted)
		for p := range parts {
			var part settling
			select {
			case part = <-spare:
			case <-within.Done():
				return sqlitefile.Classify("sqlite.Finish", within.Err())
			}
			part.part, part.terms, part.codings = p, part.terms[:0], part.codings[:0]
			if err := w.readPart(within, &part); err != nil {
				return err
			}
			slices.SortFunc(part.terms, rows.CompareTerms)
			part.terms = slices.Compact(part.terms)
			slices.SortFunc(part.codings, rows.CompareCodings)
			select {
			case sorted <- part:
			case <-within.Done(): // the call ended, or the writer has failed and told why before
				return sqlitefile.Classify("sqlite.Finish", within.Err())
			}
		}
		return nil
	})
	group.Go(func() error {
		for part := range sorted {
			if err := w.movePart(within, &part); err != nil {
				return err
			}
			report(part.part+1, parts)
			spare <- part
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
func ofPart(p int) (first, last int64) {
	return int64(p) << partShift, int64(p)<<partShift | (1<<partShift - 1)
}

// readPart reads what was put aside of a part.
func (w *writer) readPart(ctx context.Context, part *settling) error {
	const op = "sqlite.Finish"
	first, last := ofPart(part.part)
	found, err := w.file.Read.QueryContext(ctx, "select data from "+prefix(
		w.number)+"load where id between ? and ? order by id", first, last)
	if err != nil {
		return sqlitefile.Classify(op, err)
	}
	defer func() { _ = found.Close() }() // the error of the rows is told below
	var data sql.RawBytes
	for found.Next() {
		if err := found.Scan(&data); err != nil {
			return sqlitefile.Classify(op, err)
		}
		if part.part >= termParts {
			if part.codings, err = rows.UnpackCodings(part.codings, data); err != nil {
				return err
			}
			continue
		}
		for ; len(data) >= packedTerm; data = data[packedTerm:] {
			part.terms = append(part.terms, rows.TermRow{
				Key:  int64(binary.LittleEndian.Uint64(data)),
				Sort: int64(binary.LittleEndian.Uint64(data[8:])),
				Ref:  int64(binary.LittleEndian.Uint64(data[16:])),
			})
		}
	}
	return sqlitefile.Classify(op, found.Err())
}

// movePart puts the rows of a part into their table and deletes what was put aside of it.
func (w *writer) movePart(ctx context.Context, part *settling) error {
	if len(part.terms)+len(part.codings) == 0 {
		return nil
	}
	first, last := ofPart(part.part)
	return w.file.Relaxed(ctx, func(tx *sql.Tx) error {
		ctx := context.WithoutCancel(ctx) // the transaction ends with ctx
		b := batch{ctx: ctx, tx: tx, writer: w}
		b.terms(part.terms)
		if b.codings(part.codings); b.err != nil {
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
	all := parts + len(laterIndexes()) + 1
	if err := w.settle(ctx, func(done, _ int) { report(done, all, "terms in the order of their keys") }); err != nil {
		return err
	}
	for i, index := range laterIndexes() {
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
func (w *writer) createIndex(ctx context.Context, index laterIndex) error {
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
		if byID(q) {
			if err := w.identify(ctx); err != nil {
				return sqlitefile.Classify("sqlite.Search", err)
			}
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

// byID tells whether a search asks for ids.
func byID(q *projections.Query) bool {
	return slices.ContainsFunc(q.Clauses, func(c projections.Clause) bool { return c.Param == "_id" })
}
