package search

import (
	"fmt"

	"binnacle/projections"
	"binnacle/projections/index/clause"
	"binnacle/projections/index/keys"
	"binnacle/projections/index/sql"
	"binnacle/projections/index/step"
)

// countBack is the number of later versions up to which the number of resources at an earlier snapshot is worked out.
const countBack = 10_000

// estimateRows is how many rows of a clause an estimate looks at.
const estimateRows = 20_000

// total counts the matches at the snapshot as far as the query wants it; -1 when it is not counted.
func (x chooser) total(page *projections.Page, living int64) (int64, error) {
	q := x.Wanted
	switch {
	case q.Total == projections.TotalNone:
		return -1, nil
	case x.Nothing != "":
		return 0, nil
	case q.Limit > 0 && page.After == "" && page.Next == "":
		return int64(len(page.Versions)), nil
	case len(x.Accesses) == 0:
		if living >= 0 {
			return living, nil
		}
		n, err := x.livingThen()
		if err != nil || n >= 0 || q.Total == projections.TotalCheap && q.Limit > 0 {
			return n, err
		}
		return x.countAll()
	case q.Total == projections.TotalEstimate:
		return x.estimate()
	case q.Total == projections.TotalAccurate, q.Limit == 0:
		return x.countAll()
	}
	return -1, nil
}

// livingThen takes what happened since the snapshot from the counter; -1 when that is too much.
func (x chooser) livingThen() (int64, error) {
	s := x.Statement()
	end := (x.Partition + 1) << projections.SidBits
	later := "from " + s.Table("version") + " v where v.sid > " + s.Arg(x.Snapshot) + " and v.sid < " + s.Arg(end)
	ledger := s.Arg(x.Ledger)
	sql := "select coalesce((select n.living from " + s.Table("counter") + " n where n.ledger = " + ledger +
		"), 0), count(*), " +
		"coalesce(sum(case when v.ledger <> " + ledger + " then 0 else (1 - v.deleted) - (case when v.supersedes <> " +
		"0 and o.deleted = 0 then 1 else 0 end) end), 0) " +
		fmt.Sprintf("from (select v.ledger, v.deleted, v.supersedes %s limit %d) v left join ", later, countBack+1) +
		s.Table("version") + " o on o.sid = v.supersedes"
	var living, versions, gained int64
	err := x.Query(s, sql, func(scan func(...any) error) error { return scan(&living, &versions, &gained) })
	if err != nil || versions > countBack {
		return -1, err
	}
	return living - gained, nil
}

// countAll counts exactly.
func (x chooser) countAll() (int64, error) {
	if n, known, err := x.countDates(); known || err != nil {
		return n, err
	}
	if !x.Counted {
		if err := x.asking(x.Walking(step.OrderSeveral)).count(); err != nil {
			return 0, err
		}
		if x.Nothing != "" {
			return 0, nil
		}
	}
	if n, words, known, err := x.countSets(); known || err != nil {
		x.Say("counted over %s", words)
		return n, err
	}
	s := x.Statement()
	driver := x.countDriver()
	var sql string
	switch {
	case driver == nil:
		sql = "select count(*) from " + x.termRows(s, x.Ledger, nil)
		x.Say("counted over %s", x.Wanted.Type)
	case len(driver.WalkKeys()) == 1 && len(x.Accesses) == 1:
		x.Say("counted over %s", driver.Words)
		return x.countKey(driver.WalkKeys()[0])
	case len(driver.WalkKeys()) == 1:
		sql = "select count(*) from " + x.termRows(s, driver.WalkKeys()[0], driver)
		x.Say("counted over %s", driver.Words)
	default:
		sql = "select count(*)" + x.Candidates(s, driver)
		x.Say("counted over %s", driver.Words)
	}
	return x.Number(s, sql)
}

// countSets counts with sets, and says what; known is false where there are none to begin with.
func (x chooser) countSets() (n int64, words string, known bool, err error) {
	sets, _ := x.Settable(false)
	if len(sets) == 0 {
		return 0, "", false, nil
	}
	t, err := x.Intersect(nil, true)
	if t == nil || err != nil || len(t.Left) > 0 && t.Count() > x.Bounds.Sorted {
		return 0, "", false, err
	}
	words = x.Describe(t) + step.CheckedFor(t.Left)
	if len(t.Left) == 0 || t.Count() == 0 {
		return int64(t.Count()), words, true, nil
	}
	s := x.Statement()
	from, column := s.Unnested(t.Access("").Sids, "k")
	sql := "select count(*) from " + from + s.Versions(column) + " and v.ledger = " + s.Arg(x.Ledger) +
		" and v.deleted = 0" + x.With(t.Left).Probes(s, nil, "v.sid", "(v.sid << 2)", "v.main")
	n, err = x.Number(s, sql)
	return n, words, true, err
}

// countBehind is up to how many versions, closed ones or those since the last sweep, countKey asks one by one.
const countBehind = 20_000

