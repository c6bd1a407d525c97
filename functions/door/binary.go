package door

import (
	"mime"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"

	"binnacle/events"
	"binnacle/events/fhir"
	"binnacle/events/fhir/rest"
	"binnacle/projections/fhir/form"
)

// binaryType is the one type whose content may be sent as it is (FHIR R4, binary.html).
const binaryType = "Binary"

// sentBinary is sent for a Binary: a resource, or the bytes that one is to hold. The Content-Type says which. Types
// that are any document's, as application/json, say it with the body: a Binary of FHIR is taken for the resource.
func (d *door) sentBinary(change *events.Change, r *http.Request) (data []byte, release func(), err error) {
	contentType := strings.Join(strings.Fields(r.Header.Get("Content-Type")), " ")
	media, _, err := mime.ParseMediaType(contentType)
	switch {
	case contentType == "" || err == nil && rest.IsResourceType(media):
		if data, release, err = d.body(r); err == nil && contentType == "" {
			err = untyped(data)
		}
		if err == nil {
			err = d.contentOfBinary(change, r, data)
		}
		return data, release, err
	case err != nil || !strings.Contains(media, "/") || strings.Contains(media, "*") || !utf8.ValidString(contentType):
		return nil, func() {}, rest.Refused(http.StatusUnsupportedMediaType, events.Unsupported, "door.Door",
			"Content-Type %.80q is no media type; name the one of the bytes, as in image/png", contentType)
	case isAnyDocument(media):
		if data, release, err = d.bodyBehind(nil, r); err != nil {
			return nil, release, err
		}
		if document, is := isBinary(data); is {
			return document, release, d.contentOfBinary(change, r, document)
		}
		head, err := d.rawHead(change, r, contentType)
		change.Content = slices.Concat(head, data)
		return change.Content, release, err
	}
	head, err := d.rawHead(change, r, contentType)
	if err != nil {
		return nil, func() {}, err
	}
	change.Content, release, err = d.bodyBehind(head, r)
	return change.Content, release, err
}

// contentOfBinary is content for a Binary that was sent as a resource.
func (d *door) contentOfBinary(change *events.Change, r *http.Request, data []byte) error {
	if len(r.Header.Values(rest.HeaderSecurityContext)) > 0 {
		return invalid("%s goes with the bytes of a Binary; in a resource its securityContext says it",
			rest.HeaderSecurityContext)
	}
	return d.content(change, data)
}

// untyped refuses bytes that no Content-Type names. Documents that come without one are resources.
func untyped(data []byte) error {
	of := form.Of(form.Trim(data))
	if len(data) == 0 || of == form.InJSON || of == form.InXML {
		return nil
	}
	return rest.Refused(http.StatusUnsupportedMediaType, events.Unsupported, "door.Door", "there is no Content-Type, and "+
		"the body is no resource; the bytes of a Binary need the Content-Type that is theirs, as image/png")
}

// isAnyDocument tells of media types that resources may come in, and other documents as well.
func isAnyDocument(media string) bool {
	switch media {
	case "application/json", "text/json", "application/xml", "text/xml":
		return true
	}
	return false
}

// isBinary tells whether a document is a Binary of FHIR, and returns it as it is parsed.
func isBinary(data []byte) ([]byte, bool) {
	if trimmed := form.Trim(data); form.Of(trimmed) == form.InXML {
		data = trimmed
	} else if form.Of(data) != form.InJSON {
		return nil, false
	}
	document, err := form.JSON(data)
	if err != nil {
		return nil, false
	}
	parsed, err := fhir.Parse(document)
	return data, err == nil && parsed.Root().Get("resourceType").Text() == binaryType
}

// rawHead begins the content of a Binary whose bytes were sent, and gives a conditional update the id under which it
// would be created. What the header X-Security-Context refers to is held against the rules for references, as it is in
// a resource.
func (d *door) rawHead(change *events.Change, r *http.Request, contentType string) ([]byte, error) {
	if change.ID == "" {
		change.ID = d.NewID()
	}
	lines := r.Header.Values(rest.HeaderSecurityContext)
	switch len(lines) {
	case 0:
		return form.RawHead(contentType, ""), nil
	case 1:
	default:
		return nil, invalid("%s stands %d times in the request; send one reference", rest.HeaderSecurityContext,
			len(lines))
	}
	fail := func(err error) error {
		return invalid("%s: %s", rest.HeaderSecurityContext, events.TextOf(err)).At("Binary.securityContext")
	}
	document := append(fhir.AppendString([]byte(
		`{"resourceType":"Binary","securityContext":{"reference":`), strings.TrimSpace(lines[0])), "}}"...)
	resource, err := fhir.ParseResource(document)
	if err != nil {
		return nil, fail(err)
	}
	var linked events.Change
	if err := d.linker(nil).link(&linked, resource.Node, nil, ""); err != nil {
		return nil, fail(err)
	}
	if len(linked.Links) > 0 {
		return nil, fail(invalid("a search can't be resolved there; write Type/id"))
	}
	if resource, err = fhir.ParseResource(linked.Content); err != nil {
		return nil, fail(err)
	}
	return form.RawHead(contentType, resource.Node.Get("securityContext").Get("reference").Text()), nil
}
