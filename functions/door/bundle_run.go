package door

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"binnacle/events"
	"binnacle/events/fhir"
	"binnacle/events/fhir/rest"
)

// transaction sends all writes of a bundle as one event: all take effect, or none. The document is given up, and its share of the
// budget given back, when it is in the log: its outcome may take a while.
func (d *door) transaction(rw http.ResponseWriter, r *http.Request, data []byte, parts []*part, release func()) error {
	changes, err := d.changes(r, parts)
	if err != nil {
		return err
	}
	var reached *events.Position
	if len(changes) > 0 {
		event := d.event(r, d.fingerprint(r, data), 0, changes...)
		writes := order(parts)
		for _, p := range parts {
			p.shrink()
		}
		if d.ask.Prefer.Async {
			return d.append(rw, r, event)
		}
		wait, err := d.Write.Send(r.Context(), event, false)
		if err != nil {
			return err
		}
		release()
		outcome, err := wait(r.Context())
		if err != nil {
			return err
		}
		decided(rw, outcome.Position, outcome.Repeats != "")
		if outcome.Refusal != nil {
			return outcome.Refusal.Err("door.Door")
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
	l := d.linker(r)
	l.full = full
	if err := d.contents(r, l, writes); err != nil {
		return nil, err
	}
	changes := make([]events.Change, len(writes))
	for n, p := range writes {
		if p.answer.err != nil {
			return nil, p.answer.err
		}
		changes[n] = p.change
	}
	return changes, nil
}

// batch sends every write of a bundle as an event of its own, many at once.
func (d *door) batch(rw http.ResponseWriter, r *http.Request, data []byte, parts []*part) error {
	if err := d.contents(r, d.linker(r), parts); err != nil {
		return err
	}
	async := d.ask.Prefer.Async
	request := d.fingerprint(r, data)
	unclaimed := d.Write.Unclaimed(r.Context(), d.tenant, d.key)
	positions := make([]*events.Position, len(parts))
	var fresh atomic.Bool // something was not answered by an earlier request
	write := func(p *part) {
		event := d.event(r, request, p.index+1, p.change)
		if async {
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
			p.answer.err = p.at(outcome.Refusal.Err("door.Door"), "resource")
		default:
			p.answer.result = &outcome.Results[0]
		}
		positions[p.index] = &outcome.Position
	}
	for _, turn := range turns(parts) {
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
	for _, p := range parts {
		if events.KindOf(p.answer.err) == events.Reused { // then the whole request is another one
			return relocate(p.answer.err, func(string) string { return "" })
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
	if async {
		status = http.StatusAccepted
		rw.Header().Set("Preference-Applied", "respond-async")
	}
	room := d.newRoom()
	d.readEntries(r, parts, reached, room)
	d.answerBundle(rw, r, status, "batch-response", parts, room)
	return nil
}

// entryOutcome sends the event of an entry and waits for its outcome.
func (d *door) entryOutcome(ctx context.Context, event events.Event, unclaimed bool) (events.Outcome, error) {
	outcome, err := d.Write.Send(ctx, event, unclaimed)
	if err != nil {
		return events.Outcome{}, err
	}
	return outcome(ctx)
}

// turns puts the writes of a batch into the order that bundles have: first what deletes, then what creates, then what updates (FHIR R4,
// http.html#trules). Those of one turn are made at once, but for those of one resource, which follow each other as they stand in the bundle.
func turns(parts []*part) (turns [][][]*part) {
	var of events.Operation
	chains := map[string]int{}
	for _, p := range order(parts) {
		if p.answer.err != nil {
			continue
		}
		if len(turns) == 0 || p.change.Operation != of {
			turns, of = append(turns, nil), p.change.Operation
			clear(chains)
		}
		turn := &turns[len(turns)-1]
		name := p.change.Type + "/" + p.change.ID
		at, again := chains[name]
		if p.change.Condition == "" && again {
			(*turn)[at] = append((*turn)[at], p)
			continue
		}
		if p.change.Condition == "" {
			chains[name] = len(*turn)
		}
		*turn = append(*turn, []*part{p})
	}
	return turns
}

// readFlight is how many reading entries of one bundle are answered at once.
const readFlight = 16

// room is what the resources in the answer to one bundle may still take, bytes. A small request can ask for the same large resource thousands of times.
type room struct{ left atomic.Int64 }

func (d *door) newRoom() *room {
	r := new(room)
	r.left.Store(d.Limits.AnswerBytes)
	return r
}

// takes tells whether there is room for so many bytes, and gives it.
func (r *room) takes(size int) bool { return r.left.Load() > 0 && r.left.Add(-int64(size)) >= 0 }

// readEntries answers the reading entries by the reading door, at or after a position.
func (d *door) readEntries(r *http.Request, parts []*part, reached *events.Position, room *room) {
	var group errgroup.Group
	group.SetLimit(min(readFlight, d.Limits.BatchFlight))
	for _, p := range parts {
		if p.reads() && p.answer.err == nil {
			group.Go(func() error {
				p.answer.err = d.readOne(r, p, reached, room)
				return nil
			})
		}
	}
	_ = group.Wait() // errors are the entries' answers
}

func (d *door) readOne(r *http.Request, p *part, reached *events.Position, room *room) error {
	entry, err := d.reading(r, p)
	if err != nil {
		return err
	}
	entry.Reach = reached
	a := &p.answer
	if room.takes(0) {
		a.status, a.etag, a.modified, a.body = d.reads(r.Context(), entry)
		if room.takes(len(a.body)) {
			return nil
		}
	}
	a.body = nil
	return p.at(events.Errorf(events.TooLarge, "door.Door", "what the entries of this bundle ask for is more than %d bytes together; ask for this one alone", d.Limits.AnswerBytes), "request.url")
}

// reading is what a reading entry asks for.
func (d *door) reading(r *http.Request, p *part) (rest.Entry, error) {
	target, err := url.Parse("/" + p.url)
	if err != nil {
		return rest.Entry{}, p.at(invalid("%.200q is no URL below the base", p.url), "request.url")
	}
	return rest.Entry{
		Ask:    rest.Ask{Query: target.RawQuery, Tenant: d.tenant, Root: d.ask.Root, Prefer: d.ask.Prefer, Copy: rest.CopyOfEntry(p.Request.IfNoneMatch, p.Request.IfModifiedSince)},
		Method: p.Request.Method, Path: target.Path, Request: r.Header.Get("X-Request-Id"),
	}, nil
}

// checkReads refuses a reading entry that could not be answered whatever is stored: then a transaction must not take effect either (FHIR R4,
// http.html#transaction).
func (d *door) checkReads(r *http.Request, parts []*part) error {
	for _, p := range parts {
		if !p.reads() {
			continue
		}
		entry, err := d.reading(r, p)
		if err != nil {
			return err
		}
		if err := d.table.Check(&entry); err != nil {
			return p.at(err, "request.url")
		}
	}
	return nil
}

// answerBundle writes the response bundle, its entries in the order of the request's.
func (d *door) answerBundle(rw http.ResponseWriter, r *http.Request, status int, kind string, parts []*part, room *room) {
	if d.ask.Prefer.Return == rest.Representation { // a bundle's answer is minimal unless the client asks for more
		d.representations(r.Context(), parts, room)
	}
	rest.SetContentType(rw.Header())
	rw.WriteHeader(status)
	bundle := fhir.NewBundleWriter(rw, fhir.BundleHead{Type: kind})
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
		if d.ask.Prefer.Return == rest.Outcome {
			response.Outcome = doneOutcome(*a.result)
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

// representations gets the stored contents of accepted writes and stamps them, as long as there is room. What cannot be got, or has no room, is left
// out: the writes stand, and their entries tell where they are.
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
				d.Logger.Error("the content of a version that was just written cannot be read", "resource", result.Type+"/"+result.ID, "version", result.Version, "error", err)
				continue
			}
		}
		if !room.takes(len(content)) {
			return false
		}
		if p.answer.body, err = fhir.Stamp(nil, content, result.ID, result.Version, result.Time); err != nil {
			d.Logger.Error("a content cannot be stamped", "resource", result.Type+"/"+result.ID, "version", result.Version, "error", err)
		}
	}
	return true
}
