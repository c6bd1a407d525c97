package catalog

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"

	"binnacle/events"
)

// restoreBytes bounds what Restore unpacks.
const restoreBytes = 64 << 20

// source is the written form of the definitions that a catalog was compiled from: a Bundle of SearchParameters, gzipped.
type source struct {
	ResourceType string        `json:"resourceType"`
	Type         string        `json:"type"`
	Entry        []sourceEntry `json:"entry"`
}

type sourceEntry struct {
	Resource *definition `json:"resource"`
}

// Definitions writes all definitions that the catalog was compiled from, those of R4 too, for [Restore]: an index that was made with them
// can be searched in their terms when the configuration, or the program's own definitions, have changed.
func (c *Catalog) Definitions() ([]byte, error) {
	s := source{ResourceType: "Bundle", Type: "collection", Entry: make([]sourceEntry, len(c.definitions))}
	for i, d := range c.definitions {
		s.Entry[i].Resource = d
	}
	var buffer bytes.Buffer
	w := gzip.NewWriter(&buffer)
	err := json.NewEncoder(w).Encode(&s)
	if closed := w.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return nil, events.Wrap(events.Internal, "catalog.Definitions", err, "the definitions cannot be written")
	}
	return buffer.Bytes(), nil
}

// Restore compiles the catalog that [Catalog.Definitions] was called on. Its digest is the same unless another version of the program, which
// extracts differently, wrote them. Kind Invalid: the bytes are no such definitions.
func Restore(definitions []byte) (*Catalog, error) {
	const op = "catalog.Restore"
	m, err := parseModel(modelFile)
	if err != nil {
		return nil, events.Wrap(events.Internal, op, err, "the embedded type model")
	}
	r, err := gzip.NewReader(bytes.NewReader(definitions))
	if err != nil {
		return nil, events.Wrap(events.Invalid, op, err, "the kept definitions cannot be unpacked")
	}
	data, err := io.ReadAll(io.LimitReader(r, restoreBytes))
	if err != nil {
		return nil, events.Wrap(events.Invalid, op, err, "the kept definitions cannot be unpacked")
	}
	var s source
	if err := json.Unmarshal(data, &s); err != nil {
		return nil, events.Wrap(events.Invalid, op, err, "the kept definitions are no JSON of a Bundle")
	}
	all := make([]*definition, 0, len(s.Entry))
	for i, e := range s.Entry {
		if e.Resource == nil {
			return nil, events.Errorf(events.Invalid, op, "entry %d of the kept definitions holds none", i)
		}
		if err := e.Resource.check(m); err != nil {
			return nil, events.Errorf(events.Invalid, op, "SearchParameter %s: %v", e.Resource.name(), err)
		}
		all = append(all, e.Resource)
	}
	return compile(m, all)
}
