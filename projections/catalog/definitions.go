package catalog

import (
	"encoding/json"
	"fmt"
	"slices"

	"binnacle/events"
)

// loadDefinitions returns the definitions of R4 and the operator's own, each of more being the JSON of a SearchParameter
// or of a Bundle with some. One with the url, or the base and code, of an R4 definition stands in its place. An error of
// kind Invalid names the definition.
func loadDefinitions(m *model, more ...[]byte) ([]*definition, error) {
	const op = "catalog.Load"
	r4, err := r4Definitions(m)
	if err != nil {
		return nil, events.Wrap(events.Internal, op, err, "the embedded search parameters")
	}
	var own []*definition
	for i, data := range more {
		definitions, err := readDefinitions(data)
		if err != nil {
			return nil, events.Errorf(events.Invalid, op, "definition file %d of %d: %v", i+1, len(more), err)
		}
		for _, d := range definitions {
			if err := d.checkOwn(m); err != nil {
				return nil, events.Errorf(events.Invalid, op, "SearchParameter %s: %v", d.name(), err)
			}
		}
		own = append(own, definitions...)
	}
	definitions, err := merge(r4, own)
	if err != nil {
		return nil, events.Errorf(events.Invalid, op, "%v", err)
	}
	return definitions, nil
}

// r4Definitions returns the definitions of R4.
func r4Definitions(m *model) ([]*definition, error) {
	data, err := searchParameters()
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

// merge puts the operator's definitions over those of R4: one with the url, or the base and code, of an R4 definition stands in its place.
// Two of the operator's own for one base and code are an error.
func merge(r4, own []*definition) ([]*definition, error) {
	type slot struct{ base, code string }
	taken := map[slot]*definition{}
	urls := map[string]bool{}
	for _, d := range own {
		urls[d.URL] = d.URL != ""
		for _, base := range d.Base {
			s := slot{base, d.Code}
			if other := taken[s]; other != nil {
				return nil, fmt.Errorf("%s and %s both define the parameter %s of %s", other.name(), d.name(), d.Code, base)
			}
			taken[s] = d
		}
	}
	merged := slices.Clone(own)
	for _, d := range r4 {
		if urls[d.URL] {
			continue
		}
		kept := slices.DeleteFunc(slices.Clone(d.Base), func(base string) bool { return taken[slot{base, d.Code}] != nil })
		if len(kept) == len(d.Base) {
			merged = append(merged, d)
		} else if len(kept) > 0 {
			c := *d
			c.Base = kept
			merged = append(merged, &c)
		}
	}
	return merged, nil
}
