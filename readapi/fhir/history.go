package fhir

import (
	"context"
	"strconv"
	"strings"
	"time"

	"binnacle/events"
	documents "binnacle/events/fhir"
	"binnacle/events/fhir/rest"
	"binnacle/projections"
	"binnacle/projections/catalog"
)

// history is one request for a page of a resource's history.
type history struct {
	key     projections.Key
	fullURL string // [base]/Type/id
	path    string // [base]/Type/id/_history
	count   int
	span    projections.HistorySpan
	used    []catalog.KeyValue // the parameters that took effect, in this order
	// snapshot: one more than the newest version of the first page; edge: the oldest version of the page before
	place place
	paged bool
}

// History answers GET and HEAD [base]/Type/id/_history: the versions of one resource, newest first, deletions among
// them (FHIR R4 http, 3.1.0.13). 404 for what was never known; a span without versions is an empty bundle.
func (d *Door) History(ctx context.Context, ask *rest.Ask, answer *rest.Answer) error {
	h, err := d.historyForm(ask)
	if err != nil {
		return err
	}
	if err := d.reach(ctx, ask); err != nil {
		return err
	}
	reached := d.progress.next(ctx)
	found, err := d.versions(ctx, h)
	if err != nil {
		return err
	}
	d.stamp(answer, reached, found.page.Versions...)
	return d.writeHistory(ctx, answer, h, found)
}

// historyForm reads what is asked of a history.
func (d *Door) historyForm(ask *rest.Ask) (*history, error) {
	if documents.CheckID(ask.ID) != nil {
		return nil, unknownID(ask.Type, ask.ID)
	}
	fullURL := ask.Root + "/" + ask.Type + "/" + ask.ID
	h := &history{key: projections.Key{Tenant: d.Tenant, Type: ask.Type, ID: ask.ID}, fullURL: fullURL,
		path: fullURL + "/_history"}
	return h, d.readHistory(h, ask)
}

// readHistory reads the parameters of a history.
func (d *Door) readHistory(h *history, ask *rest.Ask) error {
	h.count, h.place.total = d.Limits.DefaultCount, -1
	params, err := rest.Params(ask.Query)
	if err != nil {
		return err
	}
	refused := ask.Prefer.Handling == rest.Strict
	for name, values := range params {
		switch name {
		case "_count", "_since", "_at", pageParam:
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
		h.count = min(int(count), d.Limits.MaxCount)
		use("_count", strconv.Itoa(h.count))
	}
	if text := params.Get(pageParam); text != "" {
		return h.follow(text)
	}
	return nil
}

// follow goes to the page that a link names.
func (h *history) follow(text string) error {
	h.paged = true
	page, err := parseToken(text)
	if err != nil {
		return err
	}
	if page.form != openForm {
		return badToken()
	}
	if err := page.check(h.identity()); err != nil {
		return err
	}
	if h.place, err = page.open(); err != nil {
		return err
	}
	h.span.Before = h.place.snapshot
	if h.place.edge == "" {
		return nil
	}
	edge, err := strconv.ParseInt(h.place.edge, 10, 64)
	if err != nil || edge < 1 || edge > h.place.snapshot {
		return badToken()
	}
	if h.span.Before = edge; h.place.back { // numbers have no gaps
		h.span.Before = min(edge+int64(max(1, h.count)), h.place.snapshot)
		h.span.Limit = int(h.span.Before - edge)
	}
	return nil
}

// identity is what a history's page tokens are bound to.
func (h *history) identity() string {
	params := []catalog.KeyValue{{Key: "tenant", Value: h.key.Tenant},
		{Key: "path", Value: h.key.Type + "/" + h.key.ID}}
	for _, param := range h.used {
		if param.Key != "_count" {
			params = append(params, param)
		}
	}
	return encode(params)
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

// versions fetches a page. page.Next is the number of its last version when there are more, page.After that of the
// version before its first.
func (d *Door) versions(ctx context.Context, h *history) (found, error) {
	if !h.place.back {
		h.span.Limit = max(1, h.count)
	}
	answer, err := d.Reader.History(ctx, h.key, h.span)
	if err != nil {
		return found{}, err
	}
	if !h.paged {
		h.place.total = answer.Total
	}
	if len(answer.Versions) == 0 {
		return found{}, d.known(ctx, h.key)
	}
	if !h.paged {
		h.place.snapshot = answer.Versions[0].Number + 1
	}
	if h.count == 0 {
		return found{}, nil
	}
	contents, err := d.contents(ctx, answer.Versions, h.place.back)
	if err != nil {
		return found{}, err
	}
	page := projections.Page{Versions: answer.Versions[:len(contents)], After: h.place.edge}
	if h.place.back {
		page = projections.Page{Versions: answer.Versions[len(answer.Versions)-len(contents):], Next: h.place.edge}
		if before := page.Versions[0].Number + 1; before < h.place.snapshot {
			page.After = strconv.FormatInt(before, 10)
		}
	} else if answer.More || len(contents) < len(answer.Versions) {
		page.Next = strconv.FormatInt(page.Versions[len(contents)-1].Number, 10)
	}
	before, err := d.before(ctx, h.key, page.Versions[len(contents)-1])
	return found{page: page, contents: contents, before: before}, err
}

// before returns the version before one that may have brought a deleted resource back; the zero Version when there is
// none.
func (d *Door) before(ctx context.Context, key projections.Key, version projections.Version) (projections.Version,
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
func (d *Door) known(ctx context.Context, key projections.Key) error {
	versions, err := d.Reader.Current(ctx, []projections.Key{key})
	if err == nil && versions[0].Number == 0 {
		return unknownID(key.Type, key.ID)
	}
	return err
}

// links makes the links of a page of a history.
func (h *history) links(page projections.Page) []link {
	plain := with(h.path, encode(h.used), "", "")
	at := func(p place) string { return with(h.path, encode(h.used), pageParam, p.open(h.identity())) }
	links := []link{{relation: "self", url: plain}, {relation: "first", url: plain}}
	if h.paged {
		links[0].url = at(h.place)
	}
	if page.After != "" {
		links = append(links, link{relation: "previous", url: at(h.place.before(page.After))})
	}
	if page.Next != "" {
		links = append(links, link{relation: "next", url: at(h.place.at(page.Next))})
	}
	return links
}
