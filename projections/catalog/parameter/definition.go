package parameter

import (
	"encoding/json"
	"fmt"
	"regexp"

	"binnacle/projections"
	"binnacle/projections/catalog/r4"
)

// Definition is a SearchParameter, as far as the catalog reads it (FHIR R4, section 5.6). It is not changed after it
// was checked.
type Definition struct {
	ResourceType string      `json:"resourceType"`
	ID           string      `json:"id"`
	URL          string      `json:"url"`
	Code         string      `json:"code"`
	Base         []string    `json:"base"`
	Type         string      `json:"type"`
	Expression   string      `json:"expression"`
	Target       []string    `json:"target"`
	Component    []Component `json:"component"`

	Kind projections.Kind `json:"-"` // what Type says; set by [Definition.Check]
}

// Component is a component of a composite: where its kind is defined, and its expression from the composite's focus.
type Component struct {
	Definition string `json:"definition"`
	Expression string `json:"expression"`
}

// Name is how messages call a definition.
func (d *Definition) Name() string {
	if d.URL != "" {
		return d.URL
	}
	return "SearchParameter/" + d.ID
}

var kinds = map[string]projections.Kind{
	"token":     projections.Token,
	"reference": projections.Reference,
	"string":    projections.String,
	"date":      projections.Date,
	"number":    projections.Number,
	"quantity":  projections.Quantity,
	"uri":       projections.URI,
	"composite": projections.Composite,
	"special":   projections.Special,
}

// codePattern allows what stands in a URL's query without escapes and has no meaning in a search ('.' chains, ':'
// modifies).
var codePattern = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_-]{0,63}$`)

// readDefinitions reads a SearchParameter or a Bundle; entries that are no SearchParameter are passed over.
func readDefinitions(data []byte) ([]*Definition, error) {
	var head struct {
		Definition
		Entry []struct {
			Resource json.RawMessage `json:"resource"`
		} `json:"entry"`
	}
	if err := json.Unmarshal(data, &head); err != nil {
		return nil, fmt.Errorf("it is no JSON of a SearchParameter or Bundle: %w", err)
	}
	switch head.ResourceType {
	case "SearchParameter":
		return []*Definition{&head.Definition}, nil
	case "Bundle":
	default:
		return nil, fmt.Errorf("resourceType is %.40q; it must be SearchParameter or Bundle", head.ResourceType)
	}
	definitions := make([]*Definition, 0, len(head.Entry))
	for i, e := range head.Entry {
		var kind struct {
			ResourceType string `json:"resourceType"`
		}
		if json.Unmarshal(e.Resource, &kind) != nil || kind.ResourceType != "SearchParameter" {
			continue
		}
		d := new(Definition)
		if err := json.Unmarshal(e.Resource, d); err != nil {
			return nil, fmt.Errorf("the entry %d: %w", i, err)
		}
		definitions = append(definitions, d)
	}
	if len(definitions) == 0 {
		return nil, fmt.Errorf("the Bundle holds no SearchParameter")
	}
	return definitions, nil
}

// Check tells what is wrong with a definition by itself.
func (d *Definition) Check(m *r4.Model) error {
	var known bool
	switch d.Kind, known = kinds[d.Type]; {
	case d.ID == "" && d.URL == "":
		return fmt.Errorf("it has neither url nor id")
	case !codePattern.MatchString(d.Code):
		return fmt.Errorf("code %.80q is not a letter or underscore followed by up to 63 letters, digits, hyphens or "+
			"underscores", d.Code)
	case !known:
		return fmt.Errorf("type %.40q is not a type of search parameter", d.Type)
	case len(d.Base) == 0:
		return fmt.Errorf("base is missing")
	case d.Kind == projections.Composite && len(d.Component) < 2:
		return fmt.Errorf("a composite parameter needs at least two components")
	}
	for _, base := range d.Base {
		if !m.IsResource(base) {
			return fmt.Errorf("base %.40q is not a resource type of FHIR R4", base)
		}
	}
	return nil
}

// checkOwn tells what is wrong with a definition of the operator's.
func (d *Definition) checkOwn(m *r4.Model) error {
	if err := d.Check(m); err != nil {
		return err
	}
	switch {
	case d.Code[0] == '_':
		return fmt.Errorf("the code %s begins with an underscore; those are FHIR's own", d.Code)
	case d.Kind == projections.Special:
		return fmt.Errorf("type special means what its own code says, and there is none for it")
	case d.Expression == "":
		return fmt.Errorf("expression is missing; without it nothing would be found")
	}
	return nil
}
