package projections

import (
	"cmp"
	"iter"
	"slices"
	"strings"
)

// Parameters that every version has; they are read from the version itself, never from its terms.
const (
	ParamID          = "_id"
	ParamLastUpdated = "_lastUpdated"
)

// Matches tells whether a version with these terms satisfies all clauses of a query. It is the slow, obvious meaning
// of a query. It looks at the clauses alone, not at tenant, type or snapshot. The projector asks it about resources
// that its batch has changed and not committed yet. It knows no other resources, so a clause that follows references
// holds for none; see [MatchesAmong].
func Matches(q Query, v Version, terms []Term) bool {
	return MatchesAmong(q, v, terms, func(string) iter.Seq[Row] { return func(func(Row) bool) {} })
}

// MatchesAmong is Matches among other resources: others gives the current versions of a type, of the same tenant and at
// the same snapshot. The suite of the index drivers takes it for the truth.
func MatchesAmong(q Query, v Version, terms []Term, others func(resourceType string) iter.Seq[Row]) bool {
	return matchesAll(q.Clauses, v, terms, others)
}

func matchesAll(clauses []Clause, v Version, terms []Term, others func(string) iter.Seq[Row]) bool {
	for _, c := range clauses {
		if !c.matches(v, terms, others) {
			return false
		}
	}
	return true
}

func (c Clause) matches(v Version, terms []Term, others func(string) iter.Seq[Row]) bool {
	switch {
	case c.Follow != nil:
		return c.matchesFollow(v, terms, others)
	case len(c.Any) > 0:
		return slices.ContainsFunc(c.Any, func(one Clause) bool { return one.matches(v, terms, others) })
	}
	switch c.Param {
	case ParamID:
		terms = []Term{{Param: c.Param, Kind: c.Kind, Code: v.ID}}
	case ParamLastUpdated:
		start := v.Time.UnixMicro()
		terms = []Term{{Param: c.Param, Kind: c.Kind, Start: start, End: start + LastUpdatedWidth}}
	}
	present, found := false, false
	for _, t := range terms {
		if t.Param != c.Param {
			continue
		}
		present = true
		if c.Modifier == Missing || t.Kind != c.Kind {
			continue
		}
		for _, value := range c.Values {
			found = found || matchesValue(c, value, t)
		}
	}
	switch c.Modifier {
	case Missing:
		return present != c.Missing
	case Not:
		return !found
	}
	return found
}

// matchesFollow looks for a resource at the other end of a reference, or contained in the version, that one of the
// targets describes.
func (c Clause) matchesFollow(v Version, terms []Term, others func(string) iter.Seq[Row]) bool {
	for _, t := range c.Follow.Targets {
		for _, name := range t.Insides() {
			if clauses, possible := t.In(name); possible && !c.Follow.Reverse && matchesAll(clauses, v, terms, others) {
				return true
			}
		}
		for other := range others(t.Type) {
			refers := refersTo(terms, c.Param, other.Key)
			if c.Follow.Reverse {
				refers = refersTo(other.Terms, c.Param, v.Key)
			}
			if refers && matchesAll(t.Clauses, other.Version, other.Terms, others) {
				return true
			}
		}
	}
	return false
}

// refersTo tells whether terms have a relative reference to a resource. References by URL or by identifier lead nowhere
// here.
func refersTo(terms []Term, param string, to Key) bool {
	return slices.ContainsFunc(terms, func(t Term) bool {
		return t.Param == param && t.Kind == Reference && !t.Identifier && t.System == to.Type && t.Code == to.ID
	})
}

// LastUpdatedWidth is the width of a lastUpdated as a date range, in microseconds: it is written in milliseconds.
const LastUpdatedWidth = 1_000

func matchesValue(c Clause, v Value, t Term) bool {
	switch c.Kind {
	case Token:
		return (v.AnySystem || v.System == t.System) && (v.AnyCode || v.Code == t.Code)
	case Reference:
		if t.Identifier != (c.Modifier == IdentifierModifier) {
			return false
		}
		return (v.AnySystem || v.System == t.System) && (v.AnyCode || v.Code == t.Code)
	case String:
		if IsBlank(v.Text) {
			return false
		}
		switch c.Modifier {
		case Exact:
			return t.Text == v.Text
		case Contains:
			return strings.Contains(Fold(t.Text), Fold(v.Text))
		}
		return strings.HasPrefix(Fold(t.Text), Fold(v.Text))
	case URI:
		switch c.Modifier {
		case Below:
			return isBelow(t.Text, v.Text)
		case Above:
			return isBelow(v.Text, t.Text)
		}
		return t.Text == v.Text
	case Date:
		return v.matchesDate(t.Start, t.End)
	case Number:
		return v.matchesNumber(t.Low, t.High)
	case Quantity:
		return v.matchesUnit(t) && v.matchesNumber(t.Low, t.High)
	case Composite:
		return matchesParts(c, v, t)
	}
	return false
}

// matchesParts compares each component by its own rules.
func matchesParts(c Clause, v Value, t Term) bool {
	if len(t.Parts) != len(c.Components) || len(v.Parts) != len(c.Components) {
		return false
	}
	for i, kind := range c.Components {
		if t.Parts[i].Kind != kind || !matchesValue(Clause{Kind: kind}, v.Parts[i], t.Parts[i]) {
			return false
		}
	}
	return true
}

