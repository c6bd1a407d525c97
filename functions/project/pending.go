package project

import (
	"context"
	"slices"

	"binnacle/events"
	"binnacle/projections"
)

// overlay holds versions that are decided and not committed yet. There is one of a chunk, and on top of it one of the
// event being decided, which is merged into the other when the event is accepted and dropped when it is refused.
type overlay struct {
	rough   bool // match on rough terms: the links of the entries are not resolved yet
	entries map[projections.Key]*entry
	types   map[typeName]*overlayType
	order   []*entry                     // in which they came
	read    int                          // how many of these refers tells of
	refers  map[projections.Key][]*entry // those that refer to a resource, superseded ones too
}

type typeName struct{ tenant, name string }

// entry is the current version of one resource as the overlay has it.
type entry struct {
	version projections.Version // Sid and Hash are set when it is a row of the commit
	work    *work
}

// overlayType finds entries of one type by their tokens. Entries are indexed when somebody first asks about the type.
type overlayType struct {
	entries []*entry // superseded ones too
	indexed int
	tokens  map[tokenName][]*entry
}

type tokenName struct{ param, code string }

func newOverlay(rough bool) *overlay {
	return &overlay{rough: rough, entries: make(map[projections.Key]*entry), types: make(map[typeName]*overlayType)}
}

func (o *overlay) put(e *entry) {
	key := e.version.Key
	o.entries[key] = e
	name := typeName{key.Tenant, key.Type}
	t := o.types[name]
	if t == nil {
		t = new(overlayType)
		o.types[name] = t
	}
	t.entries = append(t.entries, e)
	o.order = append(o.order, e)
}

func (o *overlay) remove(key projections.Key) { delete(o.entries, key) }

// touches tells whether the overlay has an entry of the type.
func (o *overlay) touches(tenant, name string) bool { return o.types[typeName{tenant, name}] != nil }

// match calls found with the entries that satisfy a query, deletions apart, until found returns false.
func (o *overlay) match(q projections.Query, found func(*entry) bool) error {
	t := o.types[typeName{q.Tenant, q.Type}]
	if t == nil {
		return nil
	}
	candidates, err := o.candidates(t, q)
	if err != nil {
		return err
	}
	for _, e := range candidates {
		if e.version.Deleted || o.entries[e.version.Key] != e {
			continue
		}
		terms, err := o.terms(e)
		if err != nil {
			return err
		}
		if projections.Matches(q, e.version, terms) && !found(e) {
			return nil
		}
	}
	return nil
}

func (o *overlay) terms(e *entry) ([]projections.Term, error) {
	if e.version.Deleted {
		return nil, nil
	}
	if o.rough {
		return e.work.roughTerms()
	}
	err := e.work.extract()
	return e.work.terms, err
}

// referring returns the entries that refer to a resource. The terms of all are read when somebody first asks.
func (o *overlay) referring(key projections.Key) ([]*entry, error) {
	if o.refers == nil {
		o.refers = make(map[projections.Key][]*entry)
	}
	for ; o.read < len(o.order); o.read++ {
		e := o.order[o.read]
		if e.version.Deleted || o.entries[e.version.Key] != e {
			continue
		}
		terms, err := o.terms(e)
		if err != nil {
			return nil, err
		}
		for i := range terms {
			t := &terms[i]
			to := projections.Key{Tenant: e.version.Tenant, Type: t.System, ID: t.Code}
			if !refersTo(t, to) {
				continue
			}
			if have := o.refers[to]; len(have) == 0 || have[len(have)-1] != e {
				o.refers[to] = append(have, e)
			}
		}
	}
	return slices.DeleteFunc(slices.Clone(o.refers[key]), func(e *entry) bool { return o.entries[e.version.Key] != e }),
		nil
}

