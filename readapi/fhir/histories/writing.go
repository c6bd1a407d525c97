package histories

import (
	"context"
	"net/http"
	"time"

	documents "binnacle/events/fhir"
	"binnacle/events/fhir/rest"
	"binnacle/projections"
	"binnacle/projections/catalog"
	"binnacle/projections/fhir/form"
	"binnacle/readapi/fhir/pages"
)

// Write writes a page as a bundle.
func (d Door) Write(ctx context.Context, answer *rest.Answer, r *Request, found Found) error {
	if r.wanted == form.InXML {
		if err := pages.InXML(found.Shown(), found.contents); err != nil {
			return err
		}
	}
	links := r.links(found)
	answer.Links = pages.LinkHeader(links)
	w := &writer{Door: d, request: r, subsets: map[string]*catalog.Subset{}}
	w.bundle = form.NewBundleWriter(answer.Begin(http.StatusOK, -1), documents.BundleHead{
		Type: "history", LastUpdated: time.Now(), Total: pages.TotalOf(r.place.Total), Links: pages.BundleLinks(links),
	}, r.wanted)
	for i := range found.versions {
		entry, err := w.entry(found.versions[i], found.contents[i])
		if err != nil {
			pages.Abort(ctx, d.Contents.Logger, err, found.versions[i].Version)
		}
		if !pages.Wrote(ctx, d.Contents.Logger, w.bundle.Entry(entry)) {
			return nil
		}
	}
	pages.Wrote(ctx, d.Contents.Logger, w.bundle.Close())
	return nil
}

// writer writes the entries of a page, in memory that it uses again.
type writer struct {
	Door
	request *Request
	bundle  form.BundleWriter
	subsets map[string]*catalog.Subset // by type
	cut     pages.Cutter
	buffer  []byte
}

// entry is a version as an entry, which is good until the next call.
func (w *writer) entry(version projections.Past, content []byte) (documents.BundleEntry, error) {
	request, status := asked(version)
	entry := documents.BundleEntry{FullURL: w.request.base + "/" + version.Type + "/" + version.ID, Request: &request,
		Response: &documents.BundleResponse{Status: status, ETag: rest.ETagOf(version.Number),
			LastModified: version.Time}}
	if version.Deleted {
		return entry, nil
	}
	wanted, made := w.subsets[version.Type]
	if !made {
		wanted = w.Catalog.Subset(version.Type, w.request.summary, w.request.elements)
		w.subsets[version.Type] = wanted
	}
	content, err := w.cut.Subset(wanted, content)
	if err != nil {
		return entry, err
	}
	w.buffer, err = form.Stamp(w.buffer[:0], content, w.request.wanted, version.ID, version.Number, version.Time)
	entry.Resource = w.buffer
	return entry, err
}

// asked tells the request that made a version, and how it was answered.
func asked(version projections.Past) (documents.BundleRequest, int) {
	request, status := documents.BundleRequest{Method: http.MethodPut,
		URL: version.Type + "/" + version.ID}, http.StatusOK
	switch {
	case version.Deleted:
		request.Method, status = http.MethodDelete, http.StatusNoContent
	case version.Posted:
		request, status = documents.BundleRequest{Method: http.MethodPost, URL: version.Type}, http.StatusCreated
	case version.Patched:
		request.Method = http.MethodPatch
	case version.Number == 1 || version.Revives: // there was nothing, or nothing any more
		status = http.StatusCreated
	}
	return request, status
}
