package parameter

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"

	"binnacle/events"
	"binnacle/projections/catalog/r4"
)

// keptBytes bounds what [Restore] unpacks.
const keptBytes = 64 << 20

// keptDefinitions is the written form of the definitions of a catalog: a Bundle of SearchParameters, gzipped.
type keptDefinitions struct {
	ResourceType string      `json:"resourceType"`
	Type         string      `json:"type"`
	Entry        []keptEntry `json:"entry"`
}

type keptEntry struct {
	Resource *Definition `json:"resource"`
}

// Keep writes definitions for [Restore].
func Keep(definitions []*Definition) ([]byte, error) {
	all := keptDefinitions{ResourceType: "Bundle", Type: "collection", Entry: make([]keptEntry, len(definitions))}
	for i, d := range definitions {
		all.Entry[i].Resource = d
	}
	var buffer bytes.Buffer
	w := gzip.NewWriter(&buffer)
	err := json.NewEncoder(w).Encode(&all)
	if closed := w.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return nil, events.Wrap(events.Internal, "catalog.Definitions", err, "the definitions cannot be written")
	}
	return buffer.Bytes(), nil
}

// Restore reads what [Keep] has written. Kind Invalid: the bytes are no such definitions.
func Restore(m *r4.Model, data []byte) ([]*Definition, error) {
	const op = "catalog.Restore"
	r, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, events.Wrap(events.Invalid, op, err, "the kept definitions cannot be unpacked")
	}
	if data, err = io.ReadAll(io.LimitReader(r, keptBytes)); err != nil {
		return nil, events.Wrap(events.Invalid, op, err, "the kept definitions cannot be unpacked")
	}
	var all keptDefinitions
	if err := json.Unmarshal(data, &all); err != nil {
		return nil, events.Wrap(events.Invalid, op, err, "the kept definitions are no JSON of a Bundle")
	}
	definitions := make([]*Definition, 0, len(all.Entry))
	for i, e := range all.Entry {
		if e.Resource == nil {
			return nil, events.Errorf(events.Invalid, op, "entry %d of the kept definitions holds none", i)
		}
		if err := e.Resource.Check(m); err != nil {
			return nil, events.Errorf(events.Invalid, op, "SearchParameter %s: %v", e.Resource.Name(), err)
		}
		definitions = append(definitions, e.Resource)
	}
	return definitions, nil
}
