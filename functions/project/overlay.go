package project

import (
	"slices"

	"binnacle/projections"
)

// overlay holds versions that are decided and not committed yet. There is one of a chunk, and on top of it one of the event being
// decided, which is merged into the other when the event is accepted and dropped when it is refused.
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
	return slices.DeleteFunc(slices.Clone(o.refers[key]), func(e *entry) bool { return o.entries[e.version.Key] != e }), nil
}

// candidates returns entries among which all matches of a query are: those with one of its tokens when a clause asks for some, so
// that a thousand conditional creates in one chunk don't look at each other; else all.
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
