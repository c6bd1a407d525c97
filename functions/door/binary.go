package door

import (
	"bytes"
	"mime"
	"net/http"
	"strings"
	"unicode/utf8"

	"binnacle/events"
	"binnacle/events/fhir"
	"binnacle/events/fhir/rest"
	"binnacle/projections/fhir/form"
)

// binaryType is the one type whose content may be sent as it is (FHIR R4, binary.html).
const binaryType = "Binary"

// check holds a document against what is asked of all resources.
func (d *door) check(resource fhir.Node) error {
	if err := d.Catalog.Check(resource); err != nil {
		return err
	}
	return form.CheckBinary(resource)
}

// sentBinary is sent for a Binary: a resource, or the bytes that one is to hold. The Content-Type says which. Types
// that are any document's, as application/json, say it with the body: a Binary of FHIR is taken for the resource.
func (d *door) sentBinary(change *events.Change, r *http.Request) (data []byte, release func(), err error) {
	contentType := strings.Join(strings.Fields(r.Header.Get("Content-Type")), " ")
	if media, _, err := mime.ParseMediaType(contentType); contentType == "" || err == nil && rest.IsResourceType(media) {
		if len(r.Header.Values(rest.HeaderSecurityContext)) > 0 {
			return nil, func() {}, invalid("%s goes with the bytes of a Binary; in a resource the securityContext says it",
				rest.HeaderSecurityContext)
		}
		if data, release, err = d.body(r); err == nil {
			err = d.content(change, data)
		}
		return data, release, err
	} else if err != nil || !strings.Contains(media, "/") || !utf8.ValidString(contentType) {
		return nil, func() {}, rest.Refused(http.StatusUnsupportedMediaType, events.Unsupported, "door.Door",
			"Content-Type %.80q is no media type; name the one of the bytes, as in image/png", contentType)
	} else if isAnyDocument(media) {
		if data, release, err = d.bodyBehind(nil, r); err != nil {
			return nil, release, err
		}
		if isBinary(data) {
			return data, release, d.content(change, data)
		}
		head, err := d.rawHead(r, contentType)
		change.Content = append(head, data...)
		return change.Content, release, err
	}
	head, err := d.rawHead(r, contentType)
	if err != nil {
		return nil, func() {}, err
	}
	change.Content, release, err = d.bodyBehind(head, r)
	return change.Content, release, err
}

// isAnyDocument tells of media types that resources may come in, and other documents as well.
func isAnyDocument(media string) bool {
	switch media {
	case "application/json", "text/json", "application/xml", "text/xml":
		return true
	}
	return false
}

// isBinary tells whether a document is a Binary of FHIR.
func isBinary(data []byte) bool {
	data = bytes.TrimLeft(data, " \t\r\n")
	document, err := form.JSON(data)
	if err != nil || form.Of(data) != form.InJSON && form.Of(data) != form.InXML {
		return false
	}
	parsed, err := fhir.Parse(document)
	return err == nil && parsed.Root().Get("resourceType").Text() == binaryType
}

// rawHead begins the content of a Binary whose bytes were sent. What the header X-Security-Context refers to is held
// against the rules for references, as it is in a resource.
func (d *door) rawHead(r *http.Request, contentType string) ([]byte, error) {
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
	var change events.Change
	if err := d.linker(nil).link(&change, resource.Node, nil, ""); err != nil {
		return nil, fail(err)
	}
	if len(change.Links) > 0 {
		return nil, fail(invalid("a search can't be resolved there; write Type/id"))
	}
	if resource, err = fhir.ParseResource(change.Content); err != nil {
		return nil, fail(err)
	}
	return form.RawHead(contentType, resource.Node.Get("securityContext").Get("reference").Text()), nil
}
