package clause

import (
	"math"
	"strings"

	"binnacle/projections"
	"binnacle/projections/index/keys"
	"binnacle/projections/index/sets"
	"binnacle/projections/index/sql"
)

// A Scan is a stretch of a range table's index, and a condition on the rows in it; together the scans of a value find
// exactly what Matches finds, and each version's row once or more.
type Scan struct {
	Key      int64
	Min, Max int64     // of low, both inclusive
	Also     condition // on low and high as they stand in the row
	A, B     int64     // its operands
}

type condition uint8

const (
	Always    condition = iota
	highLE              // high <= a
	highGT              // high > a
	HighGE              // high >= a
	highLT              // high < a
	eitherLo            // low < a or high <= b
	EitherHi            // high > b or low >= a
	swappedHi           // low > b or high >= a, in a row by its end
	outside             // low < a or high > b
	HighIs              // high = a
)

// dateScans are the stretches of [Start,End) against half-open ranges.
func dateScans(h *keys.Hasher, owner int64, v projections.Value) []Scan {
	short, long, end := h.Of(owner, keys.RoleShort), h.Of(owner, keys.RoleLong), h.Of(owner, keys.RoleEnd)
	s, e := v.Start, v.End
	lo, hi := int64(math.MinInt64), int64(math.MaxInt64)
	switch v.Prefix {
	case projections.Ne:
		return []Scan{{short, lo, hi, outside, s, e}, {long, lo, hi, outside, s, e}}
	case projections.Gt:
		return []Scan{{short, e - keys.ShortSpan, hi, highGT, e, 0}, {Key: end, Min: e + 1, Max: hi}}
	case projections.Lt:
		return []Scan{{Key: short, Min: lo, Max: s - 1}, {Key: long, Min: lo, Max: s - 1}}
	case projections.Ge:
		return []Scan{{short, min(s, e-keys.ShortSpan), hi, EitherHi, s, e}, {end, min(s, e+1), hi, swappedHi, s, e}}
	case projections.Le:
		return []Scan{{short, lo, max(s-1, e), eitherLo, s, e}, {long, lo, max(s-1, e), eitherLo, s, e}}
	case projections.Sa:
		return []Scan{{Key: short, Min: e, Max: hi}, {Key: long, Min: e, Max: hi}}
	case projections.Eb:
		return []Scan{{short, lo, s, highLE, s, 0}, {Key: end, Min: lo, Max: s}}
	case projections.Ap:
		return []Scan{{short, s - keys.ShortSpan, e - 1, highGT, s, 0}, {end, s + 1, hi, highLT, e, 0}}
	}
	return []Scan{{short, s, e, highLE, e, 0}, {long, s, e, highLE, e, 0}}
}

// quantityScans are the stretches of a quantity in one unit; see Maker.quantity.
func quantityScans(h *keys.Hasher, owner, inUnit, unit int64, v projections.Value) []Scan {
	var scans []Scan
	point := h.Of(owner, keys.RoleShort)
	for _, sc := range numberScans(h, owner, v) {
		if sc.Key == point {
			sc.Also, sc.A = HighIs, unit
			scans = append(scans, sc)
		}
	}
	point = h.Of(inUnit, keys.RoleShort)
	for _, sc := range numberScans(h, inUnit, v) {
		if sc.Key != point {
			scans = append(scans, sc)
		}
	}
	return scans
}

