package rest

import (
	"errors"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"binnacle/events"
)

// ContentType is what a body has when nothing else was asked for.
const ContentType = "application/fhir+json; charset=utf-8"

// The other forms, given to who asks for them.
const (
	contentTypeJSON     = "application/json; charset=utf-8"
	contentTypeText     = "text/json; charset=utf-8"
	contentTypeXML      = "application/fhir+xml; charset=utf-8"
	contentTypePlainXML = "application/xml; charset=utf-8"
	contentTypeTextXML  = "text/xml; charset=utf-8"
)

// IsXML tells whether a content type of an answer is one of XML.
func IsXML(contentType string) bool {
	switch contentType {
	case contentTypeXML, contentTypePlainXML, contentTypeTextXML:
		return true
	}
	return false
}

// XML tells whether the answer is to be XML.
func (ask *Ask) XML() bool { return IsXML(ask.ContentType) }

// readWishes reads how a request wants to be answered (FHIR R4 http, 3.1.0.1.7, 3.1.0.1.11 and 3.1.0.1.12). The
// content type comes from _format, which rules, and Accept.
func (ask *Ask) readWishes(r *http.Request) {
	ask.Prefer = preferencesOf(r.Header)
	ask.Unawaited = strings.EqualFold(r.Header.Get(HeaderAcknowledge), "log")
	if ask.Query != "" {
		pretty, _, _ := Param(ask.Query, "_pretty")
		ask.Pretty = pretty == "true"
		if format, _, _ := Param(ask.Query, "_format"); format != "" {
			ask.ContentType = FormatOf(format)
			if ask.Accepts = format; ask.ContentType != "" {
				ask.Accepts = AcceptsResource
			}
			return
		}
	}
	lines := r.Header["Accept"]
	ask.Accepts = strings.Join(lines, ",")
	switch len(lines) {
	case 0:
		if ask.ContentType = ContentType; sentXML(r) {
			ask.ContentType = contentTypeXML
		}
		return
	case 1:
		switch lines[0] {
		case "", "*/*", "application/fhir+json":
			ask.ContentType = ContentType
			return
		case "application/json":
			ask.ContentType = contentTypeJSON
			return
		case "application/fhir+xml":
			ask.ContentType = contentTypeXML
			return
		}
	}
	ask.ContentType = accepted(strings.Join(lines, ","))
}

// sentXML tells whether a write came as XML: who says nothing else is answered in the form that it sent.
func sentXML(r *http.Request) bool {
	if r.Method == http.MethodGet || !strings.Contains(r.Header.Get("Content-Type"), "xml") {
		return false
	}
	xml, err := CheckDocument(r.Header)
	return err == nil && xml
}

// PrefersHTML tells whether a read comes from a browser: it names HTML, likes it more than any form of FHIR that it
// names, and no less than what it doesn't name. _format rules over Accept.
func PrefersHTML(r *http.Request) bool {
	if format, _, _ := Param(r.URL.RawQuery, "_format"); format != "" {
		return isHTML(format)
	}
	var html, resource, others float64
	for element := range elements(strings.Join(r.Header["Accept"], ",")) {
		one, _, ok := readRange(element)
		switch {
		case !ok:
		case slices.Contains(htmlNames, one.media):
			html = max(html, one.quality)
		case one.media == "*/*", one.media == "application/*":
			others = max(others, one.quality)
		case slices.ContainsFunc(offers, func(o offeredForm) bool { return slices.Contains(o.names, one.media) }):
			resource = max(resource, one.quality)
		}
	}
	return html > resource && html >= others
}

