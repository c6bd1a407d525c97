package histories

import (
	"context"
	"strconv"
	"strings"

	"binnacle/events"
	documents "binnacle/events/fhir"
	"binnacle/projections"
	"binnacle/projections/fhir/form"
)

// listID reads a value of _list: an id, or a reference to a List of this server.
func (r *Request) listID(value string) (string, error) {
	id := strings.TrimPrefix(strings.TrimPrefix(value, r.base+"/"), "List/")
	if documents.CheckID(id) != nil {
		return "", events.Errorf(events.Invalid, op, "_list must be the id of a List of this server, not %.80q", value)
	}
	return id, nil
}

// readList finds what the List names. On the first page it is the List as it is then, and the same version on all
// pages that follow.
func (d Door) readList(ctx context.Context, r *Request) error {
	key := projections.Key{Tenant: d.Tenant, Type: "List", ID: r.list}
	var version projections.Version
	var err error
	if r.listed > 0 {
		version, err = d.Reader.Version(ctx, key, r.listed)
	} else {
		var versions []projections.Version
		if versions, err = d.Reader.Current(ctx, []projections.Key{key}); err == nil {
			version = versions[0]
		}
	}
	switch {
	case err != nil:
		return err
	case !version.Alive():
		return events.Errorf(events.Invalid, op, "_list names List/%s, and there is no such List here", r.list)
	}
	r.listed = version.Number
	content, err := d.Contents.One(ctx, version)
	if err == nil {
		content, err = form.JSON(content)
	}
	if err != nil {
		return err
	}
	var list documents.Document
	if err := list.Reset(content); err != nil {
		return err
	}
	r.span.Listed = []projections.Listed{}
	for entry := range list.Root().Get("entry").Items() {
		if string(entry.Get("deleted").Raw()) == "true" {
			continue // it tells that the item went off the list
		}
		if err := d.addListed(r, entry.Get("item").Get("reference").Text()); err != nil {
			return err
		}
	}
	return nil
}

// addListed adds what an entry of the List refers to, when it is here: a resource, or one version of it.
func (d Door) addListed(r *Request, reference string) error {
	to := documents.ParseReference(reference)
	here := to.Kind == documents.RelativeReference || to.Kind == documents.AbsoluteReference && to.Base == r.base
	if !here {
		return nil
	}
	listed := projections.Listed{Type: to.Type, ID: to.ID}
	if to.Version != "" {
		listed.Number = versionNumber(to.Version)
	}
	key := r.span.Key
	if listed.Number < 0 || key != (projections.Key{}) && (key.Type != to.Type || key.ID != to.ID) {
		return nil
	}
	if r.span.Listed = append(r.span.Listed, listed); len(r.span.Listed) > d.MaxListed {
		return events.Errorf(events.TooCostly, op, "List/%s names more than %d resources; use a shorter List", r.list,
			d.MaxListed)
	}
	return nil
}

// versionNumber reads the version that a reference names; -1 when it is none of this server's.
func versionNumber(text string) int64 {
	number, err := strconv.ParseInt(text, 10, 64)
	if err != nil || number < 1 {
		return -1
	}
	return number
}
