package rest

import (
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"binnacle/events"
)

// ContentType is what a body has when nothing else was asked for.
const ContentType = "application/fhir+json; charset=utf-8"

// The other JSON forms, given to who asks for them.
const (
	contentTypeJSON = "application/json; charset=utf-8"
	contentTypeText = "text/json; charset=utf-8"
)

// Negotiate chooses the content type of an answer from _format, which rules, and Accept (FHIR R4 http, 3.1.0.1.11). The second
// value is false when the client accepts nothing that is offered: JSON of FHIR 4.0.
func Negotiate(r *http.Request) (contentType string, acceptable bool) {
	if r.URL.RawQuery != "" {
		if format, _, _ := Param(r.URL.RawQuery, "_format"); format != "" {
			return FormatOf(format)
		}
	}
	lines := r.Header["Accept"]
	switch len(lines) {
	case 0:
		return ContentType, true
	case 1:
		switch lines[0] {
		case "", "*/*", "application/fhir+json":
			return ContentType, true
		case "application/json":
			return contentTypeJSON, true
		}
	}
	return accepted(strings.Join(lines, ","))
}

// IsHTML tells whether a value of _format asks for a page: "html", or a media type that pages have.
func IsHTML(format string) bool {
	format = strings.ToLower(strings.TrimSpace(format))
	if format == "html" {
		return true
	}
	media, _, err := mime.ParseMediaType(strings.Replace(format, "xhtml xml", "xhtml+xml", 1))
	return err == nil && slices.Contains(htmlNames, media)
}

var htmlNames = []string{"text/html", "application/xhtml+xml"}

// AcceptsHTML tells whether an Accept header leaves room for a page.
func AcceptsHTML(r *http.Request) bool {
	lines := r.Header["Accept"]
	if strings.Trim(strings.Join(lines, ""), " \t,") == "" {
		return true
	}
	closest := mediaRange{}
	for element := range elements(strings.Join(lines, ",")) {
		if one, ok := rangeOf(element); ok && one.closeness(htmlNames) > closest.closeness(htmlNames) {
			closest = one
		}
	}
	return closest.quality > 0
}

// NotAcceptable is the refusal of a client that accepts no JSON.
func NotAcceptable() error {
	return Refused(http.StatusNotAcceptable, events.Unsupported, "rest.Negotiate",
		"this server answers in JSON of FHIR 4.0: accept application/fhir+json, or give _format=json")
}

// FormatOf reads a value of _format: a media type or a short name. A plus sign that the client did not escape has become a space.
func FormatOf(format string) (contentType string, acceptable bool) {
	format = strings.ToLower(strings.TrimSpace(format))
	if format == "json" {
		return ContentType, true
	}
	one, ok := rangeOf(strings.Replace(format, "fhir json", "fhir+json", 1))
	if !ok || one.quality == 0 {
		return "", false
	}
	for _, offer := range offers {
		if one.closeness(offer.names) > 0 {
			return offer.contentType, true
		}
	}
	return "", false
}

// offers are the content types of answers with the media types that ask for them by name, the best first.
var offers = []struct {
	contentType string
	names       []string
}{
	{ContentType, []string{"application/fhir+json", "application/json+fhir"}},
	{contentTypeJSON, []string{"application/json"}},
	{contentTypeText, []string{"text/json"}},
}

// accepted reads an Accept header (RFC 9110, 12.5.1) and takes the offer of the highest quality. Of each offer the element that names it most closely tells
// the quality: what one refuses with q=0 is not given to a wildcard of another. Of equals the one that is named first is taken.
func accepted(accept string) (contentType string, acceptable bool) {
	if strings.Trim(accept, " \t,") == "" {
		return ContentType, true
	}
	var ranges []mediaRange
	for element := range elements(accept) {
		if one, ok := rangeOf(element); ok {
			ranges = append(ranges, one)
		}
	}
	best, first := 0.0, 0
	for _, offer := range offers {
		closest, at := mediaRange{}, -1
		for i, one := range ranges {
			if closeness := one.closeness(offer.names); closeness > 0 && (at < 0 || closeness > closest.closeness(offer.names)) {
				closest, at = one, i
			}
		}
		if at >= 0 && (closest.quality > best || closest.quality == best && best > 0 && at < first) {
			contentType, best, first = offer.contentType, closest.quality, at
		}
	}
	return contentType, best > 0
}

// mediaRange is an element of an Accept header.
type mediaRange struct {
	media   string
	quality float64
}

// closeness tells how closely a range names an offer: 3 by name, 2 by its type, 1 by the wildcard of all, 0 not at all.
func (m mediaRange) closeness(names []string) int {
	for _, name := range names {
		kind, _, _ := strings.Cut(name, "/")
		switch m.media {
		case name:
			return 3
		case kind + "/*":
			return 2
		case "*/*":
			return 1
		}
	}
	return 0
}

// elements splits a list header at the commas that stand outside quoted strings.
func elements(list string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		start, quoted := 0, false
		for i := 0; i < len(list); i++ {
			switch {
			case quoted && list[i] == '\\':
				i++
			case list[i] == '"':
				quoted = !quoted
			case list[i] == ',' && !quoted:
				if !yield(list[start:i]) {
					return
				}
				start = i + 1
			}
		}
		yield(list[start:])
	}
}

// rangeOf reads one media range; false for what cannot be read, and for another version of FHIR.
func rangeOf(element string) (mediaRange, bool) {
	media, params, err := mime.ParseMediaType(element)
	if err != nil {
		return mediaRange{}, false
	}
	if !isR4(params["fhirversion"]) {
		return mediaRange{}, false
	}
	one := mediaRange{media: media, quality: 1}
	if q, given := params["q"]; given {
		if one.quality, err = strconv.ParseFloat(q, 64); err != nil || !(one.quality >= 0 && one.quality <= 1) {
			return mediaRange{}, false
		}
	}
	return one, true
}
