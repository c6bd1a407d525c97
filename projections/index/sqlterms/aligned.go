package sqlterms

import (
	"math"

	"binnacle/projections"
	"binnacle/projections/index/keys"
	"binnacle/projections/index/sets"
	"binnacle/projections/index/sql"
)

// alignedDate bounds the main date by a clause of the parameter that it comes from.
func (x scope) alignedDate(param int64, code string, v projections.Value, a *access) {
	a.main = sets.Interval{Low: math.MinInt64, High: math.MaxInt64}
	for _, sc := range a.scans {
		if sc.key == x.Of(param, keys.RoleShort) {
			a.main = sets.Interval{Low: sc.min, High: sc.max}
		}
	}
	a.aligned = true
	x.marked(x.Of(param, keys.RoleUnaligned), func() { a.aligned = false })
	var lacking access // the versions without the parameter: of them the main date tells nothing
	x.shapesWith(code, false, &lacking)
	x.after = append(x.after, func() error {
		if a.sure = nil; a.aligned && lacking.empty() {
			a.sure = x.sureDates(param, a.scans)
		}
		return nil
	})
}

// sureDates is where a main date answers a clause of the parameter it comes from, wherever within a day the value ends; nil: nowhere.
func (x *resolver) sureDates(param int64, scans []scan) *sets.Interval {
	for _, sc := range scans {
		if sc.key != x.Of(param, keys.RoleShort) {
			continue
		}
		sure := sets.Interval{Low: sc.min, High: sc.max}
		switch sc.also {
		case always:
		case eitherHi, highGT:
			sure.Low = max(sure.Low, sc.a)
		case eitherLo:
			sure.High = min(sure.High, sc.a-1)
		case highLE:
			sure.High = min(sure.High, sc.a-keys.ShortSpan)
		default:
			continue
		}
		if sure.Low <= sure.High {
			return &sure
		}
	}
	return nil
}

// marked looks for a mark in the dictionary of codings.
func (x *resolver) marked(mark int64, found func()) {
	x.lookups = append(x.lookups, lookup{
		sql: func(s *sql.Statement) string {
			return "select d.key, " + s.NoBytes() + ", 0 from " + s.Table("coding") + " d where d.param = " + s.Arg(mark)
		},
		take: func(int64, string, int64) { found() },
	})
}

// dateOrder is what an order by a date parameter needs to know of it.
type dateOrder struct {
	param         int64
	main          bool   // the query tells that its earliest start is the main date of every version that has it
	aligned       bool   // that is so, and its order that of the main date
	marks         bool   // the index tells of which parameters some version has several values
	several       bool   // it is one of these
	with, without access // the versions that have it, that lack it
}

// dateOrder looks up what an order by a parameter needs to know.
func (x *resolver) dateOrder(key projections.SortKey) *dateOrder {
	own := scope{x, x.LedgerOf(x.q.Tenant, x.q.Type), x.q.Type}
	code := key.Param
	d := &dateOrder{aligned: true, main: key.MainDate, param: x.Kept(own.ledger, code, key.Shares)[0]}
	d.with = *newAccess(code)
	d.without = *newAccess(code + ":missing")
	x.marked(x.Of(d.param, keys.RoleUnaligned), func() { d.aligned = false })
	x.marked(x.Of(d.param, keys.RoleSeveral), func() { d.several = true })
	x.marked(x.Of(keys.FirstSid(int32(x.Partition)), keys.RoleMarked), func() { d.marks = true })
	own.shapesWith(code, true, &d.with)
	own.shapesWith(code, false, &d.without)
	return d
}

// lacking is the access to the versions of the query's type without a parameter.
func (x *resolver) lacking(code string) (*access, error) {
	a := newAccess(code + ":missing")
	scope{x, x.LedgerOf(x.q.Tenant, x.q.Type), x.q.Type}.shapesWith(code, false, a)
	return a, x.runLookups()
}
