package fhir

import (
	"mime"
	"net/http"
	"strconv"
	"strings"
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
	if strings.Contains(r.URL.RawQuery, "_format=") {
		if format := r.URL.Query().Get("_format"); format != "" {
			return formatOf(format)
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

// formatOf reads a value of _format: a media type or a short name. A plus sign that the client did not escape has become a space.
func formatOf(format string) (contentType string, acceptable bool) {
	format = strings.ToLower(strings.TrimSpace(format))
	if format == "json" {
		return ContentType, true
	}
	contentType, quality := rangeOf(strings.Replace(format, "fhir json", "fhir+json", 1))
	return contentType, quality > 0
}

// accepted reads an Accept header (RFC 9110, 12.5.1) and takes the offer of the highest quality, of equals the first. What one
// element refuses with q=0 is not given to a wildcard of another.
func accepted(accept string) (contentType string, acceptable bool) {
	if strings.Trim(accept, " \t,") == "" {
		return ContentType, true
	}
	var best float64
	refused := make(map[string]bool, 3)
	for element := range elements(accept) {
		offer, quality := rangeOf(element)
		if offer != "" && quality == 0 && !strings.Contains(element, "*") {
			refused[offer] = true
		}
	}
	for element := range elements(accept) {
		offer, quality := rangeOf(element)
		if quality > best && !refused[offer] {
			contentType, best = offer, quality
		}
	}
	return contentType, best > 0
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

// rangeOf tells what is offered for one media range and how much the client wants it, 0 to 1; nothing for what is not offered.
func rangeOf(element string) (contentType string, quality float64) {
	media, params, err := mime.ParseMediaType(element)
	if err != nil {
		return "", 0
	}
	switch media {
	case "application/fhir+json", "application/json+fhir", "*/*", "application/*":
		contentType = ContentType
	case "application/json":
		contentType = contentTypeJSON
	case "text/json":
		contentType = contentTypeText
	default:
		return "", 0
	}
	if version, given := params["fhirversion"]; given && version != "4.0" && version != "4.0.1" {
		return "", 0
	}
	quality = 1
	if q, given := params["q"]; given {
		if quality, err = strconv.ParseFloat(q, 64); err != nil || !(quality >= 0 && quality <= 1) {
			return "", 0
		}
	}
	return contentType, quality
}
