package histories

import (
	"net/url"
	"slices"
	"strconv"
	"strings"

	"binnacle/events"
	documents "binnacle/events/fhir"
	"binnacle/events/fhir/rest"
	"binnacle/projections"
	"binnacle/projections/catalog"
	"binnacle/projections/fhir/form"
	"binnacle/readapi/fhir/pages"
)

const op = "fhir.History"

// Request is one request for a page of a history.
type Request struct {
	base  string // the FHIR root
	path  string // [base]/Type/id/_history, [base]/Type/_history or [base]/_history
	of    string // what is between the two
	count int
	// the parts of resources that are wanted, by _summary and _elements
	summary  catalog.Summary
	elements []string
	span     projections.Span   // of all pages
	used     []catalog.KeyValue // the parameters that took effect, in this order
	// Snapshot: the next Sid when the first page was asked for; Edge: the Sid of the version at which the page begins
	// or ends, which is none of its own, and with _list the version of the List
	place  pages.Place
	paged  bool
	edge   int64
	list   string    // the id of the List; "": none
	listed int64     // its version, when an earlier page has read it
	wanted form.Form // of the answer
}

// parameters are what may be asked of a history, in the order in which links have them.
var parameters = []string{"_type", "_since", "_at", "_list", "_sort", "_summary", "_elements", "_format", "_pretty",
	"_count"}

const offered = "there are _count, _since, _at, _list, _sort, _summary and _elements, and _type where it " +
	"is the history of all types"

// Form reads what is asked of a history.
func (d Door) Form(ask *rest.Ask) (*Request, error) {
	r := &Request{base: ask.Root, wanted: form.Asked(ask.XML()), count: d.DefaultCount}
	r.span = projections.Span{Tenant: d.Tenant, Partition: d.Partition, Types: d.Catalog.Types()}
	if ask.Type != "" {
		r.of, r.span.Types = "/"+ask.Type, []string{ask.Type}
	}
	if ask.ID != "" {
		if documents.CheckID(ask.ID) != nil {
			return nil, pages.UnknownID(ask.Type, ask.ID)
		}
		r.of += "/" + ask.ID
		r.span.Key = projections.Key{Tenant: d.Tenant, Type: ask.Type, ID: ask.ID}
	}
	r.path = ask.Root + r.of + "/_history"
	params, err := rest.Params(ask.Query)
	if err != nil {
		return nil, err
	}
	if err := r.check(params, ask.Prefer.Handling == rest.Strict); err != nil {
		return nil, err
	}
	for _, name := range parameters {
		for _, value := range params[name] {
			if value == "" || name == "_type" && ask.Type != "" {
				continue
			}
			if value, err = d.use(r, name, value); err != nil {
				return nil, err
			}
			r.used = append(r.used, catalog.KeyValue{Key: name, Value: value})
		}
	}
	if r.summary, r.elements, err = d.Catalog.ParseParts(r.span.Types, ask.Query); err != nil {
		return nil, err
	}
	if r.summary == catalog.SummaryOfCount {
		r.count = 0
	}
	if text := params.Get(pages.Param); text != "" {
		return r, r.follow(text)
	}
	return r, nil
}

// check refuses parameters that would choose other versions, that stand twice or choose nothing; if strict, all that
// mean nothing.
func (r *Request) check(params url.Values, strict bool) error {
	for name, values := range params {
		switch name {
		case "_at", "_count", "_since", "_list", "_sort", "_type", pages.Param:
			if len(values) > 1 && name != "_at" { // several narrow the time
				return events.Errorf(events.Invalid, op, "%s stands twice", name)
			}
			if slices.Contains(values, "") {
				return events.Errorf(events.Invalid, op, "the value of %s is empty; give it one, or leave it out", name)
			}
			if name != "_type" || r.of == "" {
				continue
			}
		case "_format", "_pretty", "_summary", "_elements":
			continue
		case "_asOf":
			return events.Errorf(events.Unsupported, op, "_asOf is a parameter of searches; "+offered)
		}
		if strict {
			return events.Errorf(events.Invalid, op, "the parameter %.60q has no meaning in this history; "+offered, name)
		}
	}
	return nil
}

// use takes a parameter over, and returns its value as links have it.
func (d Door) use(r *Request, name, value string) (_ string, err error) {
	switch name {
	case "_type":
		r.span.Types = strings.Split(value, ",")
		for _, name := range r.span.Types {
			if !d.Catalog.Known(name) {
				return "", events.Errorf(events.Invalid, op,
					"_type names %.64q, which is not a resource type of FHIR R4 that has an endpoint", name)
			}
		}
		slices.Sort(r.span.Types)
		r.span.Types = slices.Compact(r.span.Types)
		value = strings.Join(r.span.Types, ",")
	case "_since":
		r.span.Since, _, err = readTime(name, value)
	case "_at":
		err = r.narrow(value)
	case "_list":
		r.list, err = r.listID(value)
	case "_sort":
		switch value {
		case "_lastUpdated":
			r.span.Oldest = true
		case "-_lastUpdated", "none":
		default:
			return "", events.Errorf(events.Invalid, op,
				"_sort of a history is _lastUpdated, -_lastUpdated (as without it) or none, not %.60q", value)
		}
	case "_count":
		count, err := strconv.ParseUint(value, 10, 31)
		if err != nil {
			return "", events.Errorf(events.Invalid, op, "_count must be a whole number, 0 or more, not %.40q", value)
		}
		r.count = min(int(count), d.MaxCount)
		value = strconv.Itoa(r.count)
	}
	return value, err
}

// follow goes to the page that a link names.
func (r *Request) follow(text string) error {
	token, err := pages.Parse(text)
	if err != nil {
		return err
	}
	if token.Sealed() {
		return pages.BadToken()
	}
	if err := token.Check(r.identity()); err != nil {
		return err
	}
	if r.place, err = token.Place(); err != nil {
		return err
	}
	r.paged = true
	edge, list, listed := strings.Cut(r.place.Edge, ".")
	if listed {
		if r.listed, err = strconv.ParseInt(list, 10, 64); err != nil {
			return pages.BadToken()
		}
	}
	if r.edge, err = strconv.ParseInt(edge, 10, 64); err != nil || r.place.Snapshot < 1 ||
		r.edge>>projections.SidBits != int64(r.span.Partition) || listed != (r.list != "") {
		return pages.BadToken()
	}
	return nil
}

// identity is what page tokens are bound to: what decides which versions there are, in which order.
func (r *Request) identity() string {
	params := []catalog.KeyValue{{Key: "tenant", Value: r.span.Tenant}, {Key: "history", Value: r.of}}
	for _, param := range r.used {
		if param.Key != "_count" && !rest.IsOfAnswer(param.Key) {
			params = append(params, param)
		}
	}
	return pages.Encode(params)
}
