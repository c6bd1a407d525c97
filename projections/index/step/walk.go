package step

import (
	"fmt"
	"math"
	"strings"

	"binnacle/projections"
	"binnacle/projections/index/clause"
	"binnacle/projections/index/keys"
	"binnacle/projections/index/rows"
	"binnacle/projections/index/sets"
	"binnacle/projections/index/sql"
)

// WalkMain reads the term rows of one clause, or the type list, in the order of the main date.
func (x Ask) WalkMain(o Order, limit int) ([]Match, error) {
	return x.walkKeys(x.WalkedKeys(), x.Walked(), o, ByValue, x.After.Phase == ByValue, limit)
}

// WalkedKeys are the keys whose rows are walked in the order of the main date.
func (x Ask) WalkedKeys() []int64 {
	if walked := x.Walked(); walked != nil {
		return walked.WalkKeys()
	}
	return []int64{x.Ledger}
}

// Walked is the clause whose rows are walked in the order of the main date; nil: the type's.
func (x Ask) Walked() *clause.Access {
	var driver *clause.Access
	for _, a := range x.Positive() {
		if a.WalkKeys() != nil && (driver == nil || a.Count < driver.Count) {
			driver = a
		}
	}
	return driver
}

// walkKeys reads term rows in the order of the main date. Rows that have the driver's keys need no probe for it.
func (x Ask) walkKeys(
	keys []int64, driver *clause.Access, o Order, phase Phase, resume bool, limit int,
) ([]Match, error) {
	if len(keys) > sql.Inline {
		return x.walkMerged(keys, driver, o, phase, resume, limit)
	}
	s := x.Statement()
	stretches := make([]string, len(keys))
	for i, key := range keys {
		stretches[i] = x.termStretch(s, key, driver, o, resume, limit)
	}
	from := stretches[0]
	if len(keys) > 1 { // a version may have several of the keys
		for i := range stretches {
			stretches[i] = "select * from (" + stretches[i] + ") y"
		}
		from = fmt.Sprintf("select distinct u.val as val, u.ref as ref from (%s) u order by val %s, ref %s limit %d",
			strings.Join(stretches, " union all "), o.Direction(), o.ties(), limit)
	}
	sql := "select " + rows.StoredColumns + " from (" + from + ") w" + s.Versions("(w.ref >> 2)") + " and v.ledger = " +
		s.Arg(x.Ledger) +
		" order by w.val " + o.Direction() + ", w.ref " + o.ties()
	return x.matches(s, sql, phase, 0, nil)
}

// termStretch is a SELECT of val (the main date) and ref (without flags) from the rows of one key.
func (x Ask) termStretch(s *sql.Statement, key int64, driver *clause.Access, o Order, resume bool, limit int) string {
	return "select t.sort as val, (t.ref - (t.ref & 3)) as ref from " + s.Table("term") + " t where t.key = " +
		s.Arg(key) + x.Stretch(s, "t", driver, o, resume) +
		" and " + x.visible(s, "(t.ref >> 2)") + x.Probes(s, driver, "(t.ref >> 2)", "(t.ref - (t.ref & 3))",
		"t.sort") +
		fmt.Sprintf(" order by t.sort %s, t.ref %s limit %d", o.Direction(), o.ties(), limit)
}

// Stretch are the conditions that bound the term rows of a key before any of them is looked at. Each end is bounded
// once: SQLite begins at one of several bounds, and not at the closest.
func (x Ask) Stretch(s *sql.Statement, row string, driver *clause.Access, o Order, resume bool) string {
	sql := " and " + row + ".ref < " + s.Arg(x.Before())
	r := x.MainBetween(driver)
	switch {
	case resume && o.crossed: // what shares the main date goes on in the other direction
		last := s.Arg(x.Last.Main)
		sql += " and " + row + ".sort " + o.Beyond() + "= " + last + " and (" + row + ".sort <> " + last + " or " +
			row + ".ref " + o.opposite().Beyond() + " " + s.Arg(x.edgeRef(o.opposite())) + ")"
	case resume:
		sql += " and (" + row + ".sort, " + row + ".ref) " + o.Beyond() + " (" + s.Arg(x.Last.Main) + ", " +
			s.Arg(x.edgeRef(o)) + ")"
	}
	if x.Reach != nil { // a row of the stretch, so that it is the closest bound at this end
		sql += " and (" + row + ".sort, " + row + ".ref) " + o.opposite().Beyond() + "= (" + s.Arg(x.Reach.Value) +
			", " + s.Arg(x.Reach.Sid) + ")"
	}
	low, high := r.Low > math.MinInt64, r.High < math.MaxInt64
	if low && (o.Descending && x.Reach == nil || !o.Descending && !resume) {
		sql += " and " + row + ".sort >= " + s.Arg(r.Low)
	}
	if high && (!o.Descending && x.Reach == nil || o.Descending && !resume) {
		sql += " and " + row + ".sort <= " + s.Arg(r.High)
	}
	return sql
}