// countKey counts the current versions that have a key. To count the rows of a stretch costs a tenth of asking for
// each row whether it is closed. So all rows are counted, and the closed ones taken off, where these are few: all that
// are closed, or those since the last sweep, because what is swept has no rows any more. Else each row is asked for.
// One statement counts and takes off: between two of them rows may disappear.
func (x chooser) countKey(key int64) (int64, error) {
	s := x.Statement()
	window, closed := int64(0), int64(0)
	few := max(min(x.Living/8, countBehind), 0)
	err := x.Query(s, "select "+s.Arg(x.Snapshot)+" - p.swept, "+fmt.Sprintf(
		"(select count(*) from (select 1 from %s c limit %d) y)", s.Table("closed"), few+1)+
		" from "+s.Table("position")+" p where p.partition = "+s.Arg(x.Partition),
		func(scan func(...any) error) error { return scan(&window, &closed) })
	if err != nil {
		return 0, err
	}
	s = x.Statement()
	rows := func() string {
		return s.Table("term") + " t where t.key = " + s.Arg(key) + " and t.ref < " + s.Arg(x.Before())
	}
	taken := func(from string) string { // off: of the superseded versions, as v, those that have the key
		return "select (select count(*) from " + rows() + ") - (select count(*) from " + from + " and v.ledger = " +
			s.Arg(x.Ledger) + " and exists (select 1 from " + s.Table("term") +
			" p where p.key = " + s.Arg(key) + " and p.sort = v.main and p.ref >= (v.sid << 2) and p.ref <= (v.sid " +
			"<< 2) + 3" + sql.Once + "))"
	}
	switch {
	case closed <= few:
		return x.Number(s, taken(s.Table("closed")+" c cross join "+s.Table("version")+
			" v where v.sid = c.sid and c.by_sid <= "+s.Arg(x.Snapshot)))
	case window <= few:
		return x.Number(s, taken(s.Table("position")+" k cross join "+s.Table("version")+" n cross join "+
			s.Table("version")+" v where k.partition = "+s.Arg(x.Partition)+
			" and n.sid > k.swept and n.sid >= "+s.Arg(keys.FirstSid(int32(x.Partition)))+
			" and n.sid <= "+s.Arg(x.Snapshot)+" and n.supersedes <> 0 and v.sid = n.supersedes"))
	}
	return x.Number(s, "select count(*) - count(c.sid) from "+s.Table("term")+" t left join "+s.Table("closed")+
		" c on c.sid = (t.ref >> 2) and c.by_sid <= "+s.Arg(x.Snapshot)+
		" where t.key = "+s.Arg(key)+" and t.ref < "+s.Arg(x.Before()))
}

// countDriver is the clause with the fewest rows; one that was not counted will do when there is no other.
func (x chooser) countDriver() *clause.Access {
	var driver *clause.Access
	for _, a := range x.Positive() {
		if !a.Readable() {
			continue
		}
		if driver == nil || a.Count >= 0 && (driver.Count < 0 || a.Count < driver.Count) {
			driver = a
		}
	}
	return driver
}

// termRows is the FROM and WHERE of the matches among the term rows of one key, which has the main date in its sort
// column.
func (x chooser) termRows(s *sql.Statement, key int64, driver *clause.Access) string {
	return s.Table("term") + " t where t.key = " + s.Arg(key) + " and t.ref < " + s.Arg(x.Before()) + " and " +
		s.VisibleOfAll("(t.ref >> 2)", x.Snapshot) +
		x.Probes(s, driver, "(t.ref >> 2)", "(t.ref - (t.ref & 3))", "t.sort")
}

// estimate counts exactly where a clause has few rows, and otherwise takes the share of matches among the first of them
// for that of all.
func (x chooser) estimate() (int64, error) {
	if n, known, err := x.countDates(); known || err != nil {
		return n, err
	}
	if !x.Counted {
		if err := x.asking(x.Walking(step.OrderSeveral)).count(); err != nil || x.Nothing != "" {
			return 0, err
		}
	}
	driver := x.countDriver()
	words := x.Wanted.Type
	if driver != nil {
		words = driver.Words
	}
	s := x.Statement()
	all, err := x.Number(s, "select count(*) from ("+x.rowsOf(s, driver)+") y")
	if err != nil || all <= estimateRows {
		if err == nil {
			return x.countAll()
		}
		return -1, err
	}
	x.Say("estimated over %s", words)
	s = x.Statement()
	matched, err := x.Number(s, fmt.Sprintf("select count(*) from (select sid from (%s) y limit %d) d",
		x.rowsOf(s, driver), estimateRows)+s.Versions("d.sid")+
		" and "+x.Current(s)+x.Probes(s, driver, "v.sid", "(v.sid << 2)", "v.main"))
	return int64(float64(matched) / estimateRows * float64(all)), err
}

// rowsOf is a SELECT of the Sids that a clause finds; nil: of all versions of the type.
func (x chooser) rowsOf(s *sql.Statement, driver *clause.Access) string {
	if driver != nil {
		return driver.Rows(s, x.Before())
	}
	return "select (t.ref >> 2) as sid from " + s.Table("term") + " t where t.key = " + s.Arg(x.Ledger)
}
