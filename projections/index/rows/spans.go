package rows

import (
	"math"

	"binnacle/projections"
	"binnacle/projections/index/keys"
)

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
			flags = keys.Smallest
		}
		aligned = aligned && t.Start == main && t.End == terms[0].End && t.End-t.Start <= keys.ShortSpan
		m.span(param, t.Start, t.End, t.End-t.Start <= keys.ShortSpan, ref, flags)
	}
	if !aligned {
		m.coding(m.Of(param, keys.RoleUnaligned), "", "", 0)
	}
	if len(terms) > 1 {
		m.coding(m.Of(param, keys.RoleSeveral), "", "", 0)
	}
}

func (m *Maker) span(owner, low, high int64, short bool, ref, flags int64) {
	if short {
		m.rows.Spans = append(m.rows.Spans, SpanRow{m.Of(owner, keys.RoleShort), low, high, ref | flags})
		return
	}
	m.rows.Spans = append(m.rows.Spans,
		SpanRow{m.Of(owner, keys.RoleLong), low, high, ref | flags},
		SpanRow{m.Of(owner, keys.RoleEnd), high, low, ref})
}

func (m *Maker) number(owner int64, t *projections.Term, ref int64) {
	if math.IsNaN(t.Low) || math.IsNaN(t.High) {
		return
	}
	m.span(owner, keys.Ordered(t.Low), keys.Ordered(t.High), t.Low == t.High, ref, 0)
}

// quantity adds the rows of a quantity in a unit, which the dictionary of units leads to: a point has one row, whose
// High is the unit; a range has rows without the unit, and rows under the key of the unit.
func (m *Maker) quantity(owner, inUnit, unit int64, t *projections.Term, ref int64) {
	if t.Low == t.High {
		m.rows.Spans = append(m.rows.Spans, SpanRow{m.Of(owner, keys.RoleShort), keys.Ordered(t.Low), unit, ref})
		return
	}
	m.number(owner, t, ref)
	m.number(inUnit, t, ref)
}

// unitOf is the key of a quantity's unit; the dictionary of units leads to it.
func (m *Maker) unitOf(param int64, t *projections.Term) int64 {
	unit := m.Unit(param, t.System, t.Code, t.Text)
	m.coding(m.Of(param, keys.RoleUnits), t.Code, t.System, unit)
	if t.Text != "" && t.Text != t.Code {
		m.coding(m.Of(param, keys.RolePrinted), t.Text, t.System, unit)
	}
	return unit
}
