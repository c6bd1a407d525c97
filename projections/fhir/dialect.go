package fhir

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"binnacle/events"
	"binnacle/events/fhir"
	"binnacle/projections"
	"binnacle/projections/catalog"
	"binnacle/projections/fhir/form"
)

var _ projections.Registered = (*Dialect)(nil)

// Dialect is FHIR R4 with a catalog. It is safe for concurrent use.
type Dialect struct {
	catalog    *catalog.Catalog
	conditions *catalog.Conditions
	documents  sync.Pool // of *document

	mu        sync.Mutex
	referrers map[string][]projections.Referrer // by type, as far as they were asked for
}

// New makes the dialect that searches by a catalog.
func New(c *catalog.Catalog) *Dialect {
	return &Dialect{catalog: c, conditions: catalog.NewConditions(c),
		referrers: make(map[string][]projections.Referrer)}
}

// CatalogOf returns the catalog of the dialect of FHIR among dialects; nil: it is not among them.
func CatalogOf(dialects *projections.Dialects) *catalog.Catalog {
	if d, is := dialects.Named(events.FHIR).(*Dialect); is {
		return d.catalog
	}
	return nil
}

// Prepare checks a change's form: type and id, and that the content is a resource of that type.
func (d *Dialect) Prepare(change *events.Change) (projections.Prepared, error) {
	if !d.catalog.Readable(change.Type) {
		return projections.Prepared{}, fmt.Errorf("%.80q is no resource type", change.Type)
	}
	byCondition := change.Operation == events.Delete || change.Operation == events.Patch
	if !(change.ID == "" && byCondition && (change.Condition != "" || change.Many > 0)) {
		if err := fhir.CheckID(change.ID); err != nil {
			return projections.Prepared{}, err
		}
	}
	switch change.Operation {
	case events.Delete:
		return projections.Prepared{}, nil
	case events.Patch:
		_, err := d.patch(change.Type, change.Content)
		return projections.Prepared{}, err
	}
	doc, err := d.parse(change.Content)
	if err != nil {
		return projections.Prepared{}, err
	}
	resource, err := fhir.ResourceOf(doc.Root())
	if err != nil {
		return projections.Prepared{}, err
	}
	if resource.Type != change.Type {
		return projections.Prepared{}, fmt.Errorf("the content's resourceType is %s", resource.Type)
	}
	// what is raw has no white space that would not count
	p := projections.Prepared{Content: doc, Exact: form.Of(change.Content) == form.Raw}
	if change.Operation == events.Update { // the id in what is created does not count
		p.ID = resource.ID
	}
	return p, nil
}

// Resolve writes the targets into the references that the links stand for.
func (d *Dialect) Resolve(change *events.Change, targets []string) ([]byte, error) {
	edits := make([]fhir.Edit, 0, len(targets))
	first := len(targets) // of those that tell of versions, which come last
	for i, link := range change.Links {
		if link.Version {
			first = i
			break
		}
		edits = append(edits, fhir.Edit{Start: link.Start, End: link.End, New: targets[i]})
	}
	if first < len(targets) {
		told, err := tellVersions(change, first, targets[first:])
		if err != nil {
			return nil, err
		}
		edits = append(edits, told)
	}
	return fhir.Splice(change.Content, edits)
}

// Texts around the links that tell of versions, as the door writes them: {"reference":"…"},{"reference":"…"}.
const (
	beforeTold  = `{"reference":"`
	behindTold  = `"}`
	betweenTold = behindTold + "," + beforeTold
)

