package rows

import (
	"binnacle/projections"
	"binnacle/projections/index/keys"
)

func (m *Maker) reference(t *projections.Term, param, main, ref int64) {
	add := func(key int64) { m.rows.Terms = append(m.rows.Terms, TermRow{key, main, ref}) }
	switch {
	case t.Shared && (t.Identifier || !keys.IsID(t.Code)):
	case t.Shared:
		m.coding(param, "", t.System, 0)
	case t.Identifier:
		key := m.Value(param, keys.RoleIdentifier, t.System, t.Code)
		add(key)
		m.coding(m.Of(param, keys.RoleIdentifiers), t.Code, t.System, key)
	case t.System == "":
		add(m.Value(param, keys.RoleValue, "", t.Code))
	case keys.IsID(t.Code):
		target := m.Resource(m.LedgerOf(m.tenant, t.System), t.Code)
		key := keys.Refer(param, target)
		m.keys = append(m.keys, key)
		if !m.where.RefersOnRow(t.System) {
			add(key)
		}
		m.coding(param, "", t.System, 0) // the target types that the parameter has had
	default:
		add(m.Value(param, keys.RoleValue, t.System, t.Code))
		add(m.Value(param, keys.RoleUnversioned, "", t.Code))
	}
}
