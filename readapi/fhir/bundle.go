package fhir

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/google/uuid"

	documents "binnacle/events/fhir"
	"binnacle/events/fhir/rest"
	"binnacle/projections"
	"binnacle/projections/catalog"
)

// writeSearch writes a page of a search as a bundle.
func (d *Door) writeSearch(ctx context.Context, answer *rest.Answer, s *search, found found) error {
	links, err := d.links(ctx, s, found)
	if err != nil {
		return err
	}
	answer.Links = linkHeader(links)
	outcome := s.outcome(found.page.Plan)
	out := answer.Begin(http.StatusOK, -1)
	if s.indented() {
		out = NewIndenter(out)
	}
	bundle := documents.NewBundleWriter(out, documents.BundleHead{
		Type: "searchset", LastUpdated: time.Now(), Total: totalOf(s.place.total), Links: bundleLinks(links),
	})
	entries := searchEntries{door: d, search: s, bundle: bundle}
	if found.included.from == 0 && !entries.write(ctx, found.page.Versions, found.contents, "match") {
		return nil
	}
	if !entries.write(ctx, found.included.versions, found.included.contents, "include") {
		return nil
	}
	if outcome != nil { // it stands nowhere but in this bundle
		d.wrote(ctx, bundle.Entry(documents.BundleEntry{FullURL: uuid.New().URN(), Resource: outcome,
			SearchMode: "outcome"}))
	}
	d.wrote(ctx, bundle.Close())
	return nil
}

// outcome is the entry that tells what was dropped from a search, and how it was answered if that was asked; nil when
// there is nothing to tell.
func (s *search) outcome(plan string) []byte {
	var issues []documents.Issue
	for _, dropped := range s.parsed.Issues {
		issues = append(issues, documents.Issue{Severity: documents.SeverityWarning,
			Code: rest.IssueCodeOf(dropped.Kind), Diagnostics: dropped.Text})
	}
	if s.parsed.Query.Explain {
		issues = append(issues, documents.Issue{Severity: documents.SeverityInformation, Code: "informational",
			Diagnostics: plan})
	}
	if len(issues) == 0 {
		return nil
	}
	return documents.OperationOutcome(issues...)
}

// searchEntries writes the entries of a search.
type searchEntries struct {
	door   *Door
	search *search
	bundle *documents.BundleWriter
	cut    cutter
	buffer []byte
}

// write writes versions with their contents; false when the client has gone.
func (e *searchEntries) write(ctx context.Context, versions []projections.Version, contents [][]byte,
	mode string) bool {
	parsed := &e.search.parsed
	elements := parsed.Elements
	if mode != "match" {
		elements = nil // they are names of elements of what is searched
	}
	subsets := map[string]*catalog.Subset{}
	for i, version := range versions {
		subset, made := subsets[version.Type]
		if !made {
			subset = e.door.Catalog.Subset(version.Type, parsed.Summary, elements)
			subsets[version.Type] = subset
		}
		content, err := e.cut.subset(subset, contents[i])
		if err == nil {
			e.buffer, err = documents.Stamp(e.buffer[:0], content, version.ID, version.Number, version.Time)
		}
		if err != nil {
			e.door.abort(ctx, err, version.Type, version.ID, version.Number)
		}
		entry := documents.BundleEntry{FullURL: e.search.base + "/" + version.Type + "/" + version.ID,
			Resource: e.buffer, SearchMode: mode}
		if !e.door.wrote(ctx, e.bundle.Entry(entry)) {
			return false
		}
	}
	return true
}

// cutter cuts parts out of contents, in memory that it uses again.
type cutter struct {
	document documents.Document
	buffer   []byte
}

// subset returns the part of a content; the content itself for nil. It is good until the next call.
func (c *cutter) subset(wanted *catalog.Subset, content []byte) ([]byte, error) {
	if wanted == nil {
		return content, nil
	}
	if err := c.document.Reset(content); err != nil {
		return nil, err
	}
	c.buffer = wanted.Append(c.buffer[:0], &c.document)
	return c.buffer, nil
}

// writeHistory writes a page of a history as a bundle.
func (d *Door) writeHistory(ctx context.Context, answer *rest.Answer, h *history, found found) error {
	links := h.links(found.page)
	answer.Links = linkHeader(links)
	bundle := documents.NewBundleWriter(answer.Begin(http.StatusOK, -1), documents.BundleHead{
		Type: "history", LastUpdated: time.Now(), Total: totalOf(h.place.total), Links: bundleLinks(links),
	})
	var resource []byte
	var err error
	for i, version := range found.page.Versions {
		before := found.before
		if i+1 < len(found.page.Versions) {
			before = found.page.Versions[i+1]
		}
		request, status := asked(version, before)
		entry := documents.BundleEntry{FullURL: h.fullURL, Request: &request,
			Response: &documents.BundleResponse{Status: status, ETag: rest.ETagOf(version.Number),
				LastModified: version.Time}}
		if !version.Deleted {
			if resource, err = documents.Stamp(resource[:0], found.contents[i], version.ID, version.Number,
				version.Time); err != nil {
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

// wrote tells whether the client is still there to be written to.
func (d *Door) wrote(ctx context.Context, err error) bool {
	if err != nil {
		d.Logger.DebugContext(ctx, "a client left before its answer was written", "cause", err)
	}
	return err == nil
}

// abort breaks an answer off that has begun and cannot be finished, so that the client does not take a part for the
// whole.
func (d *Door) abort(ctx context.Context, err error, resourceType, id string, version int64) {
	d.Logger.ErrorContext(ctx, "a stored version cannot be shown; the answer is broken off", "resource",
		fmt.Sprintf("%s/%s/_history/%d", resourceType, id, version), "cause", err)
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
