package sqlterms

import (
	"slices"

	"binnacle/projections"
)

// kept are the parameters under which the terms of one stand.
func (h *hasher) kept(ledger int64, code string, shares []projections.Share) []int64 {
	if len(shares) == 0 || shares[0].Types != nil {
		return []int64{h.param(ledger, code)}
	}
	params := make([]int64, len(shares))
	for i, s := range shares {
		params[i] = h.param(ledger, s.Param)
	}
	return params
}

// keptFor is the parameter under which a reference's relative references to a type stand.
func (h *hasher) keptFor(ledger int64, code string, shares []projections.Share, target string) int64 {
	for _, s := range shares {
		if s.Types == nil || slices.Contains(s.Types, target) {
			return h.param(ledger, s.Param)
		}
	}
	return h.param(ledger, code)
}

func (m *Maker) reference(t *projections.Term, param, main, ref int64) {
	add := func(key int64) { m.rows.Terms = append(m.rows.Terms, TermRow{key, main, ref}) }
	switch {
	case t.Shared && (t.Identifier || !isID(t.Code)):
	case t.Shared:
		m.coding(param, "", t.System, 0)
	case t.Identifier:
		key := m.value(param, roleIdentifier, t.System, t.Code)
		add(key)
		m.coding(m.of(param, roleIdentifiers), t.Code, t.System, key)
	case t.System == "":
		add(m.value(param, roleValue, "", t.Code))
	case isID(t.Code):
		target := m.resource(m.ledgerOf(m.tenant, t.System), t.Code)
		key := refer(param, target)
		m.keys = append(m.keys, key)
		if !m.where.RefersOnRow(t.System) {
			add(key)
		}
		m.coding(param, "", t.System, 0) // the target types that the parameter has had
	default:
		add(m.value(param, roleValue, t.System, t.Code))
		add(m.value(param, roleUnversioned, "", t.Code))
	}
}
