package step

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"binnacle/events"
	"binnacle/projections"
	"binnacle/projections/index/clause"
	"binnacle/projections/index/keys"
	"binnacle/projections/index/rows"
	"binnacle/projections/index/sql"
)

// Candidates is the FROM and WHERE of the versions, as v, that one clause finds and the others let pass.
func (x Ask) Candidates(s *sql.Statement, driver *clause.Access) string {
	if driver != nil && driver.Current {
		from, sid := s.Unnested(driver.Sids, "k")
		return " from " + from + s.Versions(sid) + " and v.ledger = " + s.Arg(x.Ledger) + " and v.deleted = 0" +
			x.Probes(s, driver, "v.sid", "(v.sid << 2)", "v.main")
	}
	from := s.Table("version") + " v where "
	if driver != nil {
		from = "(select distinct sid from (" + driver.Rows(s, x.Before()) + ") y) d" + s.Versions("d.sid") + " and "
	}
	return " from " + from + x.Current(s) + x.Probes(s, driver, "v.sid", "(v.sid << 2)", "v.main")
}

// Collect reads all versions of a clause with few rows and sorts them.
func (x Ask) Collect(o Order, driver *clause.Access, limit int) ([]Match, error) {
	s := x.Statement()
	page := fmt.Sprintf(" limit %d", limit)
	resume := x.After.Phase != Start
	tuple := func(column string, last any) string {
		sql := ""
		if resume {
			sql = " and (" + column + ", v.sid) " + o.Beyond() + " (" + s.Arg(last) + ", " + s.Arg(x.After.Sid) + ")"
		}
		return sql + " order by " + column + " " + o.Direction() + ", v.sid " + o.Direction() + page
	}
	switch o.By {
	case OrderMain:
		return x.matches(s, "select "+rows.StoredColumns+x.Candidates(s, driver)+tuple("v.main", x.Last.Main), ByValue,
			0, nil)
	case OrderUpdated:
		return x.matches(s, "select "+rows.StoredColumns+x.Candidates(s, driver)+tuple("v.at", x.Last.At), ByValue, 0,
			nil)
	case OrderID:
		return x.matches(s, "select "+rows.StoredColumns+x.Candidates(s, driver)+tuple("v.id", x.Last.ID), ByValue, 0,
			nil)
	}
	x, err := x.locateValue(o)
	if err != nil {
		return nil, err
	}
	sql := "select " + rows.StoredColumns + ", case when v.val is null then 1 else 0 end from (select " +
		rows.StoredColumns + ", " + x.value1(s, o.By, o.Keys[0], "v.sid") + " as val" +
		x.Candidates(s, driver) + ") v"
	phases, inValues, inMissing := "asc", " or v.val is null", ""
	if o.back {
		phases, inValues, inMissing = "desc", "", " or v.val is not null"
	}
	switch x.After.Phase {
	case ByValue:
		sql += " where (v.val, v.sid) " + o.Beyond() + " (" + s.Arg(x.lastValue(o)) + ", " + s.Arg(x.After.Sid) + ")" +
			inValues
	case ByMissing:
		sql += " where v.val is null and v.sid " + o.Beyond() + " " + s.Arg(x.After.Sid) + inMissing
	}
	sql += " order by case when v.val is null then 1 else 0 end " + phases + ", v.val " + o.Direction() + ", v.sid " +
		o.Direction() + page
	return x.matches(s, sql, ByValue, 1, func(m *Match, missing []int64) {
		if missing[0] != 0 {
			m.Phase = ByMissing
		}
	})
}

// CollectPhase is Collect in the order of the main date, of versions that are one phase of an order.
func (x Ask) CollectPhase(o Order, driver *clause.Access, phase Phase, limit int) ([]Match, bool, error) {
	if x.After.Phase != phase {
		x.After = Place{}
	}
	found, err := x.Collect(Order{By: OrderMain, Descending: o.Descending}, driver, limit)
	for i := range found {
		found[i].Phase = phase
	}
	return found, true, err
}

