package fhir

import (
	"context"
	"errors"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"binnacle/events"
	"binnacle/events/fhir/rest"
	"binnacle/projections"
	"binnacle/projections/catalog"
	"binnacle/projections/fhir/form"
	"binnacle/readapi/fhir/pages"
)

// Scope is what a search is on.
type Scope struct {
	Type        string              // a resource type; "": all types, or those that _type names
	Compartment catalog.Compartment // what is found must be in it; the zero Compartment restricts nothing
}

// indented tells whether the answer is to be indented: the parameters that took effect ask for it, and nobody in
// front does so already. Those of a search by POST stand in its body.
func (s *search) indented() bool {
	at := slices.IndexFunc(s.parsed.Used, func(used catalog.KeyValue) bool { return used.Key == "_pretty" })
	return !s.pretty && at >= 0 && s.parsed.Used[at].Value == "true"
}

// path is the scope's place below the FHIR root: "Observation", "Patient/1/Observation", "Patient/1/*" or "" for
// everything.
func (s Scope) path() string {
	if s.Compartment == (catalog.Compartment{}) {
		return s.Type
	}
	inside := s.Type
	if inside == "" {
		inside = "*"
	}
	return s.Compartment.Type + "/" + s.Compartment.ID + "/" + inside
}

// search is one request for a page of a search.
type search struct {
	scope  Scope
	base   string // the FHIR root
	path   string // of the scope, with the root
	parsed catalog.Parsed
	place  pages.Place
	pretty bool             // somebody in front indents the answer
	wanted form.Form        // of the answer
	form   bool             // by POST: what was asked must not stand in the links to other pages
	paged  bool             // by following a link
	asOf   *events.Position // of a first page: the state that is searched; nil: the newest

	sealed pages.Token // of a page of a search by POST that is not opened yet
	kept   *keptSearch // the search by POST that this page belongs to
}

// Search answers GET and HEAD [base]/Type?…, [base]?… and [base]/Type/id/Type?… with a page of the current versions
// that match (FHIR R4 http, 3.1.0.11).
func (d *Door) Search(ctx context.Context, ask *rest.Ask, answer *rest.Answer) error {
	return d.search(ctx, ask, answer, ask.Query, false)
}

// SearchForm answers POST to the same places with /_search behind: the parameters stand in the body, in the form of
// HTML forms, or in the query, or in both.
func (d *Door) SearchForm(w http.ResponseWriter, r *http.Request, ask *rest.Ask) error {
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if (err != nil || media != "application/x-www-form-urlencoded") &&
		(r.ContentLength != 0 || r.Header.Get("Content-Type") != "") {
		return rest.Refused(http.StatusUnsupportedMediaType, events.Unsupported, "fhir.SearchForm",
			"a search by POST takes its parameters as application/x-www-form-urlencoded, not %.60q",
			r.Header.Get("Content-Type"))
	}
	body, err := rest.Body(r, d.Limits.FormBytes, nil)
	if err != nil {
		return err
	}
	raw := r.URL.RawQuery
	if more := strings.TrimSpace(string(body)); more != "" {
		raw = strings.TrimPrefix(raw+"&"+more, "&")
	}
	before := w.Header()["Content-Type"]
	if err := negotiateForm(w, ask, raw); err != nil {
		return err
	}
	err = rest.ReadHTTP(w, r, ask, func(ctx context.Context, ask *rest.Ask, answer *rest.Answer) error {
		return d.of(ask).search(ctx, ask, answer, raw, true)
	})
	if err != nil { // which is told as the request's header has it
		w.Header()["Content-Type"] = before
	}
	return err
}

// search answers a search by its parameters, which came in a form or in a query.
func (d *Door) search(outer context.Context, ask *rest.Ask, answer *rest.Answer, raw string, posted bool) error {
	s, err := d.searchForm(ask, raw, posted)
	if err != nil || ask.FormOnly {
		return err
	}
	if err := d.reach(outer, ask); err != nil {
		return err
	}
	limit := d.Limits.SearchTime
	if ask.Later && !s.paged && s.asOf == nil { // an older state may be swept before a long search of it ends
		limit = d.Limits.LaterTime
		outer = projections.WithSearchTime(outer, limit)
		rest.ProgressOf(outer).Say("searching")
	}
	ctx, cancel := context.WithTimeout(outer, limit)
	defer cancel()
	if s.sealed.Sealed() {
		if err := d.openKept(ctx, s, ask); err != nil {
			return err
		}
	}
	reached := d.progress.next(ctx)
	if err := d.goBack(ctx, s); err != nil {
		return err
	}
	found, err := d.find(ctx, s)
	if err != nil {
		if errors.Is(ctx.Err(), context.DeadlineExceeded) && outer.Err() == nil {
			return events.Wrap(events.TooCostly, "fhir.Search", err,
				"the search took longer than %s; narrow it with more parameters, sort by fewer, or ask for a "+
					"smaller _count", limit)
		}
		return err
	}
	d.stamp(answer, reached, slices.Concat(found.page.Versions, found.included.versions)...)
	return d.writeSearch(ctx, answer, s, found)
}

// goBack takes the first page of a search to the position that _asOf names; the pages that follow have its snapshot.
func (d *Door) goBack(ctx context.Context, s *search) error {
	if s.asOf == nil {
		return nil
	}
	err := d.progress.wait(ctx, *s.asOf)
	if err == nil {
		s.place.Snapshot, err = d.Reader.SnapshotAt(ctx, *s.asOf)
	}
	return err
}

