package r4

import (
	"fmt"
	"strings"
)

// Part is an element that is mandatory or belongs to a summary (StructureDefinition: min, isSummary).
type Part struct {
	Name               string // without [x]
	Summary, Mandatory bool
}

// PartsOf are the elements of a type or a backbone element, by its path, that are mandatory or belong to a summary.
func (m *Model) PartsOf(path string) []Part { return m.parts[path] }

// readParts reads the lines that r4/generate writes: "path letters", s for summary, m for mandatory.
func (m *Model) readParts() error {
	data, err := unpack(partsFile)
	if err != nil {
		return err
	}
	m.parts = make(map[string][]Part, 1024)
	for line := range strings.Lines(string(data)) {
		path, letters, found := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		dot := strings.LastIndexByte(path, '.')
		if !found || dot < 0 {
			return fmt.Errorf("the line %q has no path and letters", line)
		}
		m.parts[path[:dot]] = append(m.parts[path[:dot]], Part{Name: strings.TrimSuffix(path[dot+1:], "[x]"),
			Summary: strings.Contains(letters, "s"), Mandatory: strings.Contains(letters, "m")})
	}
	return nil
}
