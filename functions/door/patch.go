package door

import (
	"mime"
	"net/http"
	"strings"

	"binnacle/events"
	"binnacle/events/fhir"
	"binnacle/events/fhir/rest"
	"binnacle/projections/fhir/form"
	"binnacle/projections/fhir/patch"
)

// patch answers PATCH [base]/Type/id (FHIR R4, http.html#patch) and, without an id, the conditional form PATCH
// [base]/Type?query. What the resource decides is decided in the order of the log.
func (d *door) patch(rw http.ResponseWriter, r *http.Request) error {
	change := events.Change{Operation: events.Patch, Type: d.ask.Type, ID: d.ask.ID, Entry: -1}
	if err := d.target(&change); err != nil {
		return err
	}
	if err := rest.HeaderPreconditions(&change, r.Header); err != nil {
		return err
	}
	isJSON, xml, err := rest.CheckPatch(r.Header)
	if err != nil {
		rw.Header().Set(rest.HeaderAcceptPatch, strings.Join(rest.PatchTypes, ", "))
		return err
	}
	data, release, err := d.document(r, xml)
	defer release()
	if err != nil {
		return err
	}
	document, err := form.JSON(data) // the event has the patch as JSON
	if err != nil {
		return err
	}
	if err := d.linker(nil).patch(&change, document, isJSON, ""); err != nil {
		return err
	}
	return d.single(rw, r, change, data)
}

// patch checks the document of a patch and makes it the content of a change, with its references resolved.
func (l *linker) patch(change *events.Change, data []byte, isJSON bool, fullURL string) error {
	doc, err := fhir.Parse(data)
	if err != nil {
		return err
	}
	switch is := doc.Root().Kind() == fhir.Array; {
	case isJSON && !is:
		return invalid("a JSON Patch is an array of operations; this is %s. Parameters with a FHIRPath Patch are sent as "+
			"%s", doc.Root().Kind(), rest.ResourceTypes[0])
	case !isJSON && is:
		return invalid("a FHIRPath Patch is a resource of the type Parameters; this is an array. A JSON Patch is sent as "+
			"%s", rest.JSONPatchType)
	}
	if !isJSON && doc.Root().Get("resourceType").Text() == "Parameters" {
		if err := l.door.Catalog.Check(doc.Root()); err != nil {
			return err
		}
	}
	read, err := patch.Read(l.door.Catalog.Model(), change.Type, doc)
	if err != nil {
		return err
	}
	return l.resolve(change, doc.Root(), nil, read.References(change.Type, l.door.Catalog.Shape),
		func(fhir.Place, string) error { return nil }, // what is contained shows when the patch is applied
		fullURL)
}

// patchEntry makes the patch in an entry the content of its change: a JSON Patch stands in a Binary (FHIR R4,
// http.html#transaction), a FHIRPath Patch is the resource itself.
func (d *door) patchEntry(l *linker, p *part) error {
	switch typ := p.Resource.Get("resourceType").Text(); typ {
	case "Parameters":
		if err := l.patch(p.change, p.Resource.Raw(), false, p.FullURL); err != nil {
			return p.at(err, "resource")
		}
		return nil
	case "Binary":
		data, err := patchIn(p.Resource)
		if err != nil {
			return p.at(err, "resource")
		}
		if err := l.patch(p.change, data, true, p.FullURL); err != nil {
			return p.at(err, "resource.data")
		}
		return nil
	default:
		return p.at(invalid("a patch in a bundle is Parameters (FHIRPath Patch), or a Binary with the contentType %s (JSON "+
			"Patch); this is a %s", rest.JSONPatchType, typ).At(typ+".resourceType"), "resource")
	}
}

// patchIn is the JSON Patch in a Binary.
func patchIn(binary fhir.Node) ([]byte, error) {
	name := binary.Get("contentType").Text()
	if media, _, err := mime.ParseMediaType(name); err != nil || media != rest.JSONPatchType {
		return nil, &rest.Refusal{Status: http.StatusUnsupportedMediaType, Err: events.Errorf(events.Unsupported,
			"door.Door", "a Binary with the contentType %.80q is no patch that is offered; it must be %s (RFC 6902)", name,
			rest.JSONPatchType).At("Binary.contentType")}
	}
	data, err := form.Data(binary)
	if err == nil && len(data) == 0 {
		err = invalid("the Binary has no data; it is to hold the patch, in base64").At("Binary.data")
	}
	return data, err
}
