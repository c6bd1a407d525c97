package catalog

import (
	"fmt"
	"slices"
	"strings"

	"binnacle/projections"
)

// A code has no system beside it in a resource: its system is that of the value set that its element is bound to. The definitions tell it of
// elements whose binding is required (r4/generate writes them down).

// parseSystems reads lines "path system …": the element's path and the code systems of its value set.
func parseSystems(compressed []byte) (map[string][]string, error) {
	data, err := unpack(compressed)
	if err != nil {
		return nil, err
	}
	systems := make(map[string][]string, 400)
	for line := range strings.Lines(string(data)) {
		words := strings.Fields(line)
		if len(words) < 2 {
			return nil, fmt.Errorf("the line %q of the code systems names none", line)
		}
		systems[words[0]] = words[1:]
	}
	return systems, nil
}

// systemSet is what is known of the systems of the codes that a parameter selects.
type systemSet struct {
	names []string
	open  bool // of some codes the systems are not known
}

func (s *systemSet) add(m *model, element string) {
	more := m.systems[element]
	s.open = s.open || more == nil
	s.names = union(s.names, more)
}

// codeValue gives a token of a parameter that selects codes alone the form of their terms, which have no system. A system that is known
// not to be theirs is left in the value, which then finds nothing.
func (s *systemSet) codeValue(v projections.Value) (value projections.Value, offered bool) {
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
