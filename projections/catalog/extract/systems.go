package extract

import (
	"slices"

	"binnacle/projections"
	"binnacle/projections/catalog/r4"
)

// systemSet is what is known of the systems of the codes that a parameter selects.
type systemSet struct {
	names []string
	open  bool // of some codes the systems are not known
}

func (s *systemSet) add(m *r4.Model, element string) {
	more := m.CodeSystems(element)
	s.open = s.open || more == nil
	s.names = union(s.names, more)
}

// CodeValue reads a token that is asked of a parameter that selects nothing but codes. Their terms have no system, so
// the value gets none. A system that is known not to be theirs stays, and the value finds nothing.
func (p *Param) CodeValue(v projections.Value) (value projections.Value, offered bool) {
	s := &p.systems
	known := !s.open && len(s.names) > 0
	switch {
	case v.AnySystem, v.System == "":
		return projections.Value{Code: v.Code}, true
	case known && !slices.Contains(s.names, v.System):
		return v, true
	case !v.AnyCode:
		return projections.Value{Code: v.Code}, true
	}
	return projections.Value{AnySystem: true, AnyCode: true}, known && len(s.names) == 1
}
