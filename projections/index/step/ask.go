package step

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

// Op is what failed, as errors of a search tell it.
const Op = "index.Search"

// Whole is one query under way.
type Whole struct {
	sql.At
	Shared
	keys.Hasher
	Wanted    *projections.Query
	Ledger    int64
	Committed bool             // the snapshot is known to be
	Horizon   int64            // the earliest snapshot that is whole, where the search began
	seen      *sets.View       // of the sets; see View
	Told      []string         // what was done
	Given     []*clause.Access // what the clauses have become at first
	Dates     *clause.DateOrder
	Nothing   string // the parameter whose clause no row can answer
	Counted   bool   // the clauses
	Living    int64  // current resources of the type now, for estimates; -1: not known
}

// Say notes what was done.
func (x *Whole) Say(format string, args ...any) {
	x.Told = append(x.Told, fmt.Sprintf(format, args...))
}

// Elsewhere tells whether the place is that of a version of another type.
func (x *Whole) Elsewhere() bool {
	return x.Wanted.Beyond != nil && x.Wanted.Beyond.Type != x.Wanted.Type
}

// View is what the search sees of the sets. It is nil where sets can't tell of the snapshot: they hold Sids as 32
// bits, and of a snapshot that is not committed yet they would note that nothing is there.
func (x *Whole) View() *sets.View {
	if x.seen == nil && x.Sets != nil && x.Committed && x.Snapshot >= x.Origin() &&
		x.Snapshot-x.Origin() < math.MaxUint32 {
		x.seen = x.Sets.Open(&x.At)
	}
	return x.seen
}

// Resolver resolves clauses of the query at the snapshot.
func (x *Whole) Resolver() *clause.Resolver {
	return &clause.Resolver{At: &x.At, Wanted: x.Wanted, Many: x.Bounds.Many}
}

// Ask is what one step of a search has to find. It is a value: a step that needs other clauses, or goes on at another
// place, makes an ask of its own, and what it was given stays as it is.
type Ask struct {
	*Whole
	Accesses []*clause.Access // the clauses that must hold
	After    Place            // where the page before ended
	Last     Edge             // what After stands for
	By       OrderBy          // the order that is walked; see [Ask.WalkedBy]
	within   *sets.Interval   // the main dates from which a walk goes on; nil: any
	Reach    *Spot            // up to which row a walk is tried, by main date and ref; nil: as far as it takes
	Passing  bool             // a walk would meet many superseded versions first
	MayWait  bool             // a walk is tried before chains to many resources are looked up; see clause.Access.Late
}

// Edge holds the sort values of the version that a page ended with.
type Edge struct {
	Main, At int64
	ID       string
	start    int64  // of its earliest date
	head     []byte // of its smallest or largest string
}

// With is the same asked of other clauses.
func (x Ask) With(accesses []*clause.Access) Ask {
	x.Accesses = accesses
	return x
}

// Also is the same with one more clause.
func (x Ask) Also(a *clause.Access) Ask { return x.With(append(slices.Clip(x.Accesses), a)) }

// Walking is the same where another order is walked.
func (x Ask) Walking(by OrderBy) Ask {
	x.By = by
	return x
}

// Checked says which clauses are probed.
func (x Ask) Checked(but ...*clause.Access) string {
	return CheckedFor(slices.DeleteFunc(slices.Clone(x.Accesses), func(a *clause.Access) bool {
		return slices.Contains(but, a)
	}))
}

func CheckedFor(accesses []*clause.Access) string {
	var words []string
	for _, a := range clause.RarestFirst(accesses) {
		words = append(words, a.Words)
	}
	if len(words) == 0 {
		return ""
	}
	return ", each checked for " + strings.Join(words, ", ")
}

func (x Ask) Positive() []*clause.Access { return Positive(x.Accesses) }

// Counting are the clauses whose rows may be read as a whole. Where the order is that of the main date, those about it
// only bound it.
func (x Ask) Counting() []*clause.Access {
	found := x.Positive()
	if x.By == OrderMain {
		found = slices.DeleteFunc(found, func(a *clause.Access) bool { return a.Aligned })
	}
	return found
}

func Positive(accesses []*clause.Access) []*clause.Access {
	var found []*clause.Access
	for _, a := range accesses {
		if !a.Negate {
			found = append(found, a)
		}
	}
	return found
}

// Least is the clause with the fewest rows; nil where there are no clauses.
func Least(accesses []*clause.Access) *clause.Access {
	var least *clause.Access
	for _, a := range accesses {
		if least == nil || a.Count < least.Count {
			least = a
		}
	}
	return least
}

// Alone tells whether all rows of a clause are matches, within the bounds of the order.
func (x Ask) Alone(walked *clause.Access) bool {
	return !slices.ContainsFunc(x.Accesses, func(a *clause.Access) bool { return a != walked && !a.Aligned })
}

// OthersAreAsked tells whether all other clauses follow references and are asked of each version, whichever way it is
// found: a walk then asks no more versions than it takes to fill the page.
func (x Ask) OthersAreAsked(walked *clause.Access) bool {
	return !slices.ContainsFunc(x.Accesses, func(a *clause.Access) bool {
		return a != walked && !a.Aligned && (a.Follow == nil || a.Resolved || a.Held != nil)
	})
}

// Probes are the conditions of all clauses but one, the rarest first.
func (x Ask) Probes(s *sql.Statement, but *clause.Access, sid, ref, main string) string {
	return x.all().Probes(s, but, sid, ref, main, x.Before())
}

// all is the query's own group.
func (x Ask) all() *clause.Group {
	return &clause.Group{Ledger: x.Ledger, Many: x.Bounds.Many, Accesses: x.Accesses}
}

// Shared is what the searches of a generation share: what is known of its rows, and the bounds of the planner.
type Shared struct {
	Counts *Counts      // nil: each search counts for itself
	Sets   *sets.Memory // nil: every search reads rows
	Bounds sets.Bounds
}
