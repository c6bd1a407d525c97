package rows

import (
	"binnacle/projections"
	"binnacle/projections/index/keys"
)

// A uri is a key, with an entry in the dictionary of its parameter for :below. One that is longer than an entry may
// be is a row of texts.

// uri adds what a uri of a version becomes.
func (m *Maker) uri(uri string, param, main, ref int64) {
	dictionary := m.Of(param, keys.RoleText)
	if len(uri) > projections.OrderBytes {
		m.rows.Texts = append(m.rows.Texts, uriRow(dictionary, uri, ref))
		return
	}
	key := m.Value(param, keys.RoleText, "", uri)
	if m.where.URIsOnRow() {
		m.keys = append(m.keys, key)
	} else {
		m.rows.Terms = append(m.rows.Terms, TermRow{key, main, ref})
	}
	m.coding(dictionary, uri, "", key)
}

func uriRow(key int64, uri string, ref int64) TextRow {
	row := TextRow{Key: key, Head: []byte(uri[:min(len(uri), projections.OrderBytes)]), Raw: []byte{}, Ref: ref,
		Rest: []byte{}}
	if len(uri) > projections.OrderBytes {
		row.Rest = []byte(uri)
	}
	return row
}
