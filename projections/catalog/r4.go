package catalog

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	_ "embed" // the definitions
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"

	"binnacle/events"
)

// extractionVersion is raised with every change of the code that gives other terms for a document, or another projections.Fold of its
// strings: rebuilds hang on it. TestTheWholeSample tells of the terms, by the digest in testdata/terms.golden.
const extractionVersion = 6

//go:generate go run ./r4/generate hapi-fhir-validation-resources-r4-8.12.1.jar r4

var (
	//go:embed r4/search-parameters.json.gz
	parametersFile []byte
	//go:embed r4/model.txt.gz
	modelFile []byte
	//go:embed r4/parts.txt.gz
	partsFile []byte
	//go:embed r4/code-systems.txt.gz
	systemsFile []byte
	//go:embed r4/compartments.json
	compartmentsFile []byte
	//go:embed r4/main-dates.txt
	mainDatesFile string
)

// unpack returns what r4/generate has packed.
func unpack(compressed []byte) ([]byte, error) {
	r, err := gzip.NewReader(bytes.NewReader(compressed))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}

// r4Definitions returns the definitions of R4.
func r4Definitions(m *model) ([]*definition, error) {
	data, err := unpack(parametersFile)
	if err != nil {
		return nil, err
	}
	var bundle struct {
		Entry []struct {
			Resource *definition `json:"resource"`
		} `json:"entry"`
	}
	if err := json.Unmarshal(data, &bundle); err != nil {
		return nil, err
	}
	definitions := make([]*definition, 0, len(bundle.Entry))
	for _, e := range bundle.Entry {
		if err := e.Resource.check(m); err != nil {
			return nil, fmt.Errorf("%s: %w", e.Resource.name(), err)
		}
		definitions = append(definitions, e.Resource)
	}
	return definitions, nil
}

// mainDates reads r4/main-dates.txt: type → code.
func mainDates() (map[string]string, error) {
	dates := map[string]string{}
	for line := range strings.Lines(mainDatesFile) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		typ, code, found := strings.Cut(line, " ")
		if !found {
			return nil, events.Errorf(events.Internal, "catalog.Load", "the line %q of the main dates has no two words", line)
		}
		dates[typ] = code
	}
	return dates, nil
}

// makeDigest hashes all that terms depend on, in a form that the order and the layout of definitions do not change.
func (c *Catalog) makeDigest() string {
	b := make([]byte, 0, 1<<20)
	put := func(texts ...string) {
		for _, text := range texts {
			b = binary.AppendUvarint(b, uint64(len(text)))
			b = append(b, text...)
		}
	}
	put(strconv.Itoa(extractionVersion), string(modelFile))
	for _, typ := range c.model.concrete {
		t := c.types[typ]
		put(typ, t.mainDate)
		for _, p := range t.sorted {
			put(p.Code, p.Kind.String(), p.Expression)
			for _, part := range p.Components {
				put(part.Kind.String(), part.Expression)
			}
		}
	}
	digest := sha256.Sum256(b)
	return hex.EncodeToString(digest[:])
}
