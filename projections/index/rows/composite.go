package rows

import (
	"strconv"

	"binnacle/projections"
	"binnacle/projections/index/keys"
)

// A composite value becomes one row. What its tokens and references say together is the key. What is left (a date, a
// number, a quantity or a text) is a range or a text under this key, as any parameter of that kind has one.
// So code-value-quantity=loinc|gt5 is one stretch of the index. A value of tokens and references alone is a term row.
//
// Where more than one component is left (chromosome, start and end of a variant), each of them has its row; they
// stand under the number of the value among those of the version, its slot, which says what belongs together.

// composite adds the rows of one composite value, the one in a slot of its version.
func (m *Maker) composite(t *projections.Term, param int64, slot int, main, ref int64) {
	kinds := make([]projections.Kind, len(t.Parts))
	for i := range t.Parts {
		kinds[i] = t.Parts[i].Kind
	}
	base := m.CompositeOf(param, kinds)
	combined := []int64{base}
	var left []int
	for i := range t.Parts {
		if !keys.IsEquality(kinds[i]) {
			left = append(left, i)
			continue
		}
		parts := m.partKeys(&t.Parts[i], m.Part(param, i))
		var next []int64
		for _, key := range combined {
			for _, p := range parts {
				next = append(next, m.With(key, p))
			}
		}
		combined = next
	}
	for _, key := range combined {
		switch len(left) {
		case 0:
			m.rows.Terms = append(m.rows.Terms, TermRow{key, main, ref})
		case 1:
			m.left(&t.Parts[left[0]], key, m.Part(param, left[0]), ref)
		default:
			for _, at := range left {
				m.left(&t.Parts[at], m.Slot(key, at, slot), m.Part(param, at), ref)
			}
			m.coding(m.Of(base, keys.RoleSlot), strconv.Itoa(slot), "", int64(slot))
		}
	}
}

// partKeys are the keys that a token or a reference is found by; none for what no value of a composite asks for.
func (m *Maker) partKeys(t *projections.Term, part int64) []int64 {
	key := m.Value(part, keys.RoleValue, t.System, t.Code)
	switch {
	case t.Kind == projections.Token:
		m.coding(part, t.Code, t.System, key)
	case t.Identifier:
		return nil
	case t.System != "" && keys.IsID(t.Code):
		m.coding(part, "", t.System, 0)
	case t.System != "":
		return []int64{key, m.Value(part, keys.RoleUnversioned, "", t.Code)}
	}
	return []int64{key}
}

// left adds the rows of a component that is compared, not equal, under the key of what it belongs to.
func (m *Maker) left(t *projections.Term, key, part, ref int64) {
	switch t.Kind {
	case projections.String:
		m.rows.Texts = append(m.rows.Texts, stringRow(m.Of(key, keys.RoleText), t.Text, ref))
	case projections.URI:
		m.rows.Texts = append(m.rows.Texts, uriRow(m.Of(key, keys.RoleText), t.Text, ref))
	case projections.Date:
		m.span(key, t.Start, t.End, t.End-t.Start <= keys.ShortSpan, ref, 0)
	case projections.Number:
		m.number(key, t, ref)
	case projections.Quantity:
		unit := m.unitOf(part, t)
		m.quantity(key, m.With(key, unit), unit, t, ref)
	}
}
