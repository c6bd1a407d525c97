package door

import (
	"context"
	"net/http"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"binnacle/events"
	"binnacle/events/fhir"
	"binnacle/events/fhir/rest"
	"binnacle/projections/fhir/form"
)

// bundle answers POST [base] (FHIR R4, http.html#transaction).
func (d *door) bundle(rw http.ResponseWriter, r *http.Request) error {
	if err := onlyResultParameters(d.ask.Query, bundleHint); err != nil {
		return err
	}
	data, give, err := d.body(r)
	defer give()
	if err != nil {
		return err
	}
	done, err := d.budget.work(r.Context(), len(data))
	defer done()
	if err != nil {
		return err
	}
	document, source, err := form.Parsed(data)
	if err != nil {
		return err
	}
	d.source = source
	doc, err := d.documents.Parse(document)
	if err != nil {
		return err
	}
	resource, err := fhir.ResourceOf(doc.Root())
	if err != nil {
		return err
	}
	if resource.Type != "Bundle" {
		return invalid("a %s was sent to the base URL, where batch and transaction bundles go; send it to %s/%s",
			resource.Type, d.ask.Root, resource.Type).At("resourceType")
	}
	bundle, err := fhir.ParseBundle(doc)
	if err != nil {
		return err
	}
	if len(bundle.Entries) > d.Limits.Entries {
		return events.Errorf(events.TooLarge, "door.Door",
			"the bundle has %d entries, more than the %d allowed; send several bundles", len(bundle.Entries),
			d.Limits.Entries).At("Bundle.entry")
	}
	if bundle.Type != "transaction" && bundle.Type != "batch" {
		return invalid("a bundle of type %s was sent to the base URL, where only batch and transaction bundles go",
			bundle.Type).At("Bundle.type")
	}
	parts := make([]*part, len(bundle.Entries))
	for i := range bundle.Entries {
		parts[i] = &part{Entry: &bundle.Entries[i], index: i, change: new(events.Change)}
		parts[i].answer.err = d.readPart(parts[i])
	}
	if bundle.Type == "batch" {
		done() // its entries wait for their outcomes one by one
		return d.batch(rw, r, data, parts)
	}
	return d.transaction(rw, r, data, parts, func() {
		d.documents.Release(doc)
		give()
		done()
	})
}

// transaction sends all writes of a bundle as one event: all take effect, or none. The document is given up, and its
// share of the budget given back, when it is in the log: its outcome may take a while.
func (d *door) transaction(rw http.ResponseWriter, r *http.Request, data []byte, parts []*part, release func()) error {
	changes, err := d.changes(r, parts)
	if err != nil || d.ask.FormOnly {
		return err
	}
	var reached *events.Position
	if len(changes) > 0 {
		event := d.event(d.fingerprint(r, data), 0, changes...)
		writes := order(parts)
		left := map[remains]*events.Change{}
		for _, p := range parts {
			p.shrink(left)
		}
		if d.ask.Unawaited {
			return d.append(rw, r, event)
		}
		progress := rest.ProgressOf(r.Context())
		progress.Say("the entries are checked")
		wait, err := d.Write.Send(r.Context(), event, false)
		if err != nil {
			return err
		}
		progress.Say("the entries are in the log, and wait for what becomes of them")
		release()
		outcome, err := wait(r.Context())
		if err != nil {
			return err
		}
		decided(rw, outcome.Position, outcome.Repeats != "")
		if outcome.Refusal != nil {
			return d.refusal(outcome.Refusal, changeAt(writes, outcome.Refusal.Change))
		}
		if d.provenance != nil {
			d.tellProvenance(rw, outcome.Results)
		}
		for n, p := range writes {
			p.answer.result = &outcome.Results[n]
		}
		reached = &outcome.Position
	}
	room := d.newRoom()
	d.readEntries(r, parts, reached, room)
	d.answerBundle(rw, r, http.StatusOK, "transaction-response", parts, room)
	return nil
}

