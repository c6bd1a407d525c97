package sqlterms

import (
	"math"
	"strings"

	"binnacle/projections"
	"binnacle/projections/index/keys"
	"binnacle/projections/index/sets"
	"binnacle/projections/index/sql"
)

// A scan is a stretch of a range table's index, and a condition on the rows in it; together the scans of a value find exactly what
// Matches finds, and each version's row once or more.
type scan struct {
	key      int64
	min, max int64     // of low, both inclusive
	also     condition // on low and high as they stand in the row
	a, b     int64     // its operands
}

type condition uint8

const (
	always    condition = iota
	highLE              // high <= a
	highGT              // high > a
	highGE              // high >= a
	highLT              // high < a
	eitherLo            // low < a or high <= b
	eitherHi            // high > b or low >= a
	swappedHi           // low > b or high >= a, in a row by its end
	outside             // low < a or high > b
	highIs              // high = a
)

// dateScans are the stretches of [Start,End) against half-open ranges.
func dateScans(h *keys.Hasher, owner int64, v projections.Value) []scan {
	short, long, end := h.Of(owner, keys.RoleShort), h.Of(owner, keys.RoleLong), h.Of(owner, keys.RoleEnd)
	s, e := v.Start, v.End
	lo, hi := int64(math.MinInt64), int64(math.MaxInt64)
	switch v.Prefix {
	case projections.Ne:
		return []scan{{short, lo, hi, outside, s, e}, {long, lo, hi, outside, s, e}}
	case projections.Gt:
		return []scan{{short, e - keys.ShortSpan, hi, highGT, e, 0}, {key: end, min: e + 1, max: hi}}
	case projections.Lt:
		return []scan{{key: short, min: lo, max: s - 1}, {key: long, min: lo, max: s - 1}}
	case projections.Ge:
		return []scan{{short, min(s, e-keys.ShortSpan), hi, eitherHi, s, e}, {end, min(s, e+1), hi, swappedHi, s, e}}
	case projections.Le:
		return []scan{{short, lo, max(s-1, e), eitherLo, s, e}, {long, lo, max(s-1, e), eitherLo, s, e}}
	case projections.Sa:
		return []scan{{key: short, min: e, max: hi}, {key: long, min: e, max: hi}}
	case projections.Eb:
		return []scan{{short, lo, s, highLE, s, 0}, {key: end, min: lo, max: s}}
	case projections.Ap:
		return []scan{{short, s - keys.ShortSpan, e - 1, highGT, s, 0}, {end, s + 1, hi, highLT, e, 0}}
	}
	return []scan{{short, s, e, highLE, e, 0}, {long, s, e, highLE, e, 0}}
}

// quantityScans are the stretches of a quantity in one unit; see Maker.quantity.
func quantityScans(h *keys.Hasher, owner, inUnit, unit int64, v projections.Value) []scan {
	var scans []scan
	point := h.Of(owner, keys.RoleShort)
	for _, sc := range numberScans(h, owner, v) {
		if sc.key == point {
			sc.also, sc.a = highIs, unit
			scans = append(scans, sc)
		}
	}
	point = h.Of(inUnit, keys.RoleShort)
	for _, sc := range numberScans(h, inUnit, v) {
		if sc.key != point {
			scans = append(scans, sc)
		}
	}
	return scans
}

