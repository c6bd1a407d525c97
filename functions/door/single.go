package door

import (
	"net/http"
	"strings"

	"binnacle/events"
	"binnacle/events/fhir"
	"binnacle/events/fhir/rest"
	"binnacle/projections/fhir/form"
)

// create answers POST [base]/Type (FHIR R4, http.html#create) and its conditional form with If-None-Exist.
func (d *door) create(rw http.ResponseWriter, r *http.Request) error {
	name := d.ask.Type
	if err := onlyResultParameters(d.ask.Query, createHint); err != nil {
		return err
	}
	change := events.Change{Operation: events.Create, Type: name, ID: d.NewID(), Entry: -1}
	data, release, err := d.sent(&change, r)
	defer release()
	if err != nil {
		return err
	}
	if lines, found := r.Header["If-None-Exist"]; found {
		criteria := make([]string, len(lines))
		for n, line := range lines {
			if criteria[n], err = criteriaOf(line, name, d.ask.Root); err != nil {
				return invalid("If-None-Exist: %s", events.TextOf(err))
			}
		}
		if change.Condition, err = d.condition(name, strings.Join(criteria, "&")); err != nil {
			return err
		}
	}
	return d.single(rw, r, change, data)
}

// update answers PUT [base]/Type/id (FHIR R4, http.html#update) and, without an id, the conditional form PUT
// [base]/Type?query.
func (d *door) update(rw http.ResponseWriter, r *http.Request) error {
	change := events.Change{Operation: events.Update, Type: d.ask.Type, ID: d.ask.ID, Entry: -1}
	if err := d.target(&change); err != nil {
		return err
	}
	if err := rest.HeaderPreconditions(&change, r.Header); err != nil {
		return err
	}
	data, release, err := d.sent(&change, r)
	defer release()
	if err != nil {
		return err
	}
	return d.single(rw, r, change, data)
}

// target checks the id of the path, or reads the query of a conditional form.
func (d *door) target(change *events.Change) (err error) {
	if change.ID == "" {
		change.Condition, err = d.condition(change.Type, d.ask.Query)
		return err
	}
	if err = fhir.CheckID(change.ID); err == nil && d.ask.Query != "" {
		err = onlyResultParameters(d.ask.Query, hintWithID(change))
	}
	return err
}

// sent reads the body of a single create or update, and makes what was sent the change's content.
func (d *door) sent(change *events.Change, r *http.Request) (data []byte, release func(), err error) {
	if change.Type == binaryType {
		return d.sentBinary(change, r)
	}
	if data, release, err = d.body(r); err == nil {
		err = d.content(change, data)
	}
	return data, release, err
}

// content checks the document of a single create or update and makes it the change's content.
func (d *door) content(change *events.Change, data []byte) error {
	document, source, err := form.Parsed(data)
	if err != nil {
		return err
	}
	resource, err := fhir.ParseResource(document)
	if err != nil {
		return err
	}
	if err := checkIdentity(change, resource, d.NewID); err != nil {
		return err
	}
	if err := d.check(resource.Type, resource.Node); err != nil {
		return err
	}
	return d.linker(nil).link(change, resource.Node, source, "")
}

// check holds a document against what is asked of all resources of its type.
func (d *door) check(name string, resource fhir.Node) error {
	if err := d.Catalog.Check(resource); err != nil || name != binaryType {
		return err
	}
	return form.CheckBinary(resource)
}

// checkIdentity holds that the resource is of the change's type and has its id, and gives a conditional update the id
// under which it would be created.
func checkIdentity(change *events.Change, resource fhir.Resource, newID func() string) error {
	if resource.Type != change.Type {
		return invalid("the resource is a %s, but it was sent to %s", resource.Type, change.Type).At(change.Type + ".resourceType")
	}
	if change.Operation != events.Update {
		return nil
	}
	switch {
	case change.Condition != "":
		if change.ID = resource.ID; change.ID == "" {
			change.ID = newID()
		}
	case resource.ID == "":
		return invalid("an update needs the id in the resource: %s", change.ID).At(change.Type + ".id")
	case resource.ID != change.ID:
		return invalid("the id in the resource is %s, but it was sent to %s/%s", resource.ID, change.Type,
			change.ID).At(change.Type + ".id")
	}
	return nil
}

// single sends a change as an event of its own and answers with what became of it.
func (d *door) single(rw http.ResponseWriter, r *http.Request, change events.Change, body []byte) error {
	if err := d.withProvenance(r.Header, nil); err != nil {
		return err
	}
	if d.ask.FormOnly {
		return nil
	}
	event := d.event(d.fingerprint(r, body), 0, change)
	if d.ask.Unawaited {
		return d.append(rw, r, event)
	}
	outcome, err := d.Write.Handle(r.Context(), event)
	if err != nil {
		return err
	}
	decided(rw, outcome.Position, outcome.Repeats != "")
	if outcome.Refusal != nil {
		return d.refusal(outcome.Refusal, change)
	}
	if d.provenance != nil {
		d.tellProvenance(rw, outcome.Results)
	}
	d.answerSingle(rw, r, change, outcome.Results[0])
	return nil
}

// fingerprint is the hash of a request that carries an Idempotency-Key, made once for all of its events.
func (d *door) fingerprint(r *http.Request, body []byte) events.Hash {
	if d.key == "" {
		return events.Hash{}
	}
	return fingerprint(r, strings.TrimPrefix(r.URL.Path, d.Base), body)
}

// event makes the event of changes. request is the request's fingerprint; part tells the entries of a batch apart,
// counted from 1; 0: the event is the whole request.
func (d *door) event(request events.Hash, part int, changes ...events.Change) events.Event {
	if d.provenance != nil {
		changes = d.telling(changes)
	}
	event := events.Event{ID: d.NewID(), Tenant: d.tenant, Time: d.Now(), Changes: changes, AllowDangling: d.dangling}
	if d.key != "" {
		event.IdempotencyKey, event.Repeat = d.key, events.Repeat{Request: request, Part: part,
			Window: d.Limits.KeyWindow}
	}
	return event
}
