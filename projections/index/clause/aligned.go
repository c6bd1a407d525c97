package clause

import (
	"math"

	"binnacle/projections"
	"binnacle/projections/index/keys"
	"binnacle/projections/index/sets"
)

// alignedDate bounds the main date by a clause of the parameter that it comes from.
func (x scope) alignedDate(param int64, code string, v projections.Value, a *Access) {
	a.Main = sets.Interval{Low: math.MinInt64, High: math.MaxInt64}
	for _, sc := range a.Scans {
		if sc.Key == x.Of(param, keys.RoleShort) {
			a.Main = sets.Interval{Low: sc.Min, High: sc.Max}
		}
	}
	a.Aligned = true
	x.marked(x.Of(param, keys.RoleUnaligned), func() { a.Aligned = false })
	var lacking Access // the versions without the parameter: of them the main date tells nothing
	x.shapesWith(code, false, &lacking)
	x.after = append(x.after, func() error {
		if a.Sure = nil; a.Aligned && lacking.Empty() {
			a.Sure = x.sureDates(param, a.Scans)
		}
		return nil
	})
}

// sureDates is where a main date answers a clause of the parameter it comes from, wherever within a day the value
// ends; nil: nowhere.
func (x *Resolver) sureDates(param int64, scans []Scan) *sets.Interval {
	for _, sc := range scans {
		if sc.Key != x.Of(param, keys.RoleShort) {
			continue
		}
		sure := sets.Interval{Low: sc.Min, High: sc.Max}
		switch sc.Also {
		case Always:
		case EitherHi, highGT:
			sure.Low = max(sure.Low, sc.A)
		case eitherLo:
			sure.High = min(sure.High, sc.A-1)
		case highLE:
			sure.High = min(sure.High, sc.A-keys.ShortSpan)
		default:
			continue
		}
		if sure.Low <= sure.High {
			return &sure
		}
	}
	return nil
}

// DateOrder is what an order by a date parameter needs to know of it.
type DateOrder struct {
	Param         int64
	Main          bool   // the query tells that its earliest start is the main date of every version that has it
	Aligned       bool   // that is so, and its order that of the main date
	Marks         bool   // the index tells of which parameters some version has several values
	Several       bool   // it is one of these
	With, Without Access // the versions that have it, that lack it
}

// DateOrder looks up what an order by a parameter needs to know.
func (x *Resolver) DateOrder(key projections.SortKey) *DateOrder {
	own := scope{x, x.LedgerOf(x.Wanted.Tenant, x.Wanted.Type), x.Wanted.Type}
	code := key.Param
	d := &DateOrder{Aligned: true, Main: key.MainDate, Param: x.Kept(own.ledger, code, key.Shares)[0]}
	d.With = *New(code)
	d.Without = *New(code + ":missing")
	x.marked(x.Of(d.Param, keys.RoleUnaligned), func() { d.Aligned = false })
	x.marked(x.Of(d.Param, keys.RoleSeveral), func() { d.Several = true })
	x.marked(x.Of(keys.FirstSid(int32(x.Partition)), keys.RoleMarked), func() { d.Marks = true })
	own.shapesWith(code, true, &d.With)
	own.shapesWith(code, false, &d.Without)
	return d
}

// Lacking is the access to the versions of the query's type without a parameter.
func (x *Resolver) Lacking(code string) (*Access, error) {
	a := New(code + ":missing")
	scope{x, x.LedgerOf(x.Wanted.Tenant, x.Wanted.Type), x.Wanted.Type}.shapesWith(code, false, a)
	return a, x.runLookups()
}
