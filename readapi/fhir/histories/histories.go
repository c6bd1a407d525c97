package histories

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"

	"binnacle/events"
	documents "binnacle/events/fhir"
	"binnacle/events/fhir/rest"
	"binnacle/projections"
	"binnacle/projections/catalog"
	"binnacle/projections/fhir/form"
	"binnacle/readapi/fhir/pages"
)

// Door answers histories of one tenant.
type Door struct {
	Tenant       string
	Reader       projections.Reader
	Contents     pages.Contents
	DefaultCount int // versions on a page when _count is not given
	MaxCount     int // versions on a page at the most
}

// Request is one request for a page of a resource's history.
type Request struct {
	key     projections.Key
	fullURL string // [base]/Type/id
	path    string // [base]/Type/id/_history
	count   int
	span    projections.HistorySpan
	used    []catalog.KeyValue // the parameters that took effect, in this order
	// Snapshot: one more than the newest version of the first page; Edge: the oldest version of the page before
	place pages.Place
	paged bool
}

// Found is a page with the content of its versions.
type Found struct {
	Versions []projections.Version
	contents [][]byte            // of Versions; nil for a deletion
	before   projections.Version // the one before the last of Versions
	// next is the number of the last version when there are more, after that of the version before the first
	next, after string
}

// Form reads what is asked of a history.
func (d Door) Form(ask *rest.Ask) (*Request, error) {
	if documents.CheckID(ask.ID) != nil {
		return nil, pages.UnknownID(ask.Type, ask.ID)
	}
	fullURL := ask.Root + "/" + ask.Type + "/" + ask.ID
	h := &Request{key: projections.Key{Tenant: d.Tenant, Type: ask.Type, ID: ask.ID}, fullURL: fullURL,
		path: fullURL + "/_history"}
	return h, d.read(h, ask)
}

// read reads the parameters of a history.
func (d Door) read(h *Request, ask *rest.Ask) error {
	h.count, h.place.Total = d.DefaultCount, -1
	params, err := rest.Params(ask.Query)
	if err != nil {
		return err
	}
	refused := ask.Prefer.Handling == rest.Strict
	for name, values := range params {
		switch name {
		case "_count", "_since", "_at", pages.Param:
			if len(values) > 1 {
				return events.Errorf(events.Invalid, "fhir.History", "%s stands twice", name)
			}
		case "_format", "_pretty":
		case "_list", "_asOf": // they would choose other versions
			return events.Errorf(events.Unsupported, "fhir.History",
				"%s is not supported in a history; there are _count, _since and _at", name)
		default:
			if refused {
				return events.Errorf(events.Invalid, "fhir.History",
					"the parameter %.60q has no meaning in a history; there are _count, _since and _at", name)
			}
		}
	}
	use := func(name, value string) { h.used = append(h.used, catalog.KeyValue{Key: name, Value: value}) }
	if text := params.Get("_since"); text != "" {
		if h.span.Since, _, err = readTime("_since", text); err != nil {
			return err
		}
		use("_since", text)
	}
	if text := params.Get("_at"); text != "" {
		if h.span.At, h.span.Until, err = readTime("_at", text); err != nil {
			return err
		}
		use("_at", text)
	}
	if text := params.Get("_count"); text != "" {
		count, err := strconv.ParseUint(text, 10, 31)
		if err != nil {
			return events.Errorf(events.Invalid, "fhir.History", "_count must be a whole number, 0 or more, not %.40q",
				text)
		}
		h.count = min(int(count), d.MaxCount)
		use("_count", strconv.Itoa(h.count))
	}
	if text := params.Get(pages.Param); text != "" {
		return h.follow(text)
	}
	return nil
}

// follow goes to the page that a link names.
func (h *Request) follow(text string) error {
	h.paged = true
	page, err := pages.Parse(text)
	if err != nil {
		return err
	}
	if page.Sealed() {
		return pages.BadToken()
	}
	if err := page.Check(h.identity()); err != nil {
		return err
	}
	if h.place, err = page.Place(); err != nil {
		return err
	}
	h.span.Before = h.place.Snapshot
	if h.place.Edge == "" {
		return nil
	}
	edge, err := strconv.ParseInt(h.place.Edge, 10, 64)
	if err != nil || edge < 1 || edge > h.place.Snapshot {
		return pages.BadToken()
	}
	if h.span.Before = edge; h.place.Back { // numbers have no gaps
		h.span.Before = min(edge+int64(max(1, h.count)), h.place.Snapshot)
		h.span.Limit = int(h.span.Before - edge)
	}
	return nil
}

// identity is what a history's page tokens are bound to.
func (h *Request) identity() string {
	params := []catalog.KeyValue{{Key: "tenant", Value: h.key.Tenant},
		{Key: "path", Value: h.key.Type + "/" + h.key.ID}}
	for _, param := range h.used {
		if param.Key != "_count" {
			params = append(params, param)
		}
	}
	return pages.Encode(params)
}

// readTime reads an instant, or a date: its first moment in UTC, and the first moment after it. until is zero for an
// instant. A plus sign that the client did not escape has become a space.
func readTime(name, text string) (from, until time.Time, err error) {
	for _, form := range [...]struct {
		layout              string
		years, months, days int
	}{{layout: time.RFC3339Nano}, {"2006-01-02", 0, 0, 1}, {"2006-01", 0, 1, 0}, {"2006", 1, 0, 0}} {
		t, err := time.Parse(form.layout, strings.Replace(text, " ", "+", 1))
		if err != nil {
			continue
		}
		if end := t.AddDate(form.years, form.months, form.days); end.After(t) {
			until = end
		}
		return t, until, nil
	}
	return from, until, events.Errorf(events.Invalid, "fhir.History",
		"%s must be a date, or an instant with a zone, as in 2026-03-01 and 2026-03-01T08:00:00Z, not %.40q", name,
		text)
}