// isHTML tells whether a value of _format asks for a page: "html", or a media type that pages have.
func isHTML(format string) bool {
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

// NotAcceptable is the refusal of a client that accepts neither JSON nor XML.
func NotAcceptable() error {
	return Refused(http.StatusNotAcceptable, events.Unsupported, "rest.Negotiate",
		"this server answers in JSON and XML of FHIR 4.0: accept application/fhir+json or application/fhir+xml, or give "+
			"_format=json or _format=xml")
}

// Unshown makes the refusal of what XML cannot hold, with status 406, of an error of kind Unsupported that tells of
// it. Other errors stay as they are.
func Unshown(err error) error {
	of := (*events.Error)(nil)
	if events.KindOf(err) != events.Unsupported || !errors.As(err, &of) {
		return err
	}
	return &Refusal{Err: of, Status: http.StatusNotAcceptable}
}

// FormatOf reads a value of _format: a media type or a short name; the content type is empty when it names nothing
// that is offered. A plus sign that the client did not escape has become a space.
func FormatOf(format string) (contentType string) {
	format = strings.ToLower(strings.TrimSpace(format))
	switch format {
	case "json":
		return ContentType
	case "xml":
		return contentTypeXML
	}
	one, ok := rangeOf(strings.Replace(format, " ", "+", 1))
	if !ok || one.quality == 0 {
		return ""
	}
	for _, offer := range offers {
		if one.closeness(offer.names) > 0 {
			return offer.contentType
		}
	}
	return ""
}

// offeredForm is a content type of answers with the media types that ask for it by name.
type offeredForm struct {
	contentType string
	names       []string
}

// offers are the content types of answers, the best first.
var offers = []offeredForm{
	{ContentType, []string{"application/fhir+json", "application/json+fhir"}},
	{contentTypeJSON, []string{"application/json"}},
	{contentTypeText, []string{"text/json"}},
	{contentTypeXML, []string{"application/fhir+xml", "application/xml+fhir"}},
	{contentTypePlainXML, []string{"application/xml"}},
	{contentTypeTextXML, []string{"text/xml"}},
}

// plainXML is how many offers, the last ones, are XML by names that are not FHIR's.
const plainXML = 2

// accepted reads an Accept header (RFC 9110, 12.5.1) and takes the offer of the highest quality. Of each offer the
// element that names it most closely tells the quality: what one refuses with q=0 is not given to a wildcard of
// another. Of equals the one that is named first is taken.
func accepted(accept string) (contentType string) {
	if strings.Trim(accept, " \t,") == "" {
		return ContentType
	}
	var ranges []mediaRange
	for element := range elements(accept) {
		if one, ok := rangeOf(element); ok {
			ranges = append(ranges, one)
		}
	}
	if contentType = best(ranges, offers[:len(offers)-plainXML]); contentType == "" || !namesHTML(ranges) {
		contentType = best(ranges, offers)
	}
	return contentType
}

// namesHTML tells whether the ranges are those of a browser. Browsers name application/xml by habit, for pages.
func namesHTML(ranges []mediaRange) bool {
	return slices.ContainsFunc(ranges, func(one mediaRange) bool { return slices.Contains(htmlNames, one.media) })
}

// best takes the offer of the highest quality; "": there is none.
func best(ranges []mediaRange, offers []offeredForm) (contentType string) {
	best, first := 0.0, 0
	for _, offer := range offers {
		closest, at := mediaRange{}, -1
		for i, one := range ranges {
			if closeness := one.closeness(offer.names); closeness > 0 &&
				(at < 0 || closeness > closest.closeness(offer.names)) {
				closest, at = one, i
			}
		}
		if at >= 0 && (closest.quality > best || closest.quality == best && best > 0 && at < first) {
			contentType, best, first = offer.contentType, closest.quality, at
		}
	}
	return contentType
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
	one, params, ok := readRange(element)
	return one, ok && isR4(params["fhirversion"])
}

// readRange reads one media range with its parameters; false for what cannot be read.
func readRange(element string) (one mediaRange, params map[string]string, ok bool) {
	media, params, err := mime.ParseMediaType(element)
	if err != nil {
		return mediaRange{}, nil, false
	}
	one = mediaRange{media: media, quality: 1}
	if q, given := params["q"]; given {
		if one.quality, err = strconv.ParseFloat(q, 64); err != nil || !(one.quality >= 0 && one.quality <= 1) {
			return mediaRange{}, nil, false
		}
	}
	return one, params, true
}

// IsOfAnswer tells whether a parameter says how an answer is written, and nothing else. It may stand in the URL of any
// read and write.
func IsOfAnswer(name string) bool {
	switch name {
	case "_format", "_pretty", "_summary", "_elements":
		return true
	}
	return false
}

// ParamCascade on a delete asks that what refers to what goes goes with it: "delete", or "none". FHIR has no such
// parameter; HAPI FHIR has it.
const ParamCascade = "_cascade"

// What a write returns, as a client may prefer it.
const (
	Minimal        = "minimal"
	Representation = "representation"
	Outcome        = "OperationOutcome"
)

// How parameters are handled that are not known (FHIR R4 search, 3.1.1.3).
const (
	Strict  = "strict"
	Lenient = "lenient"
)

// Preferences are what the Prefer headers of a request ask for (RFC 7240; FHIR R4 http, 3.1.0.1.7).
type Preferences struct {
	Return   string // one of the constants; "": no preference
	Handling string // one of the constants; "": no preference
	Async    bool   // the answer is to be fetched later (FHIR R4, async.html)
}

// preferencesOf reads the Prefer headers. Of one that stands there several times the first counts, and what is not
// known is passed over (RFC 7240, section 2).
func preferencesOf(header http.Header) Preferences {
	var p Preferences
	for _, line := range header["Prefer"] {
		for preference := range strings.FieldsFuncSeq(line, func(c rune) bool { return c == ',' || c == ';' }) {
			name, value, _ := strings.Cut(preference, "=")
			name, value = strings.TrimSpace(name), strings.Trim(strings.TrimSpace(value), `"`)
			switch {
			case strings.EqualFold(name, "return"):
				choose(&p.Return, value, Minimal, Representation, Outcome)
			case strings.EqualFold(name, "handling"):
				choose(&p.Handling, value, Strict, Lenient)
			case strings.EqualFold(name, "respond-async"):
				p.Async = true
			}
		}
	}
	return p
}

// choose takes a value, in whatever case, that is one of the offers, unless one was taken before.
func choose(taken *string, value string, offers ...string) {
	for _, offer := range offers {
		if *taken == "" && strings.EqualFold(value, offer) {
			*taken = offer
		}
	}
}

// Params reads all parameters of a query. Unlike url.ParseQuery it takes a semicolon for what it is to FHIR: a part
// of a value. An error is of kind Invalid.
func Params(raw string) (url.Values, error) {
	params := url.Values{}
	for pair := range strings.SplitSeq(raw, "&") {
		if pair == "" {
			continue
		}
		key, value, _ := strings.Cut(pair, "=")
		key, err := url.QueryUnescape(key)
		if err == nil {
			value, err = url.QueryUnescape(value)
		}
		if err != nil {
			return nil, events.Wrap(events.Invalid, "rest.Params", err,
				"the parameters are not percent-encoded as they should be")
		}
		params[key] = append(params[key], value)
	}
	return params, nil
}

// Param returns the value of a parameter that may stand once in a query; found is false when it does not stand there,
// and twice is true when it stands there more than once. Malformed parameters are somebody else's to refuse.
func Param(raw, name string) (value string, found, twice bool) {
	for pair := range strings.SplitSeq(raw, "&") {
		key, escaped, _ := strings.Cut(pair, "=")
		if !strings.Contains(key, name) && !strings.Contains(key, "%") {
			continue
		}
		if plain, err := url.QueryUnescape(key); err != nil || plain != name {
			continue
		}
		if found {
			return value, true, true
		}
		found = true
		if plain, err := url.QueryUnescape(escaped); err == nil {
			value = plain
		}
	}
	return value, found, false
}
