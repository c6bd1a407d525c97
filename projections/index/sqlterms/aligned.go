package sqlterms

import (
	"math"

	"binnacle/projections"
	"binnacle/projections/index/keys"
	"binnacle/projections/index/sql"
)

// alignedDate bounds the main date by a clause of the parameter that it comes from.
func (x scope) alignedDate(param int64, code string, v projections.Value, a *access) {
	a.main = interval{math.MinInt64, math.MaxInt64}
	for _, sc := range a.scans {
		if sc.key == x.Of(param, keys.RoleShort) {
			a.main = interval{sc.min, sc.max}
		}
	}
	a.aligned = true
	x.marked(x.Of(param, keys.RoleUnaligned), func() { a.aligned = false })
	var lacking access // the versions without the parameter: of them the main date tells nothing
	x.shapesWith(code, false, &lacking)
	x.afterLookups = append(x.afterLookups, func() error {
		if a.sure = nil; a.aligned && lacking.empty() {
			a.sure = x.sureDates(param, a.scans)
		}
		return nil
	})
}

// sureDates is where a main date answers a clause of the parameter it comes from, wherever within a day the value ends; nil: nowhere.
func (x *search) sureDates(param int64, scans []scan) *interval {
	for _, sc := range scans {
		if sc.key != x.Of(param, keys.RoleShort) {
			continue
		}
		sure := interval{sc.min, sc.max}
		switch sc.also {
		case always:
		case eitherHi, highGT:
			sure.low = max(sure.low, sc.a)
		case eitherLo:
			sure.high = min(sure.high, sc.a-1)
		case highLE:
			sure.high = min(sure.high, sc.a-keys.ShortSpan)
		default:
			continue
		}
		if sure.low <= sure.high {
			return &sure
		}
	}
	return nil
}

// marked looks for a mark in the dictionary of codings.
func (x *search) marked(mark int64, found func()) {
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

func (x *search) resolveOrder(o order) {
	at := 0
	if len(o.keys) > 1 && o.keys[0].Kind == projections.Token && o.keys[0].Param != projections.ParamID {
		at = 1
	}
	if o.by != orderDate && (o.by != orderSeveral || o.keys[at].Kind != projections.Date || o.keys[at].Param == projections.ParamLastUpdated) {
		return
	}
	code := o.keys[at].Param
	x.dates = &dateOrder{aligned: true, with: access{words: code, count: -1}, without: access{words: code + ":missing", count: -1}}
	x.dates.main = o.keys[at].MainDate
	x.dates.param = x.Kept(x.ledger, code, o.keys[at].Shares)[0]
	x.marked(x.Of(x.dates.param, keys.RoleUnaligned), func() { x.dates.aligned = false })
	x.marked(x.Of(x.dates.param, keys.RoleSeveral), func() { x.dates.several = true })
	x.marked(x.Of(keys.FirstSid(int32(x.Partition)), keys.RoleMarked), func() { x.dates.marks = true })
	own := scope{x, x.ledger, x.q.Type}
	own.shapesWith(code, true, &x.dates.with)
	own.shapesWith(code, false, &x.dates.without)
}
