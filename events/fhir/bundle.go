package fhir

import (
	"strings"

	"binnacle/events"
)

// Bundle is the parsed shape of a Bundle (FHIR R4, bundle.html). What its requests mean is not looked at.
type Bundle struct {
	Type    string // one of the types of the specification
	Entries []Entry
}

// Entry is one entry of a [Bundle]. Texts follow the rule of [Node.Text].
type Entry struct {
	FullURL  string
	Resource Node    // an object, or the zero Node; its exact bytes are Resource.Raw
	Request  Request // zero when there is none
	// why the entry of a batch can't be read: kind Invalid, with its place; the other fields are then zero
	Err error
}

// Request is the request of an entry, with the conditions as they stand there.
type Request struct {
	Method          string // one of GET, HEAD, POST, PUT, PATCH, DELETE
	URL             string
	IfMatch         string
	IfNoneMatch     string
	IfNoneExist     string
	IfModifiedSince string
}

// ParseBundle reads doc as a Bundle. An error is of kind Invalid and names the place, as Bundle.entry[3].request.url:
// a wrong kind of JSON value, an unknown type or method, and in a batch or transaction an entry without request or,
// in a transaction, a fullUrl that stands twice. In a batch, whose entries stand alone, what is wrong with one entry
// is in its Err instead.
func ParseBundle(doc *Document) (*Bundle, error) {
	root := doc.Root()
	if root.Get("resourceType").Text() != "Bundle" {
		return nil, refuse(root, "a Bundle is wanted here; its resourceType must be \"Bundle\"")
	}
	b := new(Bundle)
	var err *events.Error
	if b.Type, err = textAt(root, "type"); err != nil {
		return nil, err
	}
	switch b.Type {
	case "transaction", "batch", "transaction-response", "batch-response",
		"collection", "history", "searchset", "document", "message":
	case "":
		return nil, events.Errorf(events.Invalid, opBundle,
			"the Bundle has no type; write \"transaction\" or \"batch\"").At("Bundle.type")
	default:
		return nil, events.Errorf(events.Invalid, opBundle, "%q is no type of Bundle",
			cut(b.Type, maxPathKey)).At("Bundle.type")
	}
	list := root.Get("entry")
	if list.Exists() && list.Kind() != Array {
		return nil, refuse(list, "entry must be an array")
	}
	b.Entries = make([]Entry, 0, list.Len())
	fullURLs := map[string]bool{}
	for n := range list.Items() {
		e, err := b.entry(n)
		if err == nil && b.Type == "transaction" && e.FullURL != "" {
			key := URIKey(e.FullURL)
			if fullURLs[key] {
				err = refuse(n.Get("fullUrl"),
					"an entry before this one has the same fullUrl: references to it would be ambiguous")
			}
			fullURLs[key] = true
		}
		if err != nil {
			if b.Type != "batch" {
				return nil, err
			}
			e = Entry{Err: err}
		}
		b.Entries = append(b.Entries, e)
	}
	return b, nil
}

const opBundle = "fhir.ParseBundle"

func (b *Bundle) entry(n Node) (Entry, *events.Error) {
	if n.Kind() != Object {
		return Entry{}, refuse(n, "an entry must be an object")
	}
	e := Entry{Resource: n.Get("resource")}
	var err *events.Error
	if e.FullURL, err = textAt(n, "fullUrl"); err != nil {
		return Entry{}, err
	}
	if ParseReference(e.FullURL).Version != "" { // FHIR R4, bundle.html, invariant bdl-8
		return Entry{}, refuse(n.Get("fullUrl"), "a fullUrl names a resource, and none of its versions")
	}
	if strings.HasPrefix(e.FullURL, "#") {
		return Entry{}, refuse(n.Get("fullUrl"), "a fullUrl is a URL; #… names what a resource contains")
	}
	if e.Resource.Exists() && e.Resource.Kind() != Object {
		return Entry{}, refuse(e.Resource, "a resource must be an object")
	}
	request := n.Get("request")
	wanted := b.Type == "batch" || b.Type == "transaction"
	switch {
	case !request.Exists():
		if wanted {
			return Entry{}, refuse(n, "an entry of a "+b.Type+" needs a request with method and url")
		}
		return e, nil
	case request.Kind() != Object:
		return Entry{}, refuse(request, "a request must be an object")
	}
	for _, f := range []struct {
		key string
		to  *string
	}{
		{"method", &e.Request.Method}, {"url", &e.Request.URL}, {"ifMatch", &e.Request.IfMatch}, {"ifNoneMatch",
			&e.Request.IfNoneMatch},
		{"ifNoneExist", &e.Request.IfNoneExist}, {"ifModifiedSince", &e.Request.IfModifiedSince},
	} {
		if *f.to, err = textAt(request, f.key); err != nil {
			return Entry{}, err
		}
		// as no precondition it would let pass what it should hold back
		if value := request.Get(f.key); *f.to == "" && value.Exists() {
			return Entry{}, refuse(value, "the text is empty; give "+f.key+" a value, or leave it out")
		}
	}
	switch e.Request.Method {
	case "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE":
	case "":
		return Entry{}, refuse(request, "the request has no method")
	default:
		return Entry{}, refuse(request.Get("method"),
			"the method must be one of GET, HEAD, POST, PUT, PATCH and DELETE, in capitals")
	}
	if e.Request.URL == "" && e.Request.Method == "POST" {
		// HAPI's client leaves it out of its transactions of resources. It can only be the type of the resource.
		if e.Request.URL, err = textAt(e.Resource, "resourceType"); err != nil {
			return Entry{}, err
		}
	}
	if e.Request.URL == "" {
		return Entry{}, refuse(request, "the request has no url")
	}
	return e, nil
}

// textAt reads the string member key of an object; "" when it is absent.
func textAt(n Node, key string) (string, *events.Error) {
	value := n.Get(key)
	if value.Exists() && value.Kind() != String {
		return "", refuse(value, key+" must be a string")
	}
	return value.Text(), nil
}

func refuse(n Node, text string) *events.Error {
	return events.Errorf(events.Invalid, opBundle, "%s", text).At(n.Path())
}
