package fhir

import (
	"sort"

	"binnacle/events"
	"binnacle/events/fhir"
	"binnacle/projections"
	"binnacle/projections/fhir/form"
)

// document is a resource that was parsed, in memory that is used again: the tape of a document takes half as much as
// the document.
type document struct {
	fhir.Document
	dialect *Dialect
	content form.Form    // of the content
	source  *form.Source // where the texts stand in the content; nil: where they stand in the document
}

// parse is [fhir.Parse] of a content in any form.
func (d *Dialect) parse(content []byte) (*document, error) {
	json, source, err := form.Parsed(form.Terms(content))
	if err != nil {
		return nil, err
	}
	doc, _ := d.documents.Get().(*document)
	if doc == nil {
		doc = &document{dialect: d}
	}
	if err := doc.Reset(json); err != nil {
		d.documents.Put(doc)
		return nil, err
	}
	doc.content, doc.source = form.Of(content), source
	return doc, nil
}

// Extract makes the terms with the catalog.
func (d *document) Extract() (projections.Extracted, error) {
	return d.dialect.catalog.Extract(&d.Document)
}

// Path is the FHIRPath of a place.
func (d *document) Path(place int) string { return d.NodeAt(place).Path() }

// Sketch is [fhir.Document.Sketch] of what was sent as JSON. Of another form it tells nothing: its document says what
// it says in an order of its own.
func (d *document) Sketch() uint64 {
	if d.content != form.InJSON {
		return 0
	}
	return d.Document.Sketch()
}

// LinkPath is the FHIRPath of the reference that a link stands for.
func (d *document) LinkPath(link events.Link) string {
	for place := range fhir.References(d.Root(), d.dialect.catalog.Shape) {
		if place.Start <= link.Start && link.Start < place.End {
			return place.Node.Path()
		}
	}
	return ""
}

// Release gives the document's memory back for another one.
func (d *document) Release() {
	d.Clear() // it must not keep the content
	d.source = nil
	d.dialect.documents.Put(d)
}

// Mentions finds the literal references to other resources of this server, and those links that name a version of
// what they lead to.
func (d *document) Mentions(tenant string, links []events.Link) []projections.Mention {
	var found []projections.Mention
	next := 0 // of the links
	for place := range fhir.References(d.Root(), d.dialect.catalog.Shape) {
		start := place.Start
		if d.source != nil {
			start = d.source.Place(d.Bytes(), start)
			next = sort.Search(len(links), func(i int) bool { return links[i].End > start })
		}
		for next < len(links) && links[next].End <= start {
			next++
		}
		if place.Kind != fhir.ReferencePlace {
			continue
		}
		r := fhir.ParseReference(place.Value)
		switch {
		case next < len(links) && links[next].Start <= start:
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
