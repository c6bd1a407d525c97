package extract

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"slices"
	"strconv"
	"sync"

	"binnacle/events"
	"binnacle/events/fhir"
	"binnacle/projections"
	"binnacle/projections/catalog/parameter"
	"binnacle/projections/catalog/r4"
)

// extractionVersion must be raised with every change of the code that gives other terms for a document, or another
// projections.Fold of its strings. An index that was made with another version asks for a rebuild. TestTheWholeSample
// tells when the terms have changed, by the digest in testdata/terms.golden.
const extractionVersion = 6

// Types is what can be searched of all resource types, compiled to turn documents into terms. It doesn't change and is
// safe for concurrent use.
type Types struct {
	model  *r4.Model
	types  map[string]*Type
	digest string
	walks  sync.Pool // of *walk
}

// Compile compiles definitions that have been checked. An error of kind Invalid names the definition, its
// expression, the position in it and the construct.
func Compile(m *r4.Model, definitions []*parameter.Definition) (*Types, error) {
	types, err := compileTypes(m, definitions)
	if err != nil {
		return nil, err
	}
	x := &Types{model: m, types: types}
	x.walks.New = func() any { return new(walk) }
	x.digest = x.makeDigest()
	return x, nil
}

// Of returns what can be searched of a resource type; nil for what is none.
func (x *Types) Of(name string) *Type { return x.types[name] }

// Digest changes whenever the same document may give other terms.
func (x *Types) Digest() string { return x.digest }

// Extract returns all terms of a resource, and those of what it contains under their names (see projections.Inside);
// none for _id and _lastUpdated, which the index knows by itself.
func (x *Types) Extract(doc *fhir.Document) (projections.Extracted, error) {
	w, err := x.walk(doc.Root())
	if err != nil {
		return projections.Extracted{}, err
	}
	e := projections.Extracted{Terms: append(slices.Clone(w.terms), x.inside(w)...), MainDate: w.main}
	x.release(w)
	if e.MainDate == projections.MaxTime {
		e.MainDate = projections.MinTime
	}
	return e, nil
}

// Check tells, by the same code, whether [Types.Extract] would fail for a resource, and whether an element of R4 has
// the wrong JSON form.
func (x *Types) Check(resource fhir.Node) error {
	w, err := x.walk(resource)
	if err != nil {
		return err
	}
	err = longString(w.terms)
	x.release(w)
	if err != nil {
		return err
	}
	if err := fhir.CheckForm(resource, x.model.Shape); err != nil {
		return err
	}
	for inside := range resource.Get("contained").Items() {
		if err := x.checkInside(inside, resource); err != nil {
			return err
		}
	}
	return nil
}

// maxString is the size of the largest string that FHIR R4 allows (datatypes.html#string: 1 MB), bytes. An index that
// keeps larger ones makes others wait.
const maxString = 1 << 20

// longString refuses a string that a search would read and that is too long.
func longString(terms []projections.Term) error {
	for i := range terms {
		if terms[i].Kind == projections.String && len(terms[i].Text) > maxString {
			return events.Errorf(events.Invalid, "catalog.Check",
				"a string that the search parameter %s reads has %d bytes; FHIR R4 allows a string 1 MB",
				terms[i].Param, len(terms[i].Text))
		}
	}
	return nil
}

// release gives a walk back for other documents. It must not keep this one in memory.
func (x *Types) release(w *walk) {
	w.reset(fhir.Node{})
	x.walks.Put(w)
}

func (x *Types) walk(root fhir.Node) (*walk, error) {
	if root.Kind() != fhir.Object {
		return nil, events.Errorf(events.Invalid, "catalog.Extract", "a resource is a JSON object; this is %s",
			root.Kind())
	}
	typ := root.Get("resourceType").Text()
	t := x.types[typ]
	if t == nil {
		return nil, events.Errorf(events.Invalid, "catalog.Extract",
			"resourceType %.64q is not a resource type of FHIR R4", typ).At("resourceType")
	}
	w := x.walks.Get().(*walk)
	w.reset(root)
	w.run(t.paths, root)
	if w.err != nil {
		err := w.err
		x.release(w)
		return nil, err
	}
	return w, nil
}

// makeDigest hashes all that terms depend on, in a form that the order and the layout of definitions do not change.
func (x *Types) makeDigest() string {
	b := make([]byte, 0, 1<<20)
	put := func(texts ...string) {
		for _, text := range texts {
			b = binary.AppendUvarint(b, uint64(len(text)))
			b = append(b, text...)
		}
	}
	put(strconv.Itoa(extractionVersion), string(x.model.Written()))
	for _, typ := range x.model.Types() {
		t := x.types[typ]
		put(typ, t.MainDate)
		for _, p := range t.Sorted {
			put(p.Code, p.Kind.String(), p.Expression)
			for _, part := range p.Components {
				put(part.Kind.String(), part.Expression)
			}
		}
	}
	digest := sha256.Sum256(b)
	return hex.EncodeToString(digest[:])
}
