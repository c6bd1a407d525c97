package door

import (
	"context"
	"net/http"
	"slices"

	"binnacle/events"
	"binnacle/events/fhir"
	"binnacle/events/fhir/rest"
	"binnacle/projections/fhir/form"
)

// answerBundle writes the response bundle, its entries in the order of the request's.
func (d *door) answerBundle(rw http.ResponseWriter, r *http.Request, status int, kind string, parts []*part,
	room *room) {
	if d.ask.Prefer.Return == rest.Representation { // a bundle's answer is minimal unless the client asks for more
		d.representations(r.Context(), parts, room)
	}
	rest.SetContentType(rw.Header())
	rw.WriteHeader(status)
	bundle := form.NewBundleWriter(rw, fhir.BundleHead{Type: kind}, form.Asked(d.ask.XML()))
	for _, p := range parts {
		if err := bundle.Entry(d.entry(r, p)); err != nil {
			break // the client has left; Close tells
		}
	}
	if err := bundle.Close(); err != nil {
		d.Logger.Debug("a client left before its answer was written", "error", err)
	}
}

// entry makes the response to one entry.
func (d *door) entry(r *http.Request, p *part) fhir.BundleEntry {
	response := &fhir.BundleResponse{}
	entry := fhir.BundleEntry{Response: response}
	switch a := &p.answer; {
	case a.err != nil:
		response.Status, response.Outcome = rest.OutcomeOf(a.err)
		d.tell(r, response.Status, a.err)
	case a.result != nil:
		response.Status = statusOf(*a.result)
		if a.result.Version > 0 {
			response.ETag, response.LastModified = rest.ETagOf(a.result.Version), a.result.Time
		}
		if p.change.Operation != events.Delete {
			response.Location = d.ask.Root + "/" + location(*a.result)
			entry.Resource = a.body
		}
		if d.tells(*a.result) {
			response.Outcome = doneOutcome(*a.result)
			if p.change.Operation == events.Delete {
				response.Status = http.StatusOK
			}
		}
		if a.unshown != nil {
			response.Outcome = doneOutcome(*a.result, unshown(a.unshown))
		}
	default:
		response.Status, response.ETag, response.LastModified = a.status, a.etag, a.modified
		if a.status >= http.StatusBadRequest {
			response.Outcome = a.body
		} else {
			entry.Resource = a.body
		}
	}
	return entry
}

// representationsAtOnce is how many contents are fetched together.
const representationsAtOnce = 256

// representations gets the stored contents of accepted writes and stamps them, as long as there is room. What cannot
// be got, or has no room, is left out: the writes stand, and their entries tell where they are.
func (d *door) representations(ctx context.Context, parts []*part, room *room) {
	var wanting []*part
	for _, p := range parts {
		if p.answer.result != nil && p.change.Operation != events.Delete {
			wanting = append(wanting, p)
		}
	}
	for some := range slices.Chunk(wanting, representationsAtOnce) {
		if !room.takes(0) || !d.represent(ctx, some, room) {
			return
		}
	}
}

func (d *door) represent(ctx context.Context, parts []*part, room *room) bool {
	hashes := make([]events.Hash, len(parts))
	for n, p := range parts {
		hashes[n] = p.answer.result.Hash
	}
	contents, err := d.Blobs.Get(ctx, hashes)
	if err != nil {
		d.Logger.Error("the contents of a bundle that was just written cannot be read", "error", err)
		return false
	}
	for n, p := range parts {
		content, result := contents[n], p.answer.result
		if content == nil {
			if content, err = d.healed(ctx, *result); err != nil || content == nil {
				d.Logger.Error("the content of a version that was just written cannot be read", "resource",
					result.Type+"/"+result.ID, "version", result.Version, "error", err)
				continue
			}
		}
		if !room.takes(len(content)) {
			return false
		}
		p.answer.body, err = form.Stamp(nil, content, form.Asked(d.ask.XML()), result.ID, result.Version, result.Time)
		if events.KindOf(err) == events.Unsupported { // XML is wanted, and cannot hold it
			p.answer.unshown = err
		} else if err != nil {
			d.Logger.Error("a content cannot be stamped", "resource", result.Type+"/"+result.ID, "version",
				result.Version, "error", err)
		}
	}
	return true
}
