package search

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"binnacle/projections"
	"binnacle/projections/index/clause"
	"binnacle/projections/index/keys"
	"binnacle/projections/index/sets"
	"binnacle/projections/index/sql"
)

const op = "index.Search"

// search is one query under way.
type search struct {
	sql.At
	Shared
	keys.Hasher
	q         *projections.Query
	ledger    int64
	committed bool             // the snapshot is known to be
	horizon   int64            // the earliest snapshot that is whole, where the search began
	seen      *sets.View       // of the sets; see view
	told      []string         // what was done
	given     []*clause.Access // what the clauses have become at first
	dates     *clause.DateOrder
	nothing   string // the parameter whose clause no row can answer
	counted   bool   // the clauses
	living    int64  // current resources of the type now, for estimates; -1: not known
}

// say notes what was done.
func (x *search) say(format string, args ...any) {
	x.told = append(x.told, fmt.Sprintf(format, args...))
}

// elsewhere tells whether the place is that of a version of another type.
func (x *search) elsewhere() bool { return x.q.Beyond != nil && x.q.Beyond.Type != x.q.Type }

// view is what the search sees of the sets; nil where they can't tell of its snapshot: one that is not committed would end what they know where nothing is, and they hold Sids as 32 bits.
func (x *search) view() *sets.View {
	if x.seen == nil && x.Sets != nil && x.committed && x.Snapshot >= x.Origin() && x.Snapshot-x.Origin() < math.MaxUint32 {
		x.seen = x.Sets.Open(&x.At)
	}
	return x.seen
}

// resolver resolves clauses of the query at the snapshot.
func (x *search) resolver() *clause.Resolver {
	return &clause.Resolver{At: &x.At, Wanted: x.q, Many: x.Bounds.Many}
}

// ask is what one step of a search has to find. It is a value: a step that needs other clauses, or goes on at another place, makes an ask
// of its own, and what it was given stays as it is.
type ask struct {
	*search
	accesses []*clause.Access // the clauses that must hold
	after    place            // where the page before ended
	last     edge             // what after stands for
	by       orderBy          // the order that is walked; see [search.walkedBy]
	within   *sets.Interval   // the main dates from which a walk goes on; nil: any
	reach    *spot            // up to which row a walk is tried, by main date and ref; nil: as far as it takes
	passing  bool             // a walk would meet many superseded versions first
	mayWait  bool             // a walk is tried before chains to many resources are looked up; see access.late
}

// edge holds the sort values of the version that a page ended with.
type edge struct {
	main, at int64
	id       string
	start    int64  // of its earliest date
	head     []byte // of its smallest or largest string
}

// with is the same asked of other clauses.
func (x ask) with(accesses []*clause.Access) ask {
	x.accesses = accesses
	return x
}

// also is the same with one more clause.
func (x ask) also(a *clause.Access) ask { return x.with(append(slices.Clip(x.accesses), a)) }

// walking is the same where another order is walked.
func (x ask) walking(by orderBy) ask {
	x.by = by
	return x
}

// checked says which clauses are probed.
func (x ask) checked(but ...*clause.Access) string {
	return checkedFor(slices.DeleteFunc(slices.Clone(x.accesses), func(a *clause.Access) bool { return slices.Contains(but, a) }))
}

func checkedFor(accesses []*clause.Access) string {
	var words []string
	for _, a := range clause.RarestFirst(accesses) {
		words = append(words, a.Words)
	}
	if len(words) == 0 {
		return ""
	}
	return ", each checked for " + strings.Join(words, ", ")
}

func (x ask) positive() []*clause.Access { return positive(x.accesses) }

// counting are the clauses whose rows may be read as a whole. Where the order is that of the main date, those about it only bound it.
func (x ask) counting() []*clause.Access {
	found := x.positive()
	if x.by == orderMain {
		found = slices.DeleteFunc(found, func(a *clause.Access) bool { return a.Aligned })
	}
	return found
}

func positive(accesses []*clause.Access) []*clause.Access {
	var found []*clause.Access
	for _, a := range accesses {
		if !a.Negate {
			found = append(found, a)
		}
	}
	return found
}

// least is the clause with the fewest rows; nil where there are no clauses.
func least(accesses []*clause.Access) *clause.Access {
	var least *clause.Access
	for _, a := range accesses {
		if least == nil || a.Count < least.Count {
			least = a
		}
	}
	return least
}

// alone tells whether all rows of a clause are matches, within the bounds of the order.
func (x ask) alone(walked *clause.Access) bool {
	return !slices.ContainsFunc(x.accesses, func(a *clause.Access) bool { return a != walked && !a.Aligned })
}

// othersAreAsked tells whether all other clauses follow references and are asked of each version, whichever way it is found: a walk then
// asks no more versions than it takes to fill the page.
func (x ask) othersAreAsked(walked *clause.Access) bool {
	return !slices.ContainsFunc(x.accesses, func(a *clause.Access) bool {
		return a != walked && !a.Aligned && (a.Follow == nil || a.Resolved || a.Held != nil)
	})
}

// probes are the conditions of all clauses but one, the rarest first.
func (x ask) probes(s *sql.Statement, but *clause.Access, sid, ref, main string) string {
	return x.all().Probes(s, but, sid, ref, main, x.Before())
}

// all is the query's own group.
func (x ask) all() *clause.Group {
	return &clause.Group{Ledger: x.ledger, Many: x.Bounds.Many, Accesses: x.accesses}
}

// Shared is what the searches of a generation share: what is known of its rows, and the bounds of the planner.
type Shared struct {
	Counts *Counts      // nil: each search counts for itself
	Sets   *sets.Memory // nil: every search reads rows
	Bounds sets.Bounds
}
