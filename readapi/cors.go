package readapi

import (
	"net/http"
	"net/url"
	"strings"

	"binnacle/events"
	"binnacle/events/fhir/rest"
)

// origins are the places whose pages may use the FHIR root from a browser (Fetch standard, CORS). Nobody's
// credentials are sent along: a page that has a token puts it into the Authorization header by itself.
type origins struct {
	any     bool
	names   map[string]bool
	methods string // that they are told
}

// newOrigins returns nil when there are none.
func newOrigins(list []string, methods string) (*origins, error) {
	if len(list) == 0 {
		return nil, nil
	}
	o := &origins{names: map[string]bool{}, methods: methods}
	for _, name := range list {
		if name == "*" {
			o.any = true
			continue
		}
		u, err := url.Parse(name)
		if err != nil || !rest.IsScheme(u.Scheme) || !rest.IsHost(u.Host) || u.Scheme+"://"+u.Host != name {
			return nil, events.Errorf(events.Invalid, "readapi.New",
				"the origin %q can't be one of a page; write it as https://app.example.org, "+
					"without a path, or * for any", name)
		}
		o.names[strings.ToLower(name)] = true
	}
	return o, nil
}

// Headers of preflights and of answers to pages of other origins.
const (
	corsExposed = "ETag, Location, Content-Location, Binnacle-Position, Link, X-Request-Id, Retry-After, " +
		"Idempotent-Replayed, Preference-Applied, Binnacle-Provenance, X-Progress, Expires, Accept-Patch"
	corsAge = "7200" // seconds that a browser may remember a preflight; browsers take no more
)

// answered writes what a browser needs to let a page of another origin read the answer. It tells whether the request
// was a preflight and is answered with that. A page of an origin that is not listed gets no such headers, and its
// browser keeps the answer from it.
func (o *origins) answered(w http.ResponseWriter, r *http.Request) bool {
	header := w.Header()
	origin := r.Header.Get("Origin")
	if o.any { // the answer is the same for all, those that name no origin too, so that a cache may give it to any
		header.Set("Access-Control-Allow-Origin", "*")
	} else {
		header.Add("Vary", "Origin")
	}
	switch {
	case o.any:
	case o.names[strings.ToLower(origin)]:
		header.Set("Access-Control-Allow-Origin", origin)
	default:
		return false
	}
	if r.Method != http.MethodOptions || origin == "" || r.Header.Get("Access-Control-Request-Method") == "" {
		header.Set("Access-Control-Expose-Headers", corsExposed)
		return false
	}
	header.Set("Access-Control-Allow-Methods", o.methods)
	// what a page may send at all: each request is checked by itself
	if wanted := r.Header.Values("Access-Control-Request-Headers"); len(wanted) > 0 {
		header.Set("Access-Control-Allow-Headers", strings.Join(wanted, ", "))
		header.Add("Vary", "Access-Control-Request-Headers")
	}
	header.Set("Access-Control-Max-Age", corsAge)
	w.WriteHeader(http.StatusNoContent)
	return true
}