// Find fetches a page.
func (d Door) Find(ctx context.Context, h *Request) (Found, error) {
	if !h.place.Back {
		h.span.Limit = max(1, h.count)
	}
	answer, err := d.Reader.History(ctx, h.key, h.span)
	if err != nil {
		return Found{}, err
	}
	if !h.paged {
		h.place.Total = answer.Total
	}
	if len(answer.Versions) == 0 {
		return Found{}, d.known(ctx, h.key)
	}
	if !h.paged {
		h.place.Snapshot = answer.Versions[0].Number + 1
	}
	if h.count == 0 {
		return Found{}, nil
	}
	found := Found{Versions: answer.Versions}
	if found.contents, err = d.Contents.Page(ctx, answer.Versions, h.place.Back); err != nil {
		return Found{}, err
	}
	shown := len(found.contents)
	if h.place.Back {
		found.Versions, found.next = answer.Versions[len(answer.Versions)-shown:], h.place.Edge
		if before := found.Versions[0].Number + 1; before < h.place.Snapshot {
			found.after = strconv.FormatInt(before, 10)
		}
	} else {
		found.Versions, found.after = answer.Versions[:shown], h.place.Edge
		if answer.More || shown < len(answer.Versions) {
			found.next = strconv.FormatInt(found.Versions[shown-1].Number, 10)
		}
	}
	found.before, err = d.before(ctx, h.key, found.Versions[shown-1])
	return found, err
}

// before returns the version before one that may have brought a deleted resource back; the zero Version when there is
// none.
func (d Door) before(ctx context.Context, key projections.Key, version projections.Version) (projections.Version,
	error) {
	if version.Number == 1 || version.Deleted {
		return projections.Version{}, nil
	}
	page, err := d.Reader.History(ctx, key, projections.HistorySpan{Number: version.Number - 1, Limit: 1})
	if err != nil || len(page.Versions) == 0 {
		return projections.Version{}, err
	}
	return page.Versions[0], nil
}

// known fails with kind NotFound when the resource never existed.
func (d Door) known(ctx context.Context, key projections.Key) error {
	versions, err := d.Reader.Current(ctx, []projections.Key{key})
	if err == nil && versions[0].Number == 0 {
		return pages.UnknownID(key.Type, key.ID)
	}
	return err
}

// links makes the links of a page of a history.
func (h *Request) links(found Found) []pages.Link {
	plain := pages.With(h.path, pages.Encode(h.used), "", "")
	at := func(p pages.Place) string {
		return pages.With(h.path, pages.Encode(h.used), pages.Param, p.Open(h.identity()))
	}
	links := []pages.Link{{Relation: "self", URL: plain}, {Relation: "first", URL: plain}}
	if h.paged {
		links[0].URL = at(h.place)
	}
	if found.after != "" {
		links = append(links, pages.Link{Relation: "previous", URL: at(h.place.Before(found.after))})
	}
	if found.next != "" {
		links = append(links, pages.Link{Relation: "next", URL: at(h.place.At(found.next))})
	}
	return links
}

// Write writes a page of a history as a bundle.
func (d Door) Write(ctx context.Context, answer *rest.Answer, h *Request, found Found) error {
	links := h.links(found)
	answer.Links = pages.LinkHeader(links)
	bundle := documents.NewBundleWriter(answer.Begin(http.StatusOK, -1), documents.BundleHead{
		Type: "history", LastUpdated: time.Now(), Total: pages.TotalOf(h.place.Total), Links: pages.BundleLinks(links),
	})
	var resource []byte
	var err error
	for i, version := range found.Versions {
		before := found.before
		if i+1 < len(found.Versions) {
			before = found.Versions[i+1]
		}
		request, status := asked(version, before)
		entry := documents.BundleEntry{FullURL: h.fullURL, Request: &request,
			Response: &documents.BundleResponse{Status: status, ETag: rest.ETagOf(version.Number),
				LastModified: version.Time}}
		if !version.Deleted {
			if resource, err = form.Stamp(resource[:0], found.contents[i], form.InJSON, version.ID, version.Number,
				version.Time); err != nil {
				pages.Abort(ctx, d.Contents.Logger, err, version)
			}
			entry.Resource = resource
		}
		if !pages.Wrote(ctx, d.Contents.Logger, bundle.Entry(entry)) {
			return nil
		}
	}
	pages.Wrote(ctx, d.Contents.Logger, bundle.Close())
	return nil
}

// asked tells the request that made a version, and how it was answered. before is the version before it.
func asked(version, before projections.Version) (documents.BundleRequest, int) {
	request, status := documents.BundleRequest{Method: http.MethodPut,
		URL: version.Type + "/" + version.ID}, http.StatusOK
	switch {
	case version.Deleted:
		request.Method, status = http.MethodDelete, http.StatusNoContent
	case version.Posted:
		request, status = documents.BundleRequest{Method: http.MethodPost, URL: version.Type}, http.StatusCreated
	case before.Number == 0 || before.Deleted: // there was nothing, or nothing any more
		status = http.StatusCreated
	}
	return request, status
}
