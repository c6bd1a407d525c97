package sqlterms

import (
	"math"

	"binnacle/projections"
	"binnacle/projections/index/keys"
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
