package parameter

import (
	"encoding/json"
	"fmt"
	"slices"

	"binnacle/events"
	"binnacle/projections/catalog/r4"
)

// Load returns the definitions of R4 and the operator's own, all of them checked. Each of more is the JSON of a
// SearchParameter or of a Bundle with some. One with the url, or the base and code, of an R4 definition stands in its
// place. An error of kind Invalid names the definition.
func Load(m *r4.Model, more ...[]byte) ([]*Definition, error) {
	const op = "catalog.Load"
	standard, err := r4Definitions(m)
	if err != nil {
		return nil, events.Wrap(events.Internal, op, err, "the embedded search parameters")
	}
	var own []*Definition
	for i, data := range more {
		definitions, err := readDefinitions(data)
		if err != nil {
			return nil, events.Errorf(events.Invalid, op, "definition file %d of %d: %v", i+1, len(more), err)
		}
		for _, d := range definitions {
			if err := d.checkOwn(m); err != nil {
				return nil, events.Errorf(events.Invalid, op, "SearchParameter %s: %v", d.Name(), err)
			}
		}
		own = append(own, definitions...)
	}
	definitions, err := merge(standard, own)
	if err != nil {
		return nil, events.Errorf(events.Invalid, op, "%v", err)
	}
	return definitions, nil
}

// r4Definitions returns the definitions of R4.
func r4Definitions(m *r4.Model) ([]*Definition, error) {
	data, err := r4.SearchParameters()
	if err != nil {
		return nil, err
	}
	var bundle struct {
		Entry []struct {
			Resource *Definition `json:"resource"`
		} `json:"entry"`
	}
	if err := json.Unmarshal(data, &bundle); err != nil {
		return nil, err
	}
	definitions := make([]*Definition, 0, len(bundle.Entry))
	for _, e := range bundle.Entry {
		if err := e.Resource.Check(m); err != nil {
			return nil, fmt.Errorf("%s: %w", e.Resource.Name(), err)
		}
		definitions = append(definitions, e.Resource)
	}
	return definitions, nil
}

// merge puts the operator's definitions over the standard's: one with the url, or the base and code, of one of these
// stands in its place. Two of the operator's own for one base and code are an error.
func merge(standard, own []*Definition) ([]*Definition, error) {
	type slot struct{ base, code string }
	taken := map[slot]*Definition{}
	urls := map[string]bool{}
	for _, d := range own {
		urls[d.URL] = d.URL != ""
		for _, base := range d.Base {
			s := slot{base, d.Code}
			if other := taken[s]; other != nil {
				return nil, fmt.Errorf("%s and %s both define the parameter %s of %s", other.Name(), d.Name(), d.Code,
					base)
			}
			taken[s] = d
		}
	}
	merged := slices.Clone(own)
	for _, d := range standard {
		if urls[d.URL] {
			continue
		}
		kept := slices.DeleteFunc(slices.Clone(d.Base), func(base string) bool {
			return taken[slot{base, d.Code}] != nil
		})
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
