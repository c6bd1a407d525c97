package functions

import (
	"slices"

	"binnacle/events"
	"binnacle/projections"
)

// referrer is a search parameter of a type by which its resources may refer to another.
type referrer struct{ name, param string }

// referrersOf returns the parameters by which resources may refer to one of a type.
func (l *line) referrersOf(name string) []referrer {
	if found, have := l.referrers[name]; have {
		return found
	}
	var found []referrer
	for _, other := range l.catalog.Types() {
		if shape := l.catalog.Shape(other); shape.Opaque {
			continue // what its parameters find belongs to it
		}
		for _, p := range l.catalog.Params(other) {
			if p.Kind == projections.Reference && p.Searchable() && (len(p.Targets) == 0 || slices.Contains(p.Targets, name)) {
				found = append(found, referrer{other, p.Code})
			}
		}
	}
	l.referrers[name] = found
	return found
}

// unreferenced holds that nothing refers to what a change deletes (after the whole event), as far as search parameters tell.
func (e *decidingEvent) unreferenced(n int, w *work) error {
	if e.item.event.AllowDangling || w.disposition != events.Deleted {
		return nil
	}
	for _, r := range e.line.referrersOf(w.Type) {
		query := projections.Query{Tenant: w.key.Tenant, Type: r.name}
		if !e.layer.touches(query.Tenant, r.name) && !e.chunk.touches(query.Tenant, r.name) && !e.line.inFlight(query.Tenant, r.name) {
			// Most types have no resource at all.
			query.Limit, query.Total, query.Patient = 1, projections.TotalNone, true
			if any, err := e.line.searchFirst(e.ctx, query, ""); err != nil {
				return err
			} else if len(any.Versions) == 0 {
				continue
			}
		}
		refers := e.line.catalog.Clause(r.name, r.param)
		refers.Values = []projections.Value{{System: w.Type, Code: w.key.ID}}
		query.Clauses = []projections.Clause{refers}
		matches, err := e.search(query, r.param+"="+w.Type+"/"+w.key.ID)
		if err != nil {
			return err
		}
		if len(matches) > 0 {
			return refuse(events.Conflict, n, w, "%s is referred to by a resource of type %s (%s?%s=%s); delete or change what refers to it first, or in the same transaction", w.name(), r.name, r.name, r.param, w.name())
		}
	}
	return nil
}
