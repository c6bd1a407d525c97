package r4

import (
	"fmt"
	"strings"
)

// CodeSystems are the systems that the code of an element may have, by the element's path; nil when they are not known.
//
// A code has no system beside it in a resource: its system is that of the value set that its element is bound to. The
// definitions tell it of elements whose binding is required (r4/generate writes them down).
func (m *Model) CodeSystems(element string) []string { return m.systems[element] }

// readSystems reads lines "path system …": the element's path and the code systems of its value set.
func (m *Model) readSystems() error {
	data, err := unpack(systemsFile)
	if err != nil {
		return err
	}
	m.systems = make(map[string][]string, 400)
	for line := range strings.Lines(string(data)) {
		words := strings.Fields(line)
		if len(words) < 2 {
			return fmt.Errorf("the line %q names no system", line)
		}
		m.systems[words[0]] = words[1:]
	}
	return nil
}