// MainBetween is where the main date may lie, by all clauses that bound it but one, and by what [Ask] says.
func (x Ask) MainBetween(but *clause.Access) sets.Interval {
	r := sets.Interval{Low: math.MinInt64, High: math.MaxInt64}
	if x.within != nil {
		r = *x.within
	}
	for _, a := range x.Accesses {
		if a.Aligned && a != but {
			r.Low, r.High = max(r.Low, a.Main.Low), min(r.High, a.Main.High)
		}
	}
	return r
}

func (x *Whole) visible(s *sql.Statement, sid string) string { return s.Visible(sid, x.Snapshot) }

// edgeRef is the ref that the next page's refs lie beyond: flags must not bring the last version again.
func (x Ask) edgeRef(o Order) int64 {
	ref := x.After.Sid << keys.RefBits
	if !o.Descending {
		ref |= keys.Smallest | keys.Largest
	}
	return ref
}

// Current is the condition on version rows that they are of this type and current at the snapshot.
func (x *Whole) Current(s *sql.Statement) string {
	return "v.ledger = " + s.Arg(x.Ledger) + " and v.sid <= " + s.Arg(x.Snapshot) + " and v.deleted = 0 and " +
		x.visible(s, "v.sid")
}

// WalkUpdated reads the versions of the type by lastUpdated, which is the order of the Sids. only, when given, is one
// more clause.
func (x Ask) WalkUpdated(o Order, only *clause.Access, phase Phase, limit int) ([]Match, error) {
	s := x.Statement()
	sql := "select " + rows.StoredColumns + " from " + s.Table("version") + " v where " + x.Current(s)
	if x.After.Phase == phase {
		sql += " and (v.at, v.sid) " + o.Beyond() + " (" + s.Arg(x.Last.At) + ", " + s.Arg(x.After.Sid) + ")"
	}
	for _, a := range x.Accesses {
		for _, u := range a.Updated {
			if len(a.Updated) == 1 && !a.Negate {
				sql += " and v.at >= " + s.Arg(u.Low) + " and v.at <= " + s.Arg(u.High)
			}
		}
	}
	if only != nil {
		sql += " and " + only.Probe(s, "v.sid", "(v.sid << 2)", "v.main", x.Before())
	}
	sql += x.Probes(s, nil, "v.sid", "(v.sid << 2)", "v.main") +
		fmt.Sprintf(" order by v.at %s, v.sid %s limit %d", o.Direction(), o.Direction(), limit)
	return x.matches(s, sql, phase, 0, nil)
}

// WalkIDs reads the versions of the type by id, of a later page those that compare in this way with the end of the one
// before.
func (x Ask) WalkIDs(o Order, beyond string, limit int) ([]Match, error) {
	s := x.Statement()
	sql := "select " + rows.StoredColumns + " from " + s.Table("version") + " v where " + x.Current(s)
	switch {
	case x.After.Phase == Start:
	case x.Elsewhere(): // a version of this type may have the same id
		last := s.Arg(x.Last.ID)
		sql += " and v.id " + o.Beyond() + "= " + last + " and (v.id <> " + last + " or v.sid " + o.Beyond() + " " +
			s.Arg(x.After.Sid) + ")"
	default:
		sql += " and v.id " + beyond + " " + s.Arg(x.Last.ID)
	}
	sql += x.Probes(s, nil, "v.sid", "(v.sid << 2)", "v.main") +
		fmt.Sprintf(" order by v.id %s limit %d", o.Direction(), limit)
	return x.matches(s, sql, ByValue, 0, nil)
}

// WalkCodings reads the codings of a token parameter in order, the versions of each by main date, then the versions
// that have none.
func (x Ask) WalkCodings(o Order, limit int) ([]Match, error) {
	x.Say("in the order of %s%s", o.words(), x.Checked(nil))
	dictionary := x.Kept(x.Ledger, o.Keys[0].Param, o.Keys[0].Shares)[0]
	x, err := x.locateCoding(o, dictionary)
	if err != nil {
		return nil, err
	}
	found, _, err := x.InPhases(limit, func(phase Phase, limit int) (found []Match, done bool, err error) {
		if phase == ByMissing {
			found, err = x.walkWithoutCoding(o, limit)
		} else {
			found, err = x.walkWithCoding(o, dictionary, limit)
		}
		return found, true, err
	})
	return found, err
}

// walkWithCoding reads the versions of the codings in their order.
func (x Ask) walkWithCoding(o Order, dictionary int64, limit int) (found []Match, err error) {
	var from *coding
	if x.After.Phase == byCoding {
		c, err := x.codingOf(dictionary, x.After.Coding)
		if err != nil {
			return nil, err
		}
		from = &c
		if found, err = x.codingRows(o, []coding{c}, true, limit); err != nil || len(found) == limit {
			return found, err
		}
	}
	for at := 4; ; at = min(4*at, 64) {
		codings, err := x.nextCodings(dictionary, o, from, at)
		if err != nil || len(codings) == 0 {
			return found, err
		}
		rows, err := x.codingRows(o, codings, false, limit-len(found))
		if err != nil {
			return nil, err
		}
		if found = append(found, rows...); len(found) == limit {
			return found, nil
		}
		from = &codings[len(codings)-1]
	}
}

