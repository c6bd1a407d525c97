package catalog

import (
	"fmt"
	"strings"
)

// part is an element that is mandatory or belongs to a summary (StructureDefinition: min, isSummary).
type part struct {
	name               string // without [x]
	summary, mandatory bool
}

// partsOf are the elements of a type or a backbone element, by its path, that are mandatory or belong to a summary.
func (m *model) partsOf(path string) []part { return m.parts[path] }

// readParts reads the lines that r4/generate writes: "path letters", s for summary, m for mandatory.
func (m *model) readParts() error {
	data, err := unpack(partsFile)
	if err != nil {
		return err
	}
	m.parts = make(map[string][]part, 1024)
	for line := range strings.Lines(string(data)) {
		path, letters, found := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		dot := strings.LastIndexByte(path, '.')
		if !found || dot < 0 {
			return fmt.Errorf("the line %q has no path and letters", line)
		}
		m.parts[path[:dot]] = append(m.parts[path[:dot]], part{name: strings.TrimSuffix(path[dot+1:], "[x]"),
			summary: strings.Contains(letters, "s"), mandatory: strings.Contains(letters, "m")})
	}
	return nil
}
