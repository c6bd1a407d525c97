package r4

import (
	"bytes"
	"compress/gzip"
	_ "embed" // the definitions
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"

	"binnacle/events"
)

//go:generate go run ./generate hapi-fhir-validation-resources-r4-8.12.1.jar .

var (
	//go:embed search-parameters.json.gz
	parametersFile []byte
	//go:embed model.txt.gz
	modelFile []byte
	//go:embed parts.txt.gz
	partsFile []byte
	//go:embed code-systems.txt.gz
	systemsFile []byte
	//go:embed compartments.json
	compartmentsFile []byte
	//go:embed main-dates.txt
	mainDatesFile string
)

// Load returns the model, which is read once, from the files that the program carries.
func Load() (*Model, error) { return loaded() }

var loaded = sync.OnceValues(load)

func load() (*Model, error) {
	m := &Model{}
	m.shapes = sync.OnceValue(m.makeShapes)
	for _, file := range []struct {
		holds string
		read  func() error
	}{
		{"type model", m.readTypes},
		{"code systems", m.readSystems},
		{"parts of resources", m.readParts},
		{"compartments", func() error { return json.Unmarshal(compartmentsFile, &m.compartments) }},
		{"main dates", m.readMainDates},
	} {
		if err := file.read(); err != nil {
			return nil, events.Wrap(events.Internal, "catalog.Load", err, "the embedded %s", file.holds)
		}
	}
	return m, nil
}

// SearchParameters is a Bundle of the SearchParameters of R4, as JSON.
func SearchParameters() ([]byte, error) { return unpack(parametersFile) }

// Written is the type model as the program carries it; it changes whenever the model does.
func (m *Model) Written() []byte { return modelFile }

// readMainDates reads r4/main-dates.txt.
func (m *Model) readMainDates() error {
	m.mainDates = map[string]string{}
	for line := range strings.Lines(mainDatesFile) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		typ, code, found := strings.Cut(line, " ")
		if !found {
			return fmt.Errorf("the line %q has no two words", line)
		}
		if !slices.Contains(m.concrete, typ) {
			return fmt.Errorf("the line %q names an unknown type", line)
		}
		m.mainDates[typ] = code
	}
	return nil
}

// unpack returns what r4/generate has packed.
func unpack(compressed []byte) ([]byte, error) {
	r, err := gzip.NewReader(bytes.NewReader(compressed))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}
