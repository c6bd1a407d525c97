package fhir

import (
	"context"
	"net/http"
	"time"

	"github.com/google/uuid"

	documents "binnacle/events/fhir"
	"binnacle/events/fhir/rest"
	"binnacle/projections"
	"binnacle/projections/catalog"
	"binnacle/projections/fhir/form"
	"binnacle/readapi/fhir/pages"
)

// writeSearch writes a page of a search as a bundle.
func (d *Door) writeSearch(ctx context.Context, answer *rest.Answer, s *search, found found) error {
	links, err := d.links(ctx, s, found)
	if err == nil && s.wanted == form.InXML {
		err = found.inXML()
	}
	if err != nil {
		return err
	}
	answer.Links = pages.LinkHeader(links)
	outcome := s.outcome(found.page.Plan)
	out := answer.Begin(http.StatusOK, -1)
	if s.indented() {
		out = Indented(out, s.wanted)
	}
	bundle := form.NewBundleWriter(out, documents.BundleHead{
		Type: "searchset", LastUpdated: time.Now(), Total: pages.TotalOf(s.place.Total), Links: pages.BundleLinks(links),
	}, s.wanted)
	entries := searchEntries{door: d, search: s, bundle: bundle}
	if found.included.from == 0 && !entries.write(ctx, found.page.Versions, found.contents, "match") {
		return nil
	}
	if !entries.write(ctx, found.included.versions, found.included.contents, "include") {
		return nil
	}
	if outcome != nil { // it stands nowhere but in this bundle
		pages.Wrote(ctx, d.Logger, bundle.Entry(documents.BundleEntry{FullURL: uuid.New().URN(), Resource: outcome,
			SearchMode: "outcome"}))
	}
	pages.Wrote(ctx, d.Logger, bundle.Close())
	return nil
}

// inXML makes all contents of a page XML.
func (f *found) inXML() error {
	if err := pages.InXML(f.page.Versions, f.contents); err != nil {
		return err
	}
	return pages.InXML(f.included.versions, f.included.contents)
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
	bundle form.BundleWriter
	cut    pages.Cutter
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
		content, err := e.cut.Subset(subset, contents[i])
		if err == nil {
			e.buffer, err = form.Stamp(e.buffer[:0], content, e.search.wanted, version.ID, version.Number, version.Time)
		}
		if err != nil {
			pages.Abort(ctx, e.door.Logger, err, version)
		}
		entry := documents.BundleEntry{FullURL: e.search.base + "/" + version.Type + "/" + version.ID,
			Resource: e.buffer, SearchMode: mode}
		if !pages.Wrote(ctx, e.door.Logger, e.bundle.Entry(entry)) {
			return false
		}
	}
	return true
}
