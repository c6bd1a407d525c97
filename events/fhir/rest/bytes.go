package rest

import (
	"mime"
	"net/http"

	"binnacle/events"
)

// AcceptsResource is what a client accepts that wants the resource of a Binary, and not its bytes.
const AcceptsResource = "application/fhir+json"

// Bytes tells whether a Binary is answered as the bytes that it holds, which have a content type, or as a resource
// (FHIR R4, binary.html#rest). Whoever names a form of FHIR gets the resource, unless the content type is liked more.
// Everybody else gets the bytes, if they are accepted: by name, by a wildcard or by saying nothing. JSON and XML that
// are no form of FHIR's alone (application/json) ask for the resource where the bytes are not accepted.
//
// Kind Unsupported, with status 406: neither is accepted.
func (ask *Ask) Bytes(contentType string) (bool, error) {
	media, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		media = contentType
	}
	names := []string{media}
	bytes, resource, closest := 0.0, 0.0, 0
	if ask.Accepts == "" {
		bytes = 1
	}
	for element := range elements(ask.Accepts) {
		one, ok := rangeOf(element)
		if !ok {
			continue
		}
		if IsResourceType(one.media) {
			resource = max(resource, one.quality)
		}
		if closeness := one.closeness(names); closeness > closest {
			bytes, closest = one.quality, closeness
		}
	}
	switch {
	case resource > 0 && resource >= bytes && ask.ContentType != "":
		return false, nil
	case bytes > 0:
		return true, nil
	case ask.ContentType != "":
		return false, nil
	}
	return false, Refused(http.StatusNotAcceptable, events.Unsupported, "rest.Negotiate",
		"this Binary is %.80q, or a resource of FHIR 4.0: accept that, or application/fhir+json", contentType)
}
