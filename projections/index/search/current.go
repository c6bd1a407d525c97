package search

import (
	"math"

	"binnacle/projections/index/clause"
	"binnacle/projections/index/sets"
	"binnacle/projections/index/step"
)

// Rows of superseded versions stay until a sweep: 0.4 µs for each one that a walk meets. Where most rows of a type are
// such, whatever its order, its current versions are held against the clauses as one more clause, out of the sets of
// the type's rows and of what is superseded. So a search costs what the current versions cost.

// Rows of a type are counted again when so many versions, and a tenth of them, have been written since.
const recountAfter = 500

// mostlyClosed tells whether most rows of the type belong to superseded versions.
func (x chooser) mostlyClosed() (bool, error) {
	v := x.View()
	if v == nil || x.Living < 0 || x.Living > int64(x.Bounds.Rows) {
		return false, nil
	}
	most := 2*int(x.Living) + x.Bounds.Tried
	known, counted := v.TypeRows(x.Ledger)
	since := x.Snapshot - known.At
	if counted && (!known.More && int64(known.Rows)+max(since, 0) <= int64(most) ||
		since <= max(recountAfter, int64(known.Rows)/10)) {
		return known.More || known.Rows > most, nil
	}
	s := x.Statement()
	sql := "select count(*) from (select 1 from " + s.Table("term") + " t where t.key = " + s.Arg(x.Ledger) +
		" limit " + s.Arg(int64(most)+1) + ") y"
	rows, err := x.Number(s, sql)
	if err != nil {
		return false, err
	}
	v.NoteTypeRows(x.Ledger, sets.TypeRows{Rows: int(rows), More: int(rows) > most, At: x.Snapshot})
	return int(rows) > most, nil
}

// onlyCurrent are the current versions of the type as a clause where most of its rows are superseded, and no other
// clause is known to find fewer; nil elsewhere, or where they can't be had.
func (x chooser) onlyCurrent(o step.Order) (*clause.Access, error) {
	if least := step.Least(x.Counting()); least != nil && least.Count >= 0 && !least.Assumed &&
		least.Count <= min(x.Bounds.Few, int(x.Living)) {
		return nil, nil
	}
	// the codings are walked one by one
	if byToken := x.By == step.OrderToken || x.By == step.OrderSeveral && !x.Walkable(o.Keys[0]); byToken &&
		x.Living > int64(x.Bounds.Few) {
		return nil, nil
	}
	mostly, err := x.mostlyClosed()
	if !mostly || err != nil {
		return nil, err
	}
	return x.currentClause()
}

// currentClause are the current versions of the type as a clause; nil where they can't be had.
func (x chooser) currentClause() (*clause.Access, error) {
	found, err := x.View().CurrentOf(x.Ledger)
	if found == nil || err != nil {
		return nil, err
	}
	a := clause.HeldAs("what is current of "+x.Wanted.Type, found)
	if a.Count <= x.Bounds.Many {
		a.ByID, a.Current, a.Sids = true, true, sets.SidsIn(found, x.Origin())
	} else { // too many to stand in a statement, and each version that is asked is current anyway
		a.Ledger, a.Updated, a.Spans = x.Ledger, []sets.Interval{{Low: math.MinInt64, High: math.MaxInt64}},
			[]sets.Interval{{Low: math.MinInt64, High: math.MaxInt64}}
	}
	return a, nil
}

// askCurrent is the same search, asked of the current versions alone. Clauses of many keys are read now: no order
// merges their keys any more.
func (x chooser) askCurrent(current *clause.Access) (chooser, error) {
	x.Ask = x.Also(current)
	return x, x.readManyKeys()
}

// rowsOfType is how many rows a walk of the type meets, as far as that is known.
func (x chooser) rowsOfType() int64 {
	rows := x.Living
	if counted, known := x.View().TypeRows(x.Ledger); known {
		rows = max(rows, int64(counted.Rows))
	}
	return rows
}

// newestSids is how many of the versions that were written last are looked at, to see whether they are superseded.
const newestSids = 1 << 12

// newestClosed tells whether many of the versions that were written last are superseded already: created, and deleted
// or updated soon. As a rule it asks no statement.
func (x chooser) newestClosed() (bool, error) {
	v := x.View()
	if v == nil || x.Snapshot-x.Origin() < int64(x.Bounds.Tried) {
		return false, nil
	}
	closed, upTo := v.Superseded()
	if closed == nil || x.Snapshot-upTo > newestSids/4 {
		s, err := v.AsOf(false)
		if s == nil || err != nil {
			return false, err
		}
		closed = s.Without
	}
	end := x.Snapshot - x.Origin() + 1
	first := max(end-newestSids, 0)
	return 4*closed.CardinalityInRange(uint64(first), uint64(end)) > uint64(end-first), nil
}

// mayPassOver tells whether a walk may meet many superseded versions before it fills a page.
func (p *plan) mayPassOver() bool {
	return p.By == step.OrderMain && p.order.Descending && !p.inParts()
}

// passOver answers in the order of the main date where a walk would meet many superseded versions before it fills the
// page: they are passed over in memory. Done is false where it meets few, or what is current can't be had.
func (p *plan) passOver() (found []step.Match, done bool, err error) {
	many, err := p.newestClosed()
	if !many || err != nil {
		return nil, false, err
	}
	v, key := p.View(), p.WalkedKeys()[0]
	at, tried := v.Passed(key)
	if since := p.Snapshot - at; !tried || since < 0 || since > recountAfter {
		if found, done, err = p.tryWalk(p.Bounds.Tried); done || err != nil {
			return found, done, err
		}
		v.NotePassed(key)
	}
	current, err := p.currentClause()
	if current == nil || err != nil {
		return nil, false, err
	}
	x, err := p.askCurrent(current)
	if err != nil {
		return nil, false, err
	}
	x.Passing = true
	return x.combined(p.order, p.walkedOrder(), nil, step.ByValue, nil, p.limit)
}
