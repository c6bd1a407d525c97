package sqlterms

import (
	"math"

	"binnacle/projections"
)

// shortSpan is the width up to which a date range counts as short, in microseconds: a day. A short range is found from its start
// alone, because its end is near.
const shortSpan = 24 * 3_600 * 1_000_000

// dates adds the rows of a date parameter. The row with the earliest start carries the mark of the smallest.
func (m *Maker) dates(terms []projections.Term, param, main, ref int64) {
	first := 0
	for i := range terms {
		if terms[i].Start < terms[first].Start {
			first = i
		}
	}
	aligned := true
	for i := range terms {
		t := &terms[i]
		flags := int64(0)
		if i == first {
			flags = smallest
		}
		aligned = aligned && t.Start == main && t.End == terms[0].End && t.End-t.Start <= shortSpan
		m.span(param, t.Start, t.End, t.End-t.Start <= shortSpan, ref, flags)
	}
	if !aligned {
		m.coding(m.of(param, roleUnaligned), "", "", 0)
	}
	if len(terms) > 1 {
		m.coding(m.of(param, roleSeveral), "", "", 0)
	}
}

func (m *Maker) span(owner, low, high int64, short bool, ref, flags int64) {
	if short {
		m.rows.Spans = append(m.rows.Spans, SpanRow{m.of(owner, roleShort), low, high, ref | flags})
		return
	}
	m.rows.Spans = append(m.rows.Spans,
		SpanRow{m.of(owner, roleLong), low, high, ref | flags},
		SpanRow{m.of(owner, roleEnd), high, low, ref})
}

func (m *Maker) number(owner int64, t *projections.Term, ref int64) {
	if math.IsNaN(t.Low) || math.IsNaN(t.High) {
		return
	}
	m.span(owner, ordered(t.Low), ordered(t.High), t.Low == t.High, ref, 0)
}

// quantity adds the rows of a quantity in a unit, which the dictionary of units leads to: a point has one row, whose High is the unit; a
// range has rows without the unit, and rows under the key of the unit.
func (m *Maker) quantity(owner, inUnit, unit int64, t *projections.Term, ref int64) {
	if t.Low == t.High {
		m.rows.Spans = append(m.rows.Spans, SpanRow{m.of(owner, roleShort), ordered(t.Low), unit, ref})
		return
	}
	m.number(owner, t, ref)
	m.number(inUnit, t, ref)
}

// unitOf is the key of a quantity's unit; the dictionary of units leads to it.
func (m *Maker) unitOf(param int64, t *projections.Term) int64 {
	unit := m.unit(param, t.System, t.Code, t.Text)
	m.coding(m.of(param, roleUnits), t.Code, t.System, unit)
	if t.Text != "" && t.Text != t.Code {
		m.coding(m.of(param, rolePrinted), t.Text, t.System, unit)
	}
	return unit
}

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
func (h *hasher) dateScans(owner int64, v projections.Value) []scan {
	short, long, end := h.of(owner, roleShort), h.of(owner, roleLong), h.of(owner, roleEnd)
	s, e := v.Start, v.End
	lo, hi := int64(math.MinInt64), int64(math.MaxInt64)
	switch v.Prefix {
	case projections.Ne:
		return []scan{{short, lo, hi, outside, s, e}, {long, lo, hi, outside, s, e}}
	case projections.Gt:
		return []scan{{short, e - shortSpan, hi, highGT, e, 0}, {key: end, min: e + 1, max: hi}}
	case projections.Lt:
		return []scan{{key: short, min: lo, max: s - 1}, {key: long, min: lo, max: s - 1}}
	case projections.Ge:
		return []scan{{short, min(s, e-shortSpan), hi, eitherHi, s, e}, {end, min(s, e+1), hi, swappedHi, s, e}}
	case projections.Le:
		return []scan{{short, lo, max(s-1, e), eitherLo, s, e}, {long, lo, max(s-1, e), eitherLo, s, e}}
	case projections.Sa:
		return []scan{{key: short, min: e, max: hi}, {key: long, min: e, max: hi}}
	case projections.Eb:
		return []scan{{short, lo, s, highLE, s, 0}, {key: end, min: lo, max: s}}
	case projections.Ap:
		return []scan{{short, s - shortSpan, e - 1, highGT, s, 0}, {end, s + 1, hi, highLT, e, 0}}
	}
	return []scan{{short, s, e, highLE, e, 0}, {long, s, e, highLE, e, 0}}
}

// quantityScans are the stretches of a quantity in one unit; see Maker.quantity.
func (h *hasher) quantityScans(owner, inUnit, unit int64, v projections.Value) []scan {
	var scans []scan
	point := h.of(owner, roleShort)
	for _, sc := range h.numberScans(owner, v) {
		if sc.key == point {
			sc.also, sc.a = highIs, unit
			scans = append(scans, sc)
		}
	}
	point = h.of(inUnit, roleShort)
	for _, sc := range h.numberScans(inUnit, v) {
		if sc.key != point {
			scans = append(scans, sc)
		}
	}
	return scans
}

// numberScans are the stretches of [Low,High] against closed ranges; short ones are points, of which Low alone counts.
func (h *hasher) numberScans(owner int64, v projections.Value) []scan {
	if math.IsNaN(v.Low) || math.IsNaN(v.High) {
		return nil
	}
	short, long, end := h.of(owner, roleShort), h.of(owner, roleLong), h.of(owner, roleEnd)
	l, u := ordered(v.Low), ordered(v.High)
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
