package door

import (
	"context"
	"crypto/sha256"
	"net/http"
	"strconv"

	"binnacle/events"
	"binnacle/events/fhir"
	"binnacle/events/fhir/rest"
	"binnacle/projections"
	"binnacle/projections/fhir/form"
)

// answerSingle writes the answer to an accepted single interaction.
func (d *door) answerSingle(rw http.ResponseWriter, r *http.Request, change events.Change, result events.Result) {
	header := rw.Header()
	if result.Version > 0 {
		rest.SetVersion(header, rest.ETagOf(result.Version), result.Time)
	}
	status := statusOf(result)
	if change.Operation == events.Delete {
		d.answerDelete(rw, result)
		return
	}
	header.Set("Location", d.ask.Root+"/"+location(result))
	switch d.ask.Prefer.Return {
	case rest.Minimal:
		bare(rw, status)
		return
	case rest.Outcome:
		d.write(rw, status, doneOutcome(result))
		return
	case "":
		if form.Of(change.Content) == form.Raw { // who sent the bytes needs no resource with them
			bare(rw, status)
			return
		}
	}
	body, err := d.representation(r, change, result)
	switch {
	case events.KindOf(err) == events.Unsupported: // XML is wanted, and cannot hold it
		body = doneOutcome(result, unshown(err))
	case err != nil || body == nil:
		d.Logger.Error("the content of a version that was just written cannot be read", "resource",
			result.Type+"/"+result.ID, "version", result.Version, "error", err)
		body = doneOutcome(result) // the write stands; the answer must not say otherwise
	}
	d.write(rw, status, body)
}

// representation returns the stored content of a result, stamped.
func (d *door) representation(r *http.Request, change events.Change, result events.Result) ([]byte, error) {
	content := change.Content
	if len(change.Links) > 0 || sha256.Sum256(content) != result.Hash {
		found, err := d.Blobs.Get(r.Context(), []events.Hash{result.Hash})
		if err != nil {
			return nil, err
		}
		if content = found[0]; content == nil {
			if content, err = d.healed(r.Context(), result); err != nil || content == nil {
				return nil, err
			}
		}
	}
	return form.Stamp(nil, content, form.Asked(d.ask.XML()), result.ID, result.Version, result.Time)
}

// healed brings back the content of the version that is current, when it is the one of the result.
func (d *door) healed(ctx context.Context, result events.Result) ([]byte, error) {
	if d.Heal == nil {
		return nil, nil
	}
	versions, err := d.Heal.Index.Current(ctx, []projections.Key{{Tenant: d.tenant, Type: result.Type, ID: result.ID}})
	if err != nil || versions[0].Hash != result.Hash {
		return nil, err
	}
	content, err := d.Heal.Handle(ctx, versions[0])
	if err != nil && events.KindOf(err) != events.Transient {
		return nil, events.Wrap(events.Internal, "door.Door", err, "the content of %s/%s version %d is lost",
			result.Type, result.ID, result.Version)
	}
	return content, err
}

// statusOf is the HTTP status of an accepted change.
func statusOf(result events.Result) int {
	switch result.Disposition {
	case events.Created:
		return http.StatusCreated
	case events.Deleted, events.NoEffect:
		return http.StatusNoContent
	}
	return http.StatusOK
}

func location(result events.Result) string {
	return result.Type + "/" + result.ID + "/_history/" + strconv.FormatInt(result.Version, 10)
}

// append sends an event that nobody waits for, and answers with its place.
func (d *door) append(rw http.ResponseWriter, r *http.Request, event events.Event) error {
	position, repeats, err := d.Write.Append(r.Context(), event)
	if err != nil {
		return err
	}
	decided(rw, position, repeats)
	bare(rw, http.StatusAccepted)
	return nil
}

// decided tells in headers where a write stands in the log, and whether it is an earlier one that is answered again.
func decided(rw http.ResponseWriter, position events.Position, repeats bool) {
	rest.SetPosition(rw.Header(), position)
	if repeats {
		rw.Header().Set(rest.HeaderReplayed, "true")
	}
}

// bare answers without a body, which has no type.
func bare(rw http.ResponseWriter, status int) {
	delete(rw.Header(), "Content-Type")
	rw.WriteHeader(status)
}

// write writes a body of FHIR JSON.
func (d *door) write(rw http.ResponseWriter, status int, body []byte) {
	if err := rest.Write(rw, status, body); err != nil {
		d.Logger.Debug("a client left before its answer was written", "error", err)
	}
}

// unshown tells why what was written does not stand in the answer.
func unshown(err error) fhir.Issue {
	issue := rest.IssueOf(err)
	issue.Severity = fhir.SeverityWarning
	return issue
}
