package fhir

import (
	"binnacle/events"
	"binnacle/events/fhir"
	"binnacle/projections"
)

// document is a resource that was parsed, in memory that is used again: the tape of a document takes half as much as
// the document.
type document struct {
	fhir.Document
	dialect *Dialect
}

// parse is [fhir.Parse].
func (d *Dialect) parse(content []byte) (*document, error) {
	doc, _ := d.documents.Get().(*document)
	if doc == nil {
		doc = &document{dialect: d}
	}
	if err := doc.Reset(content); err != nil {
		d.documents.Put(doc)
		return nil, err
	}
	return doc, nil
}

// Extract makes the terms with the catalog.
func (d *document) Extract() (projections.Extracted, error) {
	return d.dialect.catalog.Extract(&d.Document)
}

// Path is the FHIRPath of a place.
func (d *document) Path(place int) string { return d.NodeAt(place).Path() }

// Release gives the document's memory back for another one.
func (d *document) Release() {
	d.Clear() // it must not keep the content
	d.dialect.documents.Put(d)
}

// Mentions finds the literal references to other resources of this server, and those links that name a version of
// what they lead to.
func (d *document) Mentions(tenant string, links []events.Link) []projections.Mention {
	var found []projections.Mention
	next := 0 // of the links
	for place := range fhir.References(d.Root(), d.dialect.catalog.Shape) {
		for next < len(links) && links[next].End <= place.Start {
			next++
		}
		if place.Kind != fhir.ReferencePlace {
			continue
		}
		r := fhir.ParseReference(place.Value)
		switch {
		case next < len(links) && links[next].Start <= place.Start:
			if r.Version != "" && links[next].Change >= 0 {
				found = append(found, projections.Mention{Link: next, Version: r.Version, Place: place.Node.Place()})
			}
		case r.Kind == fhir.RelativeReference:
			key := projections.Key{Tenant: tenant, Type: r.Type, ID: r.ID}
			found = append(found, projections.Mention{Key: key, Link: -1, Version: r.Version,
				Place: place.Node.Place()})
		}
	}
	return found
}