// walkWithoutCoding reads the versions that have no coding, by main date.
func (x Ask) walkWithoutCoding(o Order, limit int) ([]Match, error) {
	missing, err := x.Resolver().Lacking(o.Keys[0].Param)
	if err != nil || missing.Empty() {
		return nil, err
	}
	resume := x.After.Phase == ByMissing
	o = o.within()
	if keys := missing.WalkKeys(); keys != nil {
		return x.walkKeys(keys, nil, o, ByMissing, resume, limit)
	}
	return x.Also(missing).walkKeys([]int64{x.Ledger}, nil, o, ByMissing, resume, limit)
}

// locateCoding finds the coding that the page before ended in where it was found in another way: by sorting, which does
// not tell.
func (x Ask) locateCoding(o Order, dictionary int64) (Ask, error) {
	if x.After.Phase != ByValue {
		return x, nil
	}
	known, err := x.known(o, []int64{x.After.Sid})
	if err != nil || len(known) == 0 {
		return x, NotOfSnapshot(err)
	}
	value := known[0].values[0]
	if !value.has {
		x.After.Phase = ByMissing
		return x, nil
	}
	found, err := x.readCodings(x.Statement(), func(s *sql.Statement) string {
		return "d.param = " + s.Arg(dictionary) + " and d.code = " + s.Arg([]byte(value.text)) + " and d.system = " +
			s.Arg([]byte(value.second)) + " limit 1"
	})
	if err != nil || len(found) == 0 {
		return x, NotOfSnapshot(err)
	}
	x.After.Phase, x.After.Coding = byCoding, found[0].key
	return x, nil
}

// coding is an entry of the dictionary.
type coding struct {
	key          int64
	code, system string
}

// codingRows reads the versions of codings, one coding after the other.
func (x Ask) codingRows(o Order, codings []coding, resume bool, limit int) ([]Match, error) {
	s := x.Statement()
	flag := keys.Smallest
	if x.sortedByLargest(o.Descending) {
		flag = keys.Largest
	}
	inner := o.within()
	var stretches []string
	for i, c := range codings {
		stretch := x.termStretch(s, c.key, nil, inner, resume, limit)
		stretch = strings.Replace(stretch, " where ", fmt.Sprintf(" where (t.ref & %d) <> 0 and ", flag), 1)
		stretches = append(stretches, fmt.Sprintf("select %d as turn, y.* from (%s) y", i, stretch))
	}
	sql := "select " + rows.StoredColumns + ", w.turn from (select turn, val, ref from (" +
		strings.Join(stretches, " union all ") + ") u " +
		fmt.Sprintf("order by turn, val %s, ref %s limit %d", inner.Direction(), inner.ties(), limit) + ") w" +
		s.Versions("(w.ref >> 2)") +
		" and v.ledger = " + s.Arg(x.Ledger) + " order by w.turn, w.val " + inner.Direction() + ", w.ref " +
		inner.ties()
	return x.matches(s, sql, byCoding, 1, func(m *Match, extra []int64) { m.Coding = codings[extra[0]].key })
}

func (x *Whole) codingOf(dictionary, key int64) (coding, error) {
	found, err := x.readCodings(x.Statement(), func(s *sql.Statement) string {
		return "d.param = " + s.Arg(dictionary) + " and d.key = " + s.Arg(key) + " limit 1"
	})
	if err == nil && len(found) == 0 {
		_, err = ParsePlace(&projections.Query{After: "-"})
	}
	if err != nil {
		return coding{}, err
	}
	return found[0], nil
}

func (x *Whole) nextCodings(dictionary int64, o Order, from *coding, limit int) ([]coding, error) {
	return x.readCodings(x.Statement(), func(s *sql.Statement) string {
		sql := "d.param = " + s.Arg(dictionary)
		if from != nil {
			sql += " and (d.code, d.system, d.key) " + o.Beyond() + " (" + s.Arg([]byte(from.code)) + ", " +
				s.Arg([]byte(from.system)) + ", " + s.Arg(from.key) + ")"
		}
		return sql + fmt.Sprintf(" order by d.code %s, d.system %s, d.key %s limit %d", o.Direction(), o.Direction(),
			o.Direction(), limit)
	})
}

func (x *Whole) readCodings(s *sql.Statement, where func(*sql.Statement) string) ([]coding, error) {
	var found []coding
	sql := "select d.key, d.code, d.system from " + s.Table("coding") + " d where " + where(s)
	err := x.Query(s, sql, func(scan func(...any) error) error {
		var c coding
		var code, system []byte
		if err := scan(&c.key, &code, &system); err != nil {
			return err
		}
		c.code, c.system = string(code), string(system)
		found = append(found, c)
		return nil
	})
	return found, err
}

// SayWalk tells which rows are walked.
func (x Ask) SayWalk() {
	driver, words := x.Walked(), x.Wanted.Type
	if driver != nil {
		words = driver.Words
	}
	x.Say("%s in the order of the main date%s", words, x.Checked(driver))
}
