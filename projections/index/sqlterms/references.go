package sqlterms

import "binnacle/projections"

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