// Candidate is a version that is sorted here and not by the database.
type Candidate struct {
	Sid, main, at int64
	id            string
	values        []sortable // one per key
}

type sortable struct {
	has    bool
	number int64
	text   string
	second string
}

// Gather reads the sort values of all matches and sorts them here: orders by several keys, or by a token within few
// versions.
func (x Ask) Gather(o Order, driver *clause.Access, limit int) ([]Match, error) {
	words := x.Wanted.Type
	if driver != nil {
		words = driver.Words
	}
	x.Say("all of %s, sorted by %d keys", words, len(o.Keys))
	found, err := x.sorted(o, driver)
	if err != nil {
		return nil, err
	}
	if x.After.Phase != Start {
		at := slices.IndexFunc(found, func(c Candidate) bool { return c.Sid == x.After.Sid })
		if at < 0 {
			return nil, NotOfSnapshot(nil)
		}
		found = found[at+1:]
	}
	found = found[:min(len(found), limit)]
	return x.Load(found)
}

func compareCandidates(o Order, a, b *Candidate) int {
	for i, k := range o.Keys {
		v, w := &a.values[i], &b.values[i]
		c := 0
		switch {
		case v.has != w.has && v.has != o.back:
			return -1
		case v.has != w.has:
			return 1
		case v.has:
			c = cmp.Or(cmp.Compare(v.number, w.number), strings.Compare(v.text, w.text),
				strings.Compare(v.second, w.second))
		}
		if k.Descending {
			c = -c
		}
		if c != 0 {
			return c
		}
	}
	c := 0
	if projections.TiesByMainDate(o.Keys) {
		c = cmp.Compare(a.main, b.main)
	}
	if c == 0 {
		c = cmp.Compare(a.Sid, b.Sid)
	}
	if o.Descending {
		c = -c
	}
	return c
}

func (x Ask) readCandidates(o Order, driver *clause.Access) ([]Candidate, error) {
	s := x.Statement()
	columns := "v.sid, v.main, v.at, v.id"
	kinds := make([]OrderBy, len(o.Keys))
	for i, k := range o.Keys {
		one, err := OrderOf([]projections.SortKey{k})
		if err != nil {
			return nil, err
		}
		kinds[i] = one.By
		if one.By == OrderDate || one.By == OrderString {
			columns += ", " + x.value1(s, one.By, k, "v.sid")
		}
	}
	sql := "select " + columns + x.Candidates(s, driver) + fmt.Sprintf(" limit %d", x.Bounds.Sorted+1)
	var found []Candidate
	err := x.Query(s, sql, func(scan func(...any) error) error {
		c := Candidate{values: make([]sortable, len(o.Keys))}
		into := []any{&c.Sid, &c.main, &c.at, &c.id}
		// nil: no value; an empty text is one
		numbers, texts := make([]*int64, len(o.Keys)), make([]*[]byte, len(o.Keys))
		for i := range kinds {
			switch kinds[i] {
			case OrderDate:
				into = append(into, &numbers[i])
			case OrderString:
				into = append(into, &texts[i])
			}
		}
		if err := scan(into...); err != nil {
			return err
		}
		for i := range kinds {
			switch {
			case kinds[i] == OrderID:
				c.values[i] = sortable{has: true, text: c.id}
			case kinds[i] == OrderUpdated:
				c.values[i] = sortable{has: true, number: c.at}
			case numbers[i] != nil:
				c.values[i] = sortable{has: true, number: *numbers[i]}
			case texts[i] != nil:
				c.values[i] = sortable{has: true, text: string(*texts[i])}
			}
		}
		found = append(found, c)
		return nil
	})
	if err == nil && len(found) > x.Bounds.Sorted {
		err = events.Errorf(events.TooCostly, Op, "more than %d versions match, too many for this order; sort by one "+
			"parameter, or narrow the search", x.Bounds.Sorted)
	}
	return found, err
}