// numberScans are the stretches of [Low,High] against closed ranges; short ones are points, of which Low alone counts.
func numberScans(h *keys.Hasher, owner int64, v projections.Value) []Scan {
	if math.IsNaN(v.Low) || math.IsNaN(v.High) {
		return nil
	}
	short, long, end := h.Of(owner, keys.RoleShort), h.Of(owner, keys.RoleLong), h.Of(owner, keys.RoleEnd)
	l, u := keys.Ordered(v.Low), keys.Ordered(v.High)
	lo, hi := int64(math.MinInt64), int64(math.MaxInt64)
	switch v.Prefix {
	case projections.Ne:
		return []Scan{{Key: short, Min: lo, Max: l - 1}, {Key: short, Min: u + 1, Max: hi},
			{long, lo, hi, outside, l, u}}
	case projections.Gt:
		return []Scan{{Key: short, Min: u + 1, Max: hi}, {Key: end, Min: u + 1, Max: hi}}
	case projections.Lt:
		return []Scan{{Key: short, Min: lo, Max: l - 1}, {Key: long, Min: lo, Max: l - 1}}
	case projections.Ge:
		return []Scan{{Key: short, Min: l, Max: hi}, {Key: end, Min: l, Max: hi}}
	case projections.Le:
		return []Scan{{Key: short, Min: lo, Max: u}, {Key: long, Min: lo, Max: u}}
	case projections.Sa:
		return []Scan{{Key: short, Min: u + 1, Max: hi}, {Key: long, Min: u + 1, Max: hi}}
	case projections.Eb:
		return []Scan{{Key: short, Min: lo, Max: l - 1}, {Key: end, Min: lo, Max: l - 1}}
	case projections.Ap:
		return []Scan{{Key: short, Min: l, Max: u}, {long, lo, u, HighGE, l, 0}}
	}
	return []Scan{{Key: short, Min: l, Max: u}, {long, l, u, highLE, u, 0}}
}

// rangeForm are rows of ranges: dates, numbers, quantities.
type rangeForm struct {
	Scans   []Scan
	Dated   int64          // of one value of this date parameter; 0: not so
	Aligned bool           // of a date that is the main date of every version that has it
	Main    sets.Interval  // of Aligned: where the main date has to be
	Sure    *sets.Interval // of Aligned: where it suffices; nil: nowhere
}

func (r *rangeForm) size() int { return len(r.Scans) }

func (r *rangeForm) rows(s *sql.Statement, before int64) (parts []string) {
	for _, sc := range r.Scans {
		parts = append(parts, rowsOf(s, "span", sc.Condition(s, "t"), before))
	}
	return parts
}

func (r *rangeForm) probe(s *sql.Statement, v probedVersion, _ int64) []string {
	if len(r.Scans) == 0 {
		return nil
	}
	either := make([]string, len(r.Scans))
	for i, sc := range r.Scans {
		either[i] = "(" + sc.Condition(s, probed) + ")"
	}
	return []string{v.row(s, "span", "("+strings.Join(either, " or ")+")")}
}

// Condition is the stretch as a condition on a row. The plus keeps a planner from reading a probe's whole stretch:
// the index by ref is the one to use there.
func (sc Scan) Condition(s *sql.Statement, row string) string {
	c := row + ".key = " + s.Arg(sc.Key)
	if row == probed {
		c = "+" + c
	}
	if sc.Min != math.MinInt64 {
		c += " and " + row + ".low >= " + s.Arg(sc.Min)
	}
	if sc.Max != math.MaxInt64 {
		c += " and " + row + ".low <= " + s.Arg(sc.Max)
	}
	return c + sc.OnEnds(s, row+".low", row+".high")
}

// OnEnds is the condition on the ends of a row, beside the stretch.
func (sc Scan) OnEnds(s *sql.Statement, low, high string) string {
	c := ""
	switch sc.Also {
	case highLE:
		c += " and " + high + " <= " + s.Arg(sc.A)
	case highGT:
		c += " and " + high + " > " + s.Arg(sc.A)
	case HighGE:
		c += " and " + high + " >= " + s.Arg(sc.A)
	case highLT:
		c += " and " + high + " < " + s.Arg(sc.A)
	case eitherLo:
		c += " and (" + low + " < " + s.Arg(sc.A) + " or " + high + " <= " + s.Arg(sc.B) + ")"
	case EitherHi:
		c += " and (" + high + " > " + s.Arg(sc.B) + " or " + low + " >= " + s.Arg(sc.A) + ")"
	case swappedHi:
		c += " and (" + low + " > " + s.Arg(sc.B) + " or " + high + " >= " + s.Arg(sc.A) + ")"
	case HighIs:
		c += " and " + high + " = " + s.Arg(sc.A)
	case outside:
		c += " and (" + low + " < " + s.Arg(sc.A) + " or " + high + " > " + s.Arg(sc.B) + ")"
	}
	return c
}
