package fhir

import (
	"iter"
	"strings"

	"binnacle/events"
	"binnacle/events/fhir"
	"binnacle/projections"
	"binnacle/projections/fhir/form"
	"binnacle/projections/fhir/patch"
)

// patch reads a patch document for resources of a type: JSON Patch, or FHIRPath Patch in any form of Parameters.
func (d *Dialect) patch(typ string, content []byte) (*patch.Patch, error) {
	document, err := form.JSON(content)
	if err != nil {
		return nil, err
	}
	return patch.Parse(d.catalog.Model(), typ, document)
}

// Patch applies a JSON Patch or a FHIRPath Patch to the resource as it is read: with its id, and the meta elements of
// the version before. What a patch says of those two is passed over, as in an update.
func (d *Dialect) Patch(document []byte, before projections.Version, content []byte) ([]byte, error) {
	p, err := d.patch(before.Type, document)
	if err != nil {
		return nil, err
	}
	resource, err := form.JSON(content)
	if err != nil {
		return nil, err
	}
	if resource, err = fhir.Stamp(nil, resource, before.ID, before.Number, before.Time); err != nil {
		return nil, err
	}
	after, err := p.Apply(resource)
	if err != nil {
		return nil, err
	}
	if err := d.checkPatched(before, p, resource, after); err != nil {
		failed := events.Errorf(events.Unprocessable, "fhir.Patch", "what it makes of the resource can't be stored: %s",
			events.TextOf(err))
		return nil, failed
	}
	return after, nil
}

// checkPatched holds what a patch has made of a content against the rules for an update of the same resource.
func (d *Dialect) checkPatched(before projections.Version, p *patch.Patch, content, after []byte) error {
	doc, err := d.parse(after)
	if err != nil {
		return err
	}
	defer doc.Release()
	resource, err := fhir.ResourceOf(doc.Root())
	switch {
	case err != nil:
		return err
	case resource.Type != before.Type:
		return changed("resourceType", before.Type, resource.Type)
	case resource.ID != before.ID:
		return changed("id", before.ID, resource.ID)
	}
	if err := d.catalog.Check(resource.Node); err != nil {
		return err
	}
	if err := form.CheckBinary(resource.Node); err != nil {
		return err
	}
	contained, err := fhir.ContainedOf(resource.Node)
	if err != nil {
		return err
	}
	var seen map[string]bool
	for place := range fhir.References(resource.Node, d.catalog.Shape) {
		if place.Kind != fhir.ReferencePlace {
			continue
		}
		switch ref := fhir.ParseReference(place.Value); ref.Kind {
		case fhir.RelativeReference: // it is held against what is there
		case fhir.ContainedReference:
			if err := contained.Check(place, ref.Fragment); err != nil {
				return err
			}
		default:
			if seen == nil {
				if seen, err = d.references(before.Type, p, content); err != nil {
					return err
				}
			}
			if !seen[place.Value] {
				return events.Errorf(events.Unprocessable, "fhir.Patch", "%s would be %.200q, a text that was no reference "+
					"before; write it there as a value of the patch", place.Node.Path(), place.Value)
			}
		}
	}
	return nil
}

// references are those of a content and of a patch: the door has read them as what they are. What a patch moves to the
// place of a reference nobody has.
func (d *Dialect) references(typ string, p *patch.Patch, content []byte) (map[string]bool, error) {
	doc, err := d.parse(content)
	if err != nil {
		return nil, err
	}
	defer doc.Release()
	seen := map[string]bool{}
	for _, places := range []iter.Seq[fhir.Place]{fhir.References(doc.Root(), d.catalog.Shape),
		p.References(typ, d.catalog.Shape)} {
		for place := range places {
			if place.Kind == fhir.ReferencePlace {
				seen[strings.Clone(place.Value)] = true
			}
		}
	}
	return seen, nil
}

func changed(what, from, to string) error {
	return events.Errorf(events.Unprocessable, "fhir.Patch", "a patch changes no %s: it was %s, and would be %.64q", what,
		from, to)
}
