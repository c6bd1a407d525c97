package functions

import (
	"net/http"
	"strings"

	"binnacle/events"
	"binnacle/events/fhir/rest"
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
	prefix string // of its path, see rest.Tenancy
	key    string // its idempotency key
}

// Door returns the handler of all writing FHIR interactions under a base path ("/fhir"): create, update and delete with their
// conditional forms, batches and transactions (FHIR R4, http.html). The scheme and host of a request's URL must be those that the
// client sees, where they are known. read answers the GET entries of bundles, with paths under the same base; nil refuses them. A
// request whose context carries an [rest.Tenancy] is about that tenant.
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
	if tenancy, named := rest.TenancyOf(r.Context()); named {
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
			return err
		}
		defer leave()
	}
	return d.serve(rw, r)
}

func (d *door) serve(rw http.ResponseWriter, r *http.Request) error {
	path, found := strings.CutPrefix(r.URL.Path, d.base)
	if !found || path != "" && path[0] != '/' {
		return rest.Refused(http.StatusNotFound, events.NotFound, "functions.Door", "nothing is at %q; FHIR is under %s", r.URL.Path, d.base)
	}
	segments := strings.FieldsFunc(path, func(c rune) bool { return c == '/' })
	if len(segments) == 0 {
		if r.Method == http.MethodPost {
			return d.bundle(rw, r)
		}
		return rest.NotAllowed(r.Method, methodsOfBase)
	}
	name := segments[0]
	if !d.Catalog.Known(name) {
		return rest.Refused(http.StatusNotFound, events.NotFound, "functions.Door", "%.64q is not a resource type of FHIR R4 that has an endpoint", name)
	}
	switch {
	case len(segments) == 1 && r.Method == http.MethodPost:
		return d.create(rw, r, name)
	case len(segments) == 1 && r.Method == http.MethodPut:
		return d.update(rw, r, name, "")
	case len(segments) == 1 && r.Method == http.MethodDelete:
		return d.delete(rw, r, name, "")
	case len(segments) == 1:
		return rest.NotAllowed(r.Method, methodsOfType)
	case len(segments) == 2 && r.Method == http.MethodPut:
		return d.update(rw, r, name, segments[1])
	case len(segments) == 2 && r.Method == http.MethodDelete:
		return d.delete(rw, r, name, segments[1])
	case len(segments) == 2 && !strings.HasPrefix(segments[1], "$") && segments[1] != "_search" && segments[1] != "_history":
		return rest.NotAllowed(r.Method, methodsOfResource)
	}
	return rest.NotAllowed(r.Method, methodsOfOther)
}

func invalid(format string, args ...any) *events.Error {
	return events.Errorf(events.Invalid, "functions.Door", format, args...)
}
