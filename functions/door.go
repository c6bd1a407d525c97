package functions

import (
	"net/http"
	"slices"
	"strings"

	"binnacle/events"
)

// Names of headers that the door reads and writes.
const (
	HeaderPosition      = "Binnacle-Position"       // on answers: the place of the write in the log
	headerMinPosition   = "Binnacle-Min-Position"   // on reads: the place that the answer must have reached
	headerAllowDangling = "Binnacle-Allow-Dangling" // "true": references need not lead to something (an import may ask for it)
)

// doors is the HTTP side of Write.
type doors struct {
	*Write
	base string
	read http.Handler
}

// door answers one request.
type door struct {
	*Write
	base   string
	read   http.Handler
	Tenant string // the ledger of the request
	prefix string // of its path, see events.Tenancy
	key    string // its idempotency key
}

// Door returns the handler of all writing FHIR interactions under a base path ("/fhir"): create, update and delete with their
// conditional forms, batches and transactions (FHIR R4, http.html). The scheme and host of a request's URL must be those that the
// client sees, where they are known. read answers the GET entries of bundles, with paths under the same base; nil refuses them. A
// request whose context carries an [events.Tenancy] is about that tenant.
func (w *Write) Door(base string, read http.Handler) http.Handler {
	w.prepare()
	return &doors{Write: w, base: strings.TrimSuffix(base, "/"), read: read}
}

// Methods that are offered at each shape of path, reading doors included.
const (
	methodsOfBase     = "GET, POST"
	methodsOfType     = "GET, HEAD, POST, PUT, DELETE"
	methodsOfResource = "GET, HEAD, PUT, DELETE"
	methodsOfOther    = "GET, HEAD"
)

func (h *doors) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	d := &door{Write: h.Write, base: h.base, read: h.read, Tenant: h.Tenant}
	if tenancy, named := events.TenancyOf(r.Context()); named {
		d.Tenant, d.prefix = tenancy.Tenant, tenancy.Prefix
	}
	if err := d.once(rw, r); err != nil {
		d.fail(rw, r, err)
	}
}

// once keeps requests apart that come with the same idempotency key.
func (d *door) once(rw http.ResponseWriter, r *http.Request) error {
	var err error
	if d.key, err = idempotencyKey(r.Header); err != nil {
		return err
	}
	if d.key != "" {
		leave, err := d.keys.enter(d.Tenant, d.key)
		if err != nil {
			rw.Header().Set("Retry-After", retryAfter)
			return err
		}
		defer leave()
	}
	return d.serve(rw, r)
}

func (d *door) serve(rw http.ResponseWriter, r *http.Request) error {
	path, found := strings.CutPrefix(r.URL.Path, d.base)
	if !found || path != "" && path[0] != '/' {
		return failed(http.StatusNotFound, events.NotFound, "nothing is at %q; FHIR is under %s", r.URL.Path, d.base)
	}
	segments := strings.FieldsFunc(path, func(c rune) bool { return c == '/' })
	if len(segments) == 0 {
		if r.Method == http.MethodPost {
			return d.bundle(rw, r)
		}
		return notAllowed(r.Method, methodsOfBase)
	}
	name := segments[0]
	if !d.Catalog.Known(name) {
		return failed(http.StatusNotFound, events.NotFound, "%.64q is not a resource type of FHIR R4 that has an endpoint", name)
	}
	switch {
	case len(segments) == 1 && r.Method == http.MethodPost:
		return d.create(rw, r, name)
	case len(segments) == 1 && r.Method == http.MethodPut:
		return d.update(rw, r, name, "")
	case len(segments) == 1 && r.Method == http.MethodDelete:
		return d.delete(rw, r, name, "")
	case len(segments) == 1:
		return notAllowed(r.Method, methodsOfType)
	case len(segments) == 2 && r.Method == http.MethodPut:
		return d.update(rw, r, name, segments[1])
	case len(segments) == 2 && r.Method == http.MethodDelete:
		return d.delete(rw, r, name, segments[1])
	case len(segments) == 2 && !strings.HasPrefix(segments[1], "$") && segments[1] != "_search" && segments[1] != "_history":
		return notAllowed(r.Method, methodsOfResource)
	}
	return notAllowed(r.Method, methodsOfOther)
}

// failure is an error with what only HTTP knows of it.
type failure struct {
	err    *events.Error
	status int
	allow  string
}

func (f *failure) Error() string { return f.err.Error() }

func (f *failure) Unwrap() error { return f.err }

func failed(status int, kind events.Kind, format string, args ...any) error {
	return &failure{err: events.Errorf(kind, "functions.Door", format, args...), status: status}
}

func notAllowed(method, allow string) error {
	return &failure{err: events.Errorf(events.Unsupported, "functions.Door", "%s is not offered here; offered are %s", method, allow), status: http.StatusMethodNotAllowed, allow: allow}
}

func invalid(format string, args ...any) *events.Error {
	return events.Errorf(events.Invalid, "functions.Door", format, args...)
}

// preferences are what a Prefer header asks for (RFC 7240, FHIR R4 http.html#ops).
type preferences struct {
	returns  string // "representation", "minimal" or "OperationOutcome"
	explicit bool   // the client said so
	async    bool
}

// preferencesOf reads the Prefer headers; what is not known there is passed over, as RFC 7240 wants. A single interaction
// returns its representation by default.
func preferencesOf(header http.Header) preferences {
	p := preferences{returns: "representation"}
	for _, line := range header.Values("Prefer") {
		for _, preference := range strings.FieldsFunc(line, func(c rune) bool { return c == ',' || c == ';' }) {
			name, value, _ := strings.Cut(strings.TrimSpace(preference), "=")
			value = strings.Trim(strings.TrimSpace(value), `"`)
			switch strings.ToLower(strings.TrimSpace(name)) {
			case "return":
				if slices.Contains([]string{"minimal", "representation", "OperationOutcome"}, value) {
					p.returns, p.explicit = value, true
				}
			case "respond-async":
				p.async = true
			}
		}
	}
	return p
}