// codingsAtOnce is up to how many codings each version may be asked for.
const codingsAtOnce = 1_000

// tokenValues fills in the codings that candidates are sorted by.
func (x *Whole) tokenValues(found []Candidate, at int, key projections.SortKey) error {
	for _, dictionary := range x.Kept(x.Ledger, key.Param, key.Shares) {
		if err := x.tokenValuesOf(found, at, key, dictionary); err != nil {
			return err
		}
	}
	return nil
}

// tokenValuesOf fills in the codings of one dictionary, where they come before those that are there.
func (x *Whole) tokenValuesOf(found []Candidate, at int, key projections.SortKey, dictionary int64) error {
	if len(found) == 0 {
		return nil
	}
	codings, err := x.readCodings(x.Statement(), func(s *sql.Statement) string {
		return "d.param = " + s.Arg(dictionary) + fmt.Sprintf(" limit %d", x.Bounds.Few)
	})
	if err != nil {
		return err
	}
	flag, last := keys.Smallest, x.sortedByLargest(key.Descending)
	if last {
		flag = keys.Largest
	}
	sids := make([]int64, len(found))
	index := make(map[int64]int, len(found))
	for i := range found {
		sids[i], index[found[i].Sid] = found[i].Sid, i
	}
	s := x.Statement()
	query := "select v.sid, d.code, d.system from "
	// ask each version for each coding
	if len(codings)*len(found) <= 10*x.Bounds.Sorted && len(codings) < codingsAtOnce {
		query += s.Table("version") + " v cross join " + s.Table("coding") + " d where v.sid " + s.In(sids) +
			" and d.param = " + s.Arg(dictionary) +
			" and exists (select 1 from " + s.Table("term") +
			" p where p.key = d.key and p.sort = v.main and p.ref >= (v.sid << 2) and p.ref <= (v.sid << 2) + 3 " +
			fmt.Sprintf("and (p.ref & %d) <> 0", flag) + sql.Once + ")"
	} else { // read all versions of all codings
		query = "select (t.ref >> 2), d.code, d.system from " + s.Table("coding") + " d cross join " + s.Table("term") +
			" t where d.param = " + s.Arg(dictionary) +
			fmt.Sprintf(" and t.key = d.key and (t.ref & %d) <> 0 and (t.ref >> 2) ", flag) + s.In(sids)
	}
	return x.Query(s, query, func(scan func(...any) error) error {
		var sid int64
		var code, system []byte
		if err := scan(&sid, &code, &system); err != nil {
			return err
		}
		best, value := &found[index[sid]].values[at], sortable{has: true, text: string(code), second: string(system)}
		if after := cmp.Or(strings.Compare(value.text, best.text),
			strings.Compare(value.second, best.second)); !best.has || after < 0 && !last || after > 0 && last {
			*best = value
		}
		return nil
	})
}

// Load reads the versions of candidates, in their order.
func (x *Whole) Load(found []Candidate) ([]Match, error) {
	if len(found) == 0 {
		return nil, nil
	}
	sids := sidsOf(found)
	s := x.Statement()
	rows, err := x.matches(s, "select "+rows.StoredColumns+" from "+s.Table("version")+" v where v.sid "+s.In(sids),
		ByValue, 0, nil)
	return inOrder(sids, rows), err
}

func sidsOf(found []Candidate) []int64 {
	sids := make([]int64, len(found))
	for i := range found {
		sids[i] = found[i].Sid
	}
	return sids
}

// inOrder returns the matches in the order of the Sids, as far as they are there.
func inOrder(sids []int64, rows []Match) []Match {
	index := make(map[int64]*Match, len(rows))
	for i := range rows {
		index[rows[i].Sid] = &rows[i]
	}
	ordered := make([]Match, 0, len(rows))
	for _, sid := range sids {
		if m := index[sid]; m != nil {
			ordered = append(ordered, *m)
		}
	}
	return ordered
}
