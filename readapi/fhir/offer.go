package fhir

import (
	"context"
	"net/http"

	"binnacle/events/fhir/rest"
	"binnacle/projections/catalog"
)

// rows are the lines that the reading door has in the table of what the node offers: a node without a Reader has the capability statement alone.
func (d *Door) rows() []rest.Row {
	type reader = func(*Door, context.Context, *rest.Ask, *rest.Answer) error
	read := func(name, path string, read reader, check func(*Door, *rest.Ask) error, codes ...string) rest.Row {
		ofTenant := func(ctx context.Context, ask *rest.Ask, answer *rest.Answer) error {
			return read(d.of(ask), ctx, ask, answer)
		}
		return rest.Row{Name: name, Codes: codes, Method: http.MethodGet, Path: path, Serve: rest.Reading(d.Base, ofTenant), Read: ofTenant,
			Check: func(ask *rest.Ask) error { return check(d.of(ask), ask) }}
	}
	capabilities := read("capabilities", "/metadata", (*Door).Metadata, byForm((*Door).metadataForm))
	capabilities.Serve = d.toldLedger(capabilities.Serve)
	if d.Reader == nil {
		return []rest.Row{capabilities}
	}
	search := byForm(func(d *Door, ask *rest.Ask) (*search, error) { return d.searchForm(ask, ask.Query, false) })
	return []rest.Row{
		capabilities,
		read("read", "/:type/:id", (*Door).Read, byForm((*Door).readForm), "read"),
		read("vread", "/:type/:id/_history/:version", (*Door).VRead, byForm((*Door).versionForm), "vread"),
		read("history-instance", "/:type/:id/_history", (*Door).History, byForm((*Door).historyForm), "history-instance"),
		{Name: "history-type", Method: http.MethodGet, Path: "/:type/_history", Instead: "the history of a type is not offered; ask for the history of one resource"},
		{Name: "history-system", Method: http.MethodGet, Path: "/_history", Instead: "the history of all types is not offered; ask for the history of one resource"},
		read("search-type", "/:type", (*Door).Search, search, "search-type"),
		{Name: "search-type", Method: http.MethodPost, Path: "/:type/_search", Serve: d.SearchForm},
		read("search-system", "", (*Door).Search, search, "search-system"),
		{Name: "search-system", Method: http.MethodPost, Path: "/_search", Serve: d.SearchForm},
		read("search-compartment", "/:type/:id/:inside", (*Door).Search, search),
		{Name: "search-compartment", Method: http.MethodPost, Path: "/:type/:id/:inside/_search", Serve: d.SearchForm},
	}
}

// byForm makes a check of the function that reads what is asked for.
func byForm[T any](form func(*Door, *rest.Ask) (T, error)) func(*Door, *rest.Ask) error {
	return func(d *Door, ask *rest.Ask) error {
		_, err := form(d, ask)
		return err
	}
}

// of returns the door of the tenant that is asked for.
func (d *Door) of(ask *rest.Ask) *Door {
	if ask.Tenant == "" {
		return d
	}
	return d.For(ask.Tenant)
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