// candidates returns entries among which all matches of a query are: those with one of its tokens when a clause asks
// for some, so that a thousand conditional creates in one chunk don't look at each other; else all.
func (o *overlay) candidates(t *overlayType, q projections.Query) ([]*entry, error) {
	for _, c := range q.Clauses {
		if c.Kind != projections.Token || c.Modifier != projections.NoModifier || c.Param == projections.ParamID {
			continue
		}
		exact := true
		for _, v := range c.Values {
			exact = exact && !v.AnyCode
		}
		if !exact {
			continue
		}
		if err := o.index(t); err != nil {
			return nil, err
		}
		if len(c.Values) == 1 {
			return t.tokens[tokenName{c.Param, c.Values[0].Code}], nil
		}
		var candidates []*entry
		seen := make(map[*entry]bool)
		for _, v := range c.Values {
			for _, e := range t.tokens[tokenName{c.Param, v.Code}] {
				if !seen[e] {
					seen[e] = true
					candidates = append(candidates, e)
				}
			}
		}
		return candidates, nil
	}
	return t.entries, nil
}

func (o *overlay) index(t *overlayType) error {
	if t.tokens == nil {
		t.tokens = make(map[tokenName][]*entry)
	}
	for ; t.indexed < len(t.entries); t.indexed++ {
		e := t.entries[t.indexed]
		terms, err := o.terms(e)
		if err != nil {
			return err
		}
		for _, term := range terms {
			if term.Kind != projections.Token {
				continue
			}
			name := tokenName{term.Param, term.Code}
			if have := t.tokens[name]; len(have) == 0 || have[len(have)-1] != e {
				t.tokens[name] = append(have, e)
			}
		}
	}
	return nil
}

// current returns the version of a resource that is current at this moment of the event.
func (e *decidingEvent) current(key projections.Key) (*entry, error) {
	if have := e.layer.entries[key]; have != nil {
		return have, nil
	}
	return e.committed(key)
}

// committed returns the version of a resource that is current before the event.
func (d *deciding) committed(key projections.Key) (*entry, error) {
	if have := d.earlier(key); have != nil {
		return have, nil
	}
	version, err := d.line.currentOf(d.ctx, key)
	return &entry{version: version}, err
}

// earlier returns the entry that a resource has in the chunk, or in the one in flight; nil: none.
func (d *deciding) earlier(key projections.Key) *entry {
	if have := d.chunk.entries[key]; have != nil {
		return have
	}
	return d.line.uncommitted(key)
}

// flight is a commit under way. A line that works ahead decides the next chunk meanwhile, on what is committed and what
// the flight will have made of it. There is one flight at most: the next one starts when it has landed.
type flight struct {
	decided  *overlay                   // the versions that it makes current
	outcomes map[string]*events.Outcome // that it makes known, by event
	claims   map[projections.ClaimName]projections.Claim
	rows     []projections.Row
	cancel   context.CancelFunc
	done     chan struct{} // closed when the commit has ended
	err      error         // why it failed; to be read after done
}

// commit writes blobs and everything else, after the commit before.
func (l *Line) commit(ctx context.Context, d *deciding, items []*item, told Told) error {
	l.fetched, l.found, l.referred = nil, nil, nil
	if err := l.land(); err != nil {
		return err
	}
	for _, q := range d.commit.Quarantined {
		l.logger.Error("a record is in quarantine: it could not be projected; the line goes on", "position",
			q.Record.Position.String(), "reason", q.Reason)
	}
	d.commit.Contents, d.commit.Store = d.newBlobs(), l.blobs.Put
	for _, claim := range d.claims {
		d.commit.Claims = append(d.commit.Claims, claim)
	}
	l.launch(ctx, d, items[len(items)-1].raw.Position.Offset+1, told)
	if !l.worksAhead() {
		if err := l.land(); err != nil {
			return err // the items may be decided again
		}
	}
	for _, i := range items {
		for _, w := range i.works {
			if w != nil {
				l.sketches.put(w)
				w.release()
			}
		}
	}
	return nil
}

