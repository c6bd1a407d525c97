package patch

import (
	"binnacle/events"
	"binnacle/events/fhir"
	"binnacle/projections/catalog/r4"
)

const opPatch = "fhir.Patch"

// documents are those that patches are applied to, while they are.
var documents fhir.Pool

// Patch is a patch that was read. It is safe for concurrent use.
type Patch struct {
	doc   *fhir.Document
	steps []step      // of a JSON Patch
	parts []operation // of a FHIRPath Patch
	model *r4.Model
}

// Parse reads a patch for resources of a type: an array is a JSON Patch, an object Parameters with a FHIRPath Patch.
// The patch keeps content, which must not be changed. Kind Invalid: it is neither, or an operation has not the form
// that it must have; the text names it. What depends on the resource that is patched shows when it is applied.
func Parse(model *r4.Model, typ string, content []byte) (*Patch, error) {
	doc, err := fhir.Parse(content)
	if err != nil {
		return nil, err
	}
	return Read(model, typ, doc)
}

// Read is [Parse] for a document that was parsed.
func Read(model *r4.Model, typ string, doc *fhir.Document) (*Patch, error) {
	p := &Patch{doc: doc, model: model}
	var err *events.Error
	switch doc.Root().Kind() {
	case fhir.Array:
		p.steps, err = readSteps(doc.Root())
	case fhir.Object:
		p.parts, err = readParameters(model, typ, doc.Root())
	default:
		err = malformed("a patch is an array of operations (JSON Patch, RFC 6902), or Parameters (FHIRPath Patch); "+
			"this is %s", doc.Root().Kind())
	}
	if err != nil {
		return nil, err
	}
	return p, nil
}

// Document is what the patch was read from.
func (p *Patch) Document() *fhir.Document { return p.doc }

// Apply returns what the patch makes of a document, in new bytes. FHIRPath Patch needs a resource. What a JSON Patch
// has emptied goes, too: FHIR has no empty arrays and objects (FHIR R4, json.html).
//
// Kind Unprocessable: an operation can't be done, as a test that fails or a path that leads nowhere; the text names
// the operation and the path. Kinds TooLarge and TooCostly: beyond the bounds of a patch.
func (p *Patch) Apply(before []byte) ([]byte, error) {
	doc, err := documents.Parse(before)
	if err != nil {
		return nil, err
	}
	defer documents.Release(doc)
	t := &tree{root: value{node: doc.Root()}}
	if p.steps != nil {
		if err := t.apply(p.steps); err != nil {
			return nil, err
		}
		if err := t.prune(&t.root, "", 0); err != nil {
			return nil, err
		}
	} else if err := t.operate(p); err != nil {
		return nil, err
	}
	after, failed := t.bytes(before)
	if failed != nil {
		return nil, failed
	}
	return after, nil
}

// malformed is the error of a patch that no document can make right.
func malformed(format string, args ...any) *events.Error {
	return events.Errorf(events.Invalid, opPatch, format, args...)
}

// impossible is the error of an operation that the document doesn't allow.
func impossible(format string, args ...any) *events.Error {
	return events.Errorf(events.Unprocessable, opPatch, format, args...)
}
