package rest

import (
	"net/http"
	"strings"
)

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
	Async    bool   // nobody waits for the outcome
}

// PreferencesOf reads the Prefer headers. Of one that stands there several times the first counts, and what is not known is passed over
// (RFC 7240, section 2).
func PreferencesOf(header http.Header) Preferences {
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