// launch commits what was decided, and tells the outcomes as soon as they are committed. From now on the line's state
// is that after the commit. The flight before must have landed.
func (l *Line) launch(ctx context.Context, d *deciding, next int64, told Told) {
	d.commit.Partition, d.commit.Expect, d.commit.Next, d.commit.Time = l.partition, l.state.Next, next, d.state.Time
	f := &flight{decided: d.chunk, outcomes: make(map[string]*events.Outcome, len(d.commit.Outcomes)), claims: d.claims,
		rows: d.commit.Rows, done: make(chan struct{})}
	for i := range d.commit.Outcomes {
		f.outcomes[d.commit.Outcomes[i].EventID] = &d.commit.Outcomes[i]
	}
	for i := range f.rows {
		if e := f.decided.entries[f.rows[i].Key]; e.version.Sid == f.rows[i].Sid {
			e.version = f.rows[i].Version // with the hash
		}
	}
	d.state.Next, d.state.Origin = next, d.commit.Origin
	l.state, l.flight = d.state, f
	if l.worksAhead() {
		ctx = context.WithoutCancel(ctx) // that of a batch, which is answered before
	}
	ctx, f.cancel = context.WithCancel(ctx)
	commit, repeated := d.commit, d.told
	go func() {
		defer f.cancel()
		if f.err = l.index.Commit(ctx, commit); f.err == nil {
			told(&commit, append(commit.Outcomes[:len(commit.Outcomes):len(commit.Outcomes)], repeated...))
		}
		close(f.done)
		switch {
		case f.err != nil && l.crashed != nil:
			l.crashed(f)
		case f.err == nil && len(f.rows) > largeRows && l.arrived != nil:
			l.arrived(f)
		}
	}()
}

// land waits for the flight, if there is one, and remembers what it has made current. After an error nothing is
// remembered any more.
func (l *Line) land() error {
	f := l.flight
	if f == nil {
		return nil
	}
	<-f.done
	l.flight = nil
	if f.err != nil {
		l.Forget()
		return f.err
	}
	for i := range f.rows {
		l.remember(f.rows[i].Key, f.rows[i].Version)
		delete(l.searches, typeName{f.rows[i].Tenant, f.rows[i].Type})
	}
	return nil
}

// largeRows is from how many rows on the memory of a commit is given back as soon as it can be, though that costs time.
// Only an event that has more changes than a chunk makes so many.
const largeRows = 10_000

// fewRows is up to how many rows a commit is waited for before the next batch is taken.
const fewRows = 100

// rest waits until a commit of few rows has ended, and leaves what became of it to the next call. To decide while it is
// under way would save less than it costs to decide and commit apart what comes meanwhile: most of what a small commit
// costs doesn't depend on its size.
func (l *Line) rest(ctx context.Context) {
	if l.flight == nil || len(l.flight.rows) > fewRows {
		return
	}
	select {
	case <-l.flight.done:
	case <-ctx.Done():
	}
}

// landed tells whether the flight's commit has ended, so that nobody has to wait for it.
func (l *Line) landed() bool {
	if l.flight == nil {
		return false
	}
	select {
	case <-l.flight.done:
		return true
	default:
		return false
	}
}

// settle is [Line.land] in bounded time: when ctx ends, the flight is called back.
func (l *Line) settle(ctx context.Context) error {
	if l.flight != nil {
		defer context.AfterFunc(ctx, l.flight.cancel)()
	}
	return l.land()
}

// worksAhead tells whether a chunk is decided while the one before is committed.
func (l *Line) worksAhead() bool { return l.ahead && !l.careful }

// uncommitted returns the entry that a resource has in the chunk before a chunk, while that one is in flight; nil:
// none.
func (l *Line) uncommitted(key projections.Key) *entry {
	if l.flight == nil {
		return nil
	}
	return l.flight.decided.entries[key]
}

// inFlight tells whether the chunk in flight has versions of a type.
func (l *Line) inFlight(tenant, name string) bool {
	return l.flight != nil && l.flight.decided.touches(tenant, name)
}