// isBelow tells whether uri is the other one or lies below it.
func isBelow(uri, base string) bool { return uri == base || strings.HasPrefix(uri, BelowURI(base)) }

// BelowURI returns what all uris begin with that lie below a uri. Below http://x/a lies what is further down the path;
// below http://x/a|1 lies each version of 1. Below a uri that ends with its separator lies only what starts with it.
func BelowURI(uri string) string {
	separator := "/"
	if strings.Contains(uri, "|") {
		separator = "."
	}
	if strings.HasSuffix(uri, separator) {
		return uri
	}
	return uri + separator
}

// matchesDate compares the half-open ranges [v.Start,v.End) and [start,end) as FHIR R4 search 3.1.1.4.1 has it.
func (v Value) matchesDate(start, end int64) bool {
	inside := v.Start <= start && end <= v.End
	switch v.Prefix {
	case Ne:
		return !inside
	case Gt:
		return end > v.End
	case Lt:
		return start < v.Start
	case Ge:
		return end > v.End || inside
	case Le:
		return start < v.Start || inside
	case Sa:
		return start >= v.End
	case Eb:
		return end <= v.Start
	case Ap:
		return start < v.End && end > v.Start
	}
	return inside
}

// matchesNumber compares the closed ranges [v.Low,v.High] and [low,high]; the ordering prefixes come with Low equal to
// High.
func (v Value) matchesNumber(low, high float64) bool {
	inside := v.Low <= low && high <= v.High
	switch v.Prefix {
	case Ne:
		return !inside
	case Gt:
		return high > v.High
	case Lt:
		return low < v.Low
	case Ge:
		return high >= v.Low
	case Le:
		return low <= v.High
	case Sa:
		return low > v.High
	case Eb:
		return high < v.Low
	case Ap:
		return low <= v.High && high >= v.Low
	}
	return inside
}

// matchesUnit: "5.4" takes any unit, "5.4||mg" what has mg as its code or as its printed unit, "5.4|system|" any unit
// of the system.
func (v Value) matchesUnit(t Term) bool {
	switch {
	case v.AnySystem && (v.AnyCode || v.Code == ""):
		return true
	case v.AnySystem:
		return t.Code == v.Code || t.Text == v.Code
	case v.AnyCode:
		return t.System == v.System
	}
	return t.System == v.System && t.Code == v.Code
}

// Compare orders two matches of a query as its Sort wants them: negative when a comes first. Only versions are equal
// that are the same. The order is total:
//
//   - no sort keys: main date descending;
//   - each key by its parameter's sort value (see [SortKey]): strings by the first OrderBytes bytes of their [Fold],
//     tokens by code, then system (both as [OrderCode] has them), _id by its bytes;
//   - what is equal then: a sort by one token parameter, like no sort at all, falls to the main date; and at last to
//     the Sid; both in the direction of the first key (descending when there is none).
func Compare(q Query, a, b Row) int {
	for _, key := range q.Sort {
		if c := key.compare(a, b); c != 0 {
			return c
		}
	}
	c := 0
	if TiesByMainDate(q.Sort) {
		c = cmp.Compare(a.MainDate, b.MainDate)
	}
	if c == 0 {
		c = cmp.Compare(a.Sid, b.Sid)
	}
	if len(q.Sort) == 0 || q.Sort[0].Descending {
		c = -c
	}
	return c
}

// TiesByMainDate tells whether an order puts what its keys leave equal in the order of the main dates, before that of
// the Sids.
func TiesByMainDate(sort []SortKey) bool {
	return len(sort) == 0 || len(sort) == 1 && sort[0].Kind == Token && sort[0].Param != ParamID
}

func (k SortKey) compare(a, b Row) int {
	x, hasX := k.value(a)
	y, hasY := k.value(b)
	if !hasX || !hasY {
		switch {
		case hasX:
			return -1
		case hasY:
			return 1
		}
		return 0
	}
	c := x.compare(y)
	if k.Descending {
		c = -c
	}
	return c
}

type sortValue struct {
	number int64
	first  string
	second string
}

func (v sortValue) compare(w sortValue) int {
	return cmp.Or(cmp.Compare(v.number, w.number), strings.Compare(v.first, w.first),
		strings.Compare(v.second, w.second))
}

// value is the one that the version is sorted by; false when it has none.
func (k SortKey) value(r Row) (best sortValue, found bool) {
	switch k.Param {
	case ParamID:
		return sortValue{first: r.ID}, true
	case ParamLastUpdated:
		return sortValue{number: r.Time.UnixMicro()}, true
	}
	for _, t := range r.Terms {
		if t.Param != k.Param || t.Kind != k.Kind {
			continue
		}
		v := sortValue{}
		largest := k.Descending
		switch k.Kind {
		case Date:
			v.number = t.Start
			largest = false
		case String:
			v.first = OrderString(t.Text)
		case Token:
			v.first, v.second = OrderCode(t.Code), OrderCode(t.System)
		default:
			return sortValue{}, false
		}
		if c := v.compare(best); !found || largest && c > 0 || !largest && c < 0 {
			best, found = v, true
		}
	}
	return best, found
}
