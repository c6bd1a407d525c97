package functions

import (
	"net/http"
	"strings"

	"binnacle/events"
	"binnacle/events/fhir/rest"
)

// Door is the HTTP side of [Write]: create, update and delete with their conditional forms, batches and transactions (FHIR R4, http.html).
type Door struct {
	*Write
	base  string
	table *rest.Table // of what the node offers
	reads rest.Reads  // answers the GET entries of bundles; nil: they are refused
}

// door answers one request.
type door struct {
	*Door
	Tenant string // the ledger of the request
	key    string // its idempotency key
}

// Door makes the door under a base path ("/fhir"). The scheme and host of a request's URL must be those that the client sees, where they are
// known. A request whose context carries a [rest.Tenancy] is about that tenant.
func (w *Write) Door(base string) *Door {
	w.prepare()
	d := &Door{Write: w, base: strings.TrimSuffix(base, "/")}
	d.table = rest.NewTable(w.Catalog.Known, d.Rows()...)
	return d
}

// Within tells the door what else the node offers, and who answers the GET entries of bundles. It is to be called before the first request.
func (d *Door) Within(table *rest.Table, reads rest.Reads) { d.table, d.reads = table, reads }

// Names of the interactions that stand in the table.
const (
	create            = "create"
	update            = "update"
	updateConditional = "update-conditional"
	remove            = "delete"
	removeConditional = "delete-conditional"
)

// Rows are the lines that the door has in the table of what the node offers.
func (d *Door) Rows() []rest.Row {
	return []rest.Row{
		{Name: create, Codes: []string{"create"}, Method: http.MethodPost, Path: "/:type", Serve: d.served((*door).create)},
		{Name: update, Codes: []string{"update"}, Method: http.MethodPut, Path: "/:type/:id", Serve: d.served((*door).update)},
		{Name: remove, Codes: []string{"delete"}, Method: http.MethodDelete, Path: "/:type/:id", Serve: d.served((*door).delete)},
		{Name: updateConditional, Method: http.MethodPut, Path: "/:type", Serve: d.served((*door).update)},
		{Name: removeConditional, Method: http.MethodDelete, Path: "/:type", Serve: d.served((*door).delete)},
		{Name: "bundle", Codes: []string{"transaction", "batch"}, Method: http.MethodPost, Path: "", Serve: d.served((*door).bundle)},
	}
}

// served makes the function of a row. It answers errors, too.
func (d *Door) served(ask func(d *door, rw http.ResponseWriter, r *http.Request, at rest.Place) error) func(http.ResponseWriter, *http.Request, rest.Place) error {
	return func(rw http.ResponseWriter, r *http.Request, at rest.Place) error {
		one := &door{Door: d, Tenant: d.Tenant}
		if tenancy, named := rest.TenancyOf(r.Context()); named {
			one.Tenant = tenancy.Tenant
		}
		if err := one.once(rw, r, at, ask); err != nil {
			one.fail(rw, r, err)
		}
		return nil
	}
}

// once keeps requests apart that come with the same idempotency key.
func (d *door) once(rw http.ResponseWriter, r *http.Request, at rest.Place, ask func(d *door, rw http.ResponseWriter, r *http.Request, at rest.Place) error) error {
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
	return ask(d, rw, r, at)
}

func invalid(format string, args ...any) *events.Error {
	return events.Errorf(events.Invalid, "functions.Door", format, args...)
}
