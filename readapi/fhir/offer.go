package fhir

import (
	"net/http"

	"binnacle/events/fhir/rest"
	"binnacle/projections/catalog"
)

// rows are the lines that the reading door has in the table of what the node offers: a node without a Reader has the capability statement alone.
func (d *Door) rows() []rest.Row {
	rows := []rest.Row{{Name: "capabilities", Method: http.MethodGet, Path: "/metadata", Serve: d.served((*Door).Metadata)}}
	if d.Reader == nil {
		return rows
	}
	search, form := d.served((*Door).Search), d.served((*Door).SearchForm)
	return append(rows,
		rest.Row{Name: "read", Codes: []string{"read"}, Method: http.MethodGet, Path: "/:type/:id", Serve: d.served((*Door).Read)},
		rest.Row{Name: "vread", Codes: []string{"vread"}, Method: http.MethodGet, Path: "/:type/:id/_history/:version", Serve: d.served((*Door).VRead)},
		rest.Row{Name: "history-instance", Codes: []string{"history-instance"}, Method: http.MethodGet, Path: "/:type/:id/_history", Serve: d.served((*Door).History)},
		rest.Row{Name: "history-type", Method: http.MethodGet, Path: "/:type/_history", Instead: "the history of a type is not offered; ask for the history of one resource"},
		rest.Row{Name: "history-system", Method: http.MethodGet, Path: "/_history", Instead: "the history of all types is not offered; ask for the history of one resource"},
		rest.Row{Name: "search-type", Codes: []string{"search-type"}, Method: http.MethodGet, Path: "/:type", Serve: search},
		rest.Row{Name: "search-type", Method: http.MethodPost, Path: "/:type/_search", Serve: form},
		rest.Row{Name: "search-system", Codes: []string{"search-system"}, Method: http.MethodGet, Path: "", Serve: search},
		rest.Row{Name: "search-system", Method: http.MethodPost, Path: "/_search", Serve: form},
		rest.Row{Name: "search-compartment", Method: http.MethodGet, Path: "/:type/:id/:inside", Serve: search},
		rest.Row{Name: "search-compartment", Method: http.MethodPost, Path: "/:type/:id/:inside/_search", Serve: form},
	)
}

// served makes the function of a row: it asks the door of the request's tenant.
func (d *Door) served(ask func(d *Door, w http.ResponseWriter, r *http.Request, at rest.Place) error) func(http.ResponseWriter, *http.Request, rest.Place) error {
	return func(w http.ResponseWriter, r *http.Request, at rest.Place) error {
		return ask(d.For(d.TenantOf(r)), w, r, at)
	}
}

// TenantOf is the tenant of a request.
func (d *Door) TenantOf(r *http.Request) string {
	if tenancy, named := rest.TenancyOf(r.Context()); named {
		return tenancy.Tenant
	}
	return d.Config.Tenant
}

// scopeOf is what a search at a place is on.
func scopeOf(at rest.Place) Scope {
	switch {
	case at.Inside == "":
		return Scope{Type: at.Type}
	case at.Inside == "*":
		at.Inside = ""
	}
	return Scope{Type: at.Inside, Compartment: catalog.Compartment{Type: at.Type, ID: at.ID}}
}