// changes makes the changes of a transaction's writes, in their order.
func (d *door) changes(r *http.Request, parts []*part) ([]events.Change, error) {
	for _, p := range parts {
		if p.answer.err != nil {
			return nil, p.answer.err
		}
	}
	if err := d.checkReads(r, parts); err != nil {
		return nil, err
	}
	writes := order(parts)
	full, err := targets(writes)
	if err != nil {
		return nil, err
	}
	if err := d.contents(r.Context(), d.linker(full), writes); err != nil {
		return nil, err
	}
	if err := d.withProvenance(r.Header, full); err != nil {
		return nil, err
	}
	changes := make([]events.Change, len(writes))
	for n, p := range writes {
		if p.answer.err != nil {
			return nil, p.answer.err
		}
		changes[n] = *p.change
	}
	return changes, nil
}

// batch sends every write of a bundle as an event of its own, many at once.
func (d *door) batch(rw http.ResponseWriter, r *http.Request, data []byte, parts []*part) error {
	if d.ask.FormOnly { // what its entries are is theirs to answer
		return nil
	}
	progress := rest.ProgressOf(r.Context())
	progress.Count(len(parts), "entries")
	if err := d.contents(r.Context(), d.linker(nil), parts); err != nil {
		return err
	}
	for _, p := range parts {
		if p.answer.err != nil {
			progress.Done()
		}
	}
	if err := d.withProvenance(r.Header, nil); err != nil {
		return err
	}
	request := d.fingerprint(r, data)
	unclaimed := d.Write.Unclaimed(r.Context(), d.tenant, d.key)
	positions := make([]*events.Position, len(parts))
	var fresh atomic.Bool // something was not answered by an earlier request
	write := func(p *part, again int) {
		p.answer.err = nil
		event := d.event(request, p.index+1+again*len(parts), *p.change)
		if d.ask.Unawaited {
			position, repeats, err := d.Write.Append(r.Context(), event)
			if p.answer.err = err; err == nil {
				positions[p.index] = &position
				p.answer.status = http.StatusAccepted
			}
			if !repeats {
				fresh.Store(true)
			}
			return
		}
		outcome, err := d.entryOutcome(r.Context(), event, unclaimed)
		if err != nil || outcome.Repeats == "" {
			fresh.Store(true)
		}
		switch {
		case err != nil:
			p.answer.err = err // the entry answers for itself; the others go on
			return
		case outcome.Refusal != nil:
			p.answer.refused = true
			p.answer.err = p.at(d.refusal(outcome.Refusal, *p.change), "resource")
		default:
			p.answer.result = &outcome.Results[0]
		}
		positions[p.index] = &outcome.Position
	}
	for _, turn := range turns(parts) {
		d.inTurn(turn, func(p *part) {
			write(p, 0)
			progress.Done()
		})
		for again := 1; again <= deletedAgain; again++ {
			if turn = heldUp(turn); turn == nil {
				break
			}
			d.inTurn(turn, func(p *part) { write(p, again) })
		}
	}
	for _, p := range parts {
		if events.KindOf(p.answer.err) == events.Reused { // then the whole request is another one
			return rest.Relocate(p.answer.err, func(string) string { return "" })
		}
	}
	var reached *events.Position // one tenant has one partition, so the largest offset is the last
	for _, position := range positions {
		if position != nil && (reached == nil || position.Offset > reached.Offset) {
			reached = position
		}
	}
	if reached != nil {
		decided(rw, *reached, !fresh.Load())
	}
	status := http.StatusOK
	if d.ask.Unawaited {
		status = http.StatusAccepted
	}
	room := d.newRoom()
	d.readEntries(r, parts, reached, room)
	d.answerBundle(rw, r, status, "batch-response", parts, room)
	return nil
}

// inTurn writes the parts of one turn, many chains at once.
func (d *door) inTurn(turn [][]*part, write func(p *part)) {
	var group errgroup.Group
	group.SetLimit(d.Limits.BatchFlight)
	for _, chain := range turn {
		group.Go(func() error {
			for _, p := range chain {
				write(p)
			}
			return nil
		})
	}
	_ = group.Wait() // errors are the entries' answers
}

// entryOutcome sends the event of an entry and waits for its outcome.
func (d *door) entryOutcome(ctx context.Context, event events.Event, unclaimed bool) (events.Outcome, error) {
	outcome, err := d.Write.Send(ctx, event, unclaimed)
	if err != nil {
		return events.Outcome{}, err
	}
	return outcome(ctx)
}
