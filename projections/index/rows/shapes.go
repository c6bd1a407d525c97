package rows

import (
	"strings"

	"binnacle/projections/index/keys"
)

func (m *Maker) shape(ledger int64) int64 {
	m.Begin().Role(keys.RoleShape).Key(ledger)
	for _, code := range m.present {
		m.Text(code)
	}
	key := m.Sum()
	if m.unseen(key) {
		m.rows.Shapes = append(m.rows.Shapes, ShapeRow{ledger, key, shapeParams(m.present)})
	}
	return key
}

func shapeParams(codes []string) string {
	if len(codes) == 0 {
		return ""
	}
	return strings.Join(codes, "\n") + "\n"
}

// withoutValue stands in a shape before the code of a parameter whose element is there and gives no value.
const withoutValue = "?"

// HasParam tells whether a shape has values of a parameter.
func HasParam(params, code string) bool {
	return strings.HasPrefix(params, code+"\n") || strings.Contains(params, "\n"+code+"\n")
}

// HasElement tells whether a shape has a parameter, or its element alone.
func HasElement(params, code string) bool {
	return HasParam(params, code) || HasParam(params, withoutValue+code)
}