// numberScans are the stretches of [Low,High] against closed ranges; short ones are points, of which Low alone counts.
func numberScans(h *keys.Hasher, owner int64, v projections.Value) []scan {
	if math.IsNaN(v.Low) || math.IsNaN(v.High) {
		return nil
	}
	short, long, end := h.Of(owner, keys.RoleShort), h.Of(owner, keys.RoleLong), h.Of(owner, keys.RoleEnd)
	l, u := keys.Ordered(v.Low), keys.Ordered(v.High)
	lo, hi := int64(math.MinInt64), int64(math.MaxInt64)
	switch v.Prefix {
	case projections.Ne:
		return []scan{{key: short, min: lo, max: l - 1}, {key: short, min: u + 1, max: hi}, {long, lo, hi, outside, l, u}}
	case projections.Gt:
		return []scan{{key: short, min: u + 1, max: hi}, {key: end, min: u + 1, max: hi}}
	case projections.Lt:
		return []scan{{key: short, min: lo, max: l - 1}, {key: long, min: lo, max: l - 1}}
	case projections.Ge:
		return []scan{{key: short, min: l, max: hi}, {key: end, min: l, max: hi}}
	case projections.Le:
		return []scan{{key: short, min: lo, max: u}, {key: long, min: lo, max: u}}
	case projections.Sa:
		return []scan{{key: short, min: u + 1, max: hi}, {key: long, min: u + 1, max: hi}}
	case projections.Eb:
		return []scan{{key: short, min: lo, max: l - 1}, {key: end, min: lo, max: l - 1}}
	case projections.Ap:
		return []scan{{key: short, min: l, max: u}, {long, lo, u, highGE, l, 0}}
	}
	return []scan{{key: short, min: l, max: u}, {long, l, u, highLE, u, 0}}
}

// rangeForm are rows of ranges: dates, numbers, quantities.
type rangeForm struct {
	scans   []scan
	dated   int64          // of one value of this date parameter; 0: not so
	aligned bool           // of a date that is the main date of every version that has it
	main    sets.Interval  // aligned: where the main date has to be
	sure    *sets.Interval // aligned: where it suffices; nil: nowhere
}

func (r *rangeForm) size() int { return len(r.scans) }

func (r *rangeForm) rows(s *sql.Statement, before int64) (parts []string) {
	for _, sc := range r.scans {
		parts = append(parts, rowsOf(s, "span", sc.condition(s, "t"), before))
	}
	return parts
}

func (r *rangeForm) probe(s *sql.Statement, v probedVersion, _ int64) []string {
	if len(r.scans) == 0 {
		return nil
	}
	either := make([]string, len(r.scans))
	for i, sc := range r.scans {
		either[i] = "(" + sc.condition(s, probed) + ")"
	}
	return []string{v.row(s, "span", "("+strings.Join(either, " or ")+")")}
}

// condition is the stretch as a condition on a row. The plus keeps a planner from reading a probe's whole stretch: the index by ref is
// the one to use there.
func (sc scan) condition(s *sql.Statement, row string) string {
	c := row + ".key = " + s.Arg(sc.key)
	if row == probed {
		c = "+" + c
	}
	if sc.min != math.MinInt64 {
		c += " and " + row + ".low >= " + s.Arg(sc.min)
	}
	if sc.max != math.MaxInt64 {
		c += " and " + row + ".low <= " + s.Arg(sc.max)
	}
	return c + sc.onEnds(s, row+".low", row+".high")
}

// onEnds is the condition on the ends of a row, beside the stretch.
func (sc scan) onEnds(s *sql.Statement, low, high string) string {
	c := ""
	switch sc.also {
	case highLE:
		c += " and " + high + " <= " + s.Arg(sc.a)
	case highGT:
		c += " and " + high + " > " + s.Arg(sc.a)
	case highGE:
		c += " and " + high + " >= " + s.Arg(sc.a)
	case highLT:
		c += " and " + high + " < " + s.Arg(sc.a)
	case eitherLo:
		c += " and (" + low + " < " + s.Arg(sc.a) + " or " + high + " <= " + s.Arg(sc.b) + ")"
	case eitherHi:
		c += " and (" + high + " > " + s.Arg(sc.b) + " or " + low + " >= " + s.Arg(sc.a) + ")"
	case swappedHi:
		c += " and (" + low + " > " + s.Arg(sc.b) + " or " + high + " >= " + s.Arg(sc.a) + ")"
	case highIs:
		c += " and " + high + " = " + s.Arg(sc.a)
	case outside:
		c += " and (" + low + " < " + s.Arg(sc.a) + " or " + high + " > " + s.Arg(sc.b) + ")"
	}
	return c
}