// asOf reads the position that _asOf names; nil: none.
func (d *Door) asOf(text string) (*events.Position, error) {
	if text == "" {
		return nil, nil
	}
	position, err := events.ParsePosition(text)
	if err != nil {
		return nil, events.Errorf(events.Invalid, "fhir.Search",
			"_asOf: %.60q is no position; write one as "+rest.HeaderPosition+" has it, 0:42", text)
	}
	if position.Partition != d.Partition {
		return nil, events.Errorf(events.Invalid, "fhir.Search",
			"_asOf names partition %d, but this data is in partition %d; take a "+rest.HeaderPosition+" of this server",
			position.Partition, d.Partition)
	}
	return &position, nil
}

// negotiateForm chooses the content type again when the body of a search names one.
func negotiateForm(w http.ResponseWriter, ask *rest.Ask, raw string) error {
	format, named, _ := rest.Param(raw, "_format")
	if !named || format == "" {
		return nil
	}
	contentType := rest.FormatOf(format)
	if contentType == "" {
		return rest.NotAcceptable()
	}
	ask.ContentType = contentType
	w.Header()["Content-Type"] = []string{contentType}
	return nil
}

// searchForm makes a query of the parameters. A page of a search by POST is sealed: its parameters are kept, and
// [Door.openKept] gets them.
func (d *Door) searchForm(ask *rest.Ask, raw string, posted bool) (*search, error) {
	scope := scopeOf(ask.Place)
	s := &search{scope: scope, base: ask.Root, pretty: ask.Pretty,
		path: strings.TrimSuffix(ask.Root+"/"+scope.path(), "/"), form: posted, wanted: form.Asked(ask.XML())}
	text, paged, twice := rest.Param(raw, pages.Param)
	if twice {
		return nil, events.Errorf(events.Invalid, "fhir.Search",
			"_page stands twice; follow the links of a bundle as they are")
	}
	if !paged {
		s.place = pages.Place{Total: -1, Asked: time.Now().Unix()}
		err := d.parse(s, ask, raw)
		if err == nil {
			s.asOf, err = d.asOf(s.parsed.AsOf)
		}
		return s, err
	}
	s.paged = true
	page, err := pages.Parse(text)
	if err != nil {
		return nil, err
	}
	if page.Sealed() {
		s.form, s.sealed = true, page
		return s, pageAlone(raw)
	}
	if s.place, err = page.Place(); err != nil {
		return nil, err
	}
	if err := d.parse(s, ask, raw); err != nil {
		return nil, err
	}
	return s, page.Check(s.identity(d.Tenant))
}

// parse reads the parameters as of the moment when the first page was asked for.
func (d *Door) parse(s *search, ask *rest.Ask, raw string) (err error) {
	asked := time.Unix(s.place.Asked, 0).UTC()
	options := catalog.Options{
		Tenant: d.Tenant, Type: s.scope.Type, Compartment: s.scope.Compartment, Lenient: d.isLenient(ask),
		DefaultCount: d.Limits.DefaultCount,
		MaxCount:     d.Limits.MaxCount, MaxValues: d.Limits.MaxValues, BaseURL: s.base, Own: []string{pages.Param},
		Now: func() time.Time { return asked },
	}
	if s.scope.Type != "" {
		s.parsed, err = d.Catalog.ParseQuery(raw, options)
		return err
	}
	if s.parsed, err = d.Catalog.ParseSystem(raw, options); err != nil {
		return err
	}
	if len(s.parsed.Types) > typesByTerm && orderedByTerms(s.parsed.Types[0]) {
		return events.Errorf(events.TooCostly, "fhir.Search",
			"%d types can be sorted by _lastUpdated and _id alone; name at most %d types with _type to sort by "+
				"other parameters", len(s.parsed.Types), typesByTerm)
	}
	return nil
}

// identity is what a page token is bound to: everything that decides which versions are found in which order.
func (s *search) identity(tenant string) string {
	params := make([]catalog.KeyValue, 0, len(s.parsed.Used)+2)
	params = append(params, catalog.KeyValue{Key: "tenant", Value: tenant},
		catalog.KeyValue{Key: "type", Value: s.scope.path()})
	for _, param := range s.parsed.Used {
		switch param.Key {
		case "_format", "_pretty", "_count", "_explain", "_total", "_summary", "_elements":
		default:
			params = append(params, param)
		}
	}
	return pages.Encode(params)
}

// pageAlone refuses parameters beside the page of a kept search. Its parameters are all there are: others would have
// to narrow a search whose pages are cut already.
func pageAlone(raw string) error {
	for pair := range strings.SplitSeq(raw, "&") {
		key, _, _ := strings.Cut(pair, "=")
		if name, err := url.QueryUnescape(key); err != nil ||
			(name != "" && name != pages.Param && name != "_format" && name != "_pretty") {
			return events.Errorf(events.Invalid, "fhir.Search",
				"the _page of a search by POST takes no other parameters; %.60q stands beside it", name)
		}
	}
	return nil
}

// openKept fetches the search that a sealed page belongs to, and makes its query.
func (d *Door) openKept(ctx context.Context, s *search, ask *rest.Ask) error {
	kept, err := d.loadKept(ctx, s.sealed.Kept)
	if err != nil {
		return err
	}
	if kept.Type != s.scope.path() {
		return pages.BadToken()
	}
	s.kept = kept
	if s.place, err = s.sealed.Unseal(kept.Secret); err != nil {
		return err
	}
	return d.parse(s, ask, kept.Query)
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

// isLenient tells whether unknown parameters are left out of a search: as the client prefers, else as the server is
// set.
func (d *Door) isLenient(ask *rest.Ask) bool {
	return ask.Prefer.Handling == rest.Lenient || ask.Prefer.Handling == "" && d.Lenient
}
