package sqlterms

import (
	"cmp"

	"binnacle/projections"
)

// LinkRow says that a version refers to a resource, by whatever parameter: from it a search that follows references finds the other
// end.
type LinkRow struct {
	Sid    int64
	Target int64 // the key of the resource
}

func compareLinks(a, b LinkRow) int {
	return cmp.Or(cmp.Compare(a.Sid, b.Sid), cmp.Compare(a.Target, b.Target))
}

func (m *Maker) reference(t *projections.Term, param, main, ref int64) {
	add := func(key int64) { m.rows.Terms = append(m.rows.Terms, TermRow{key, main, ref}) }
	switch {
	case t.Identifier:
		key := m.value(param, roleIdentifier, t.System, t.Code)
		add(key)
		m.coding(m.of(param, roleIdentifiers), t.Code, t.System, key)
	case t.System == "":
		add(m.value(param, roleValue, "", t.Code))
	case isID(t.Code):
		target := m.resource(m.ledgerOf(m.tenant, t.System), t.Code)
		add(refer(param, target))
		m.rows.Links = append(m.rows.Links, LinkRow{ref >> refBits, target})
		m.coding(param, "", t.System, 0) // the target types that the parameter has had
	default:
		add(m.value(param, roleValue, t.System, t.Code))
		add(m.value(param, roleUnversioned, "", t.Code))
	}
}
