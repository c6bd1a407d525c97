package fhir

import (
	"context"
	"fmt"
	"net/http"
	"time"

	documents "binnacle/events/fhir"
)

// writeSearch writes a page of a search as a bundle.
func (d *Door) writeSearch(ctx context.Context, w http.ResponseWriter, s *search, found found) error {
	links, err := d.links(ctx, s, found.page)
	if err != nil {
		return err
	}
	outcome := s.outcome(found.page.Plan)
	setLinks(w.Header(), links)
	w.Header()["Cache-Control"] = d.revalidate
	bundle := documents.NewBundleWriter(w, documents.BundleHead{
		Type: "searchset", LastUpdated: time.Now(), Total: totalOf(s.place.total), Links: bundleLinks(links),
	})
	var resource []byte
	for i, version := range found.page.Versions {
		if resource, err = documents.Stamp(resource[:0], found.contents[i], version.ID, version.Number, version.Time); err != nil {
			d.abort(ctx, err, version.Type, version.ID, version.Number)
		}
		if !d.wrote(ctx, bundle.Entry(documents.BundleEntry{FullURL: s.path + "/" + version.ID, Resource: resource, SearchMode: "match"})) {
			return nil
		}
	}
	if outcome != nil {
		d.wrote(ctx, bundle.Entry(documents.BundleEntry{Resource: outcome, SearchMode: "outcome"}))
	}
	d.wrote(ctx, bundle.Close())
	return nil
}

// writeHistory writes a page of a history as a bundle.
func (d *Door) writeHistory(ctx context.Context, w http.ResponseWriter, h *history, found found) error {
	links := h.links(found.page.Next)
	setLinks(w.Header(), links)
	w.Header()["Cache-Control"] = d.revalidate
	bundle := documents.NewBundleWriter(w, documents.BundleHead{
		Type: "history", LastUpdated: time.Now(), Total: totalOf(h.place.total), Links: bundleLinks(links),
	})
	relative := h.key.Type + "/" + h.key.ID
	var resource []byte
	var err error
	for i, version := range found.page.Versions {
		entry := documents.BundleEntry{
			FullURL:  h.fullURL,
			Request:  &documents.BundleRequest{Method: http.MethodPut, URL: relative},
			Response: &documents.BundleResponse{Status: http.StatusOK, ETag: etagOf(version.Number), LastModified: version.Time},
		}
		switch {
		case version.Deleted:
			entry.Request.Method, entry.Response.Status = http.MethodDelete, http.StatusNoContent
		case version.Number == 1:
			entry.Response.Status = http.StatusCreated
		}
		if !version.Deleted {
			if resource, err = documents.Stamp(resource[:0], found.contents[i], version.ID, version.Number, version.Time); err != nil {
				d.abort(ctx, err, version.Type, version.ID, version.Number)
			}
			entry.Resource = resource
		}
		if !d.wrote(ctx, bundle.Entry(entry)) {
			return nil
		}
	}
	d.wrote(ctx, bundle.Close())
	return nil
}

// wrote tells whether the client is still there to be written to.
func (d *Door) wrote(ctx context.Context, err error) bool {
	if err != nil {
		d.Logger.DebugContext(ctx, "a client left before its answer was written", "cause", err)
	}
	return err == nil
}

// abort breaks an answer off that has begun and cannot be finished, so that the client does not take a part for the whole.
func (d *Door) abort(ctx context.Context, err error, resourceType, id string, version int64) {
	d.Logger.ErrorContext(ctx, "a stored version cannot be shown; the answer is broken off", "resource", fmt.Sprintf("%s/%s/_history/%d", resourceType, id, version), "cause", err)
	panic(http.ErrAbortHandler)
}

func totalOf(total int64) *int64 {
	if total < 0 {
		return nil
	}
	return &total
}

func bundleLinks(links []link) []documents.BundleLink {
	list := make([]documents.BundleLink, len(links))
	for i, l := range links {
		list[i] = documents.BundleLink{Relation: l.relation, URL: l.url}
	}
	return list
}