// tellVersions writes the references to the versions that the last links of a change tell of, from the first such link
// on, in place of the links. A target may be several names with commas between, or none.
func tellVersions(change *events.Change, first int, targets []string) (fhir.Edit, error) {
	links, content := change.Links[first:], change.Content
	edit := fhir.Edit{Start: links[0].Start - len(beforeTold), End: links[len(links)-1].End + len(behindTold)}
	well := edit.Start >= 0 && edit.End <= len(content) &&
		string(content[edit.Start:links[0].Start]) == beforeTold &&
		string(content[edit.End-len(behindTold):edit.End]) == behindTold
	for i := 1; i < len(links) && well; i++ {
		well = links[i].Version && string(content[links[i-1].End:links[i].Start]) == betweenTold
	}
	if !well {
		return edit, events.Errorf(events.Invalid, "fhir.Resolve", "the links that tell of versions do not stand in a "+
			"list of references")
	}
	var told strings.Builder
	for _, target := range targets {
		for name := range strings.SplitSeq(target, ",") {
			if name == "" {
				continue
			}
			if told.Len() > 0 {
				told.WriteByte(',')
			}
			told.WriteString(beforeTold + name + behindTold)
		}
	}
	edit.New = told.String()
	return edit, nil
}

// Same is [fhir.Same] of the documents that contents are read as. Where the forms differ, the order of keys does not
// count, nor do escapes: XML has neither.
func (d *Dialect) Same(before, after []byte) bool {
	was, is := form.Of(before), form.Of(after)
	if was == form.InJSON && is == form.InJSON || len(before) == 0 {
		return fhir.Same(before, after)
	}
	ordered := func(content []byte) []byte {
		document, err := form.JSON(content)
		if err == nil && was != is {
			document, err = form.Ordered(document)
		}
		if err != nil {
			return nil
		}
		return document
	}
	said := ordered(before)
	return said != nil && fhir.Same(said, ordered(after))
}

// Read parses a content.
func (d *Dialect) Read(content []byte) (projections.Content, error) {
	doc, err := d.parse(content)
	if err != nil {
		return nil, err
	}
	return doc, nil
}

// Condition reads a search query of a type; see [catalog.Selective] for TooCostly.
func (d *Dialect) Condition(tenant, typ, text string) (projections.Query, error) {
	query, err := d.conditions.Parse(tenant, typ, text)
	if err != nil {
		return projections.Query{}, events.Errorf(events.Invalid, "fhir.Condition", "%s", events.TextOf(err))
	}
	return query, catalog.Selective(query)
}

// Referrers are those search parameters of all types that may refer to one of a type. What a Provenance is about is
// none of them: it tells of versions, which stay when their resource is deleted (ADR 84).
func (d *Dialect) Referrers(typ string) []projections.Referrer {
	d.mu.Lock()
	defer d.mu.Unlock()
	if found, have := d.referrers[typ]; have {
		return found
	}
	var found []projections.Referrer
	for _, other := range d.catalog.Types() {
		if shape := d.catalog.Shape(other); shape.Opaque {
			continue // what its parameters find belongs to it
		}
		for _, p := range d.catalog.Params(other) {
			if p.Kind == projections.Reference && p.Searchable() && !tells(other, p.Expression) && (len(p.Targets) == 0 ||
				slices.Contains(p.Targets, typ)) {
				found = append(found, projections.Referrer{Type: other, Param: p.Code, Shares: p.Clause().Shares})
			}
		}
	}
	if d.catalog.Readable(typ) { // other names come from outside, as many as somebody likes
		d.referrers[typ] = found
	}
	return found
}

// tells tells of a parameter that finds what a Provenance is about (target, and patient among the targets).
func tells(typ, expression string) bool {
	return typ == "Provenance" && strings.HasPrefix(expression, "Provenance.target")
}

// Name is that of events that name no dialect.
func (d *Dialect) Name() string { return events.FHIR }

// Types are those that the catalog can read.
func (d *Dialect) Types() []string { return d.catalog.ReadableTypes() }

// Digest is that of the catalog.
func (d *Dialect) Digest() string { return d.catalog.Digest() }

// Definitions are those that the catalog was compiled from.
func (d *Dialect) Definitions() ([]byte, error) { return d.catalog.Definitions() }

// Restore compiles the catalog of definitions.
func (d *Dialect) Restore(definitions []byte) (projections.Registered, error) {
	c, err := catalog.Restore(definitions)
	if err != nil {
		return nil, err
	}
	return New(c), nil
}
