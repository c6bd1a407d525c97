package projections

// Query asks for the current versions of one type, at a snapshot, in an order.
type Query struct {
	Tenant string
	Type   string

	// Partition is that of the tenant, as events.PartitionOf tells it. An index that holds versions of the type knows
	// it by itself.
	Partition int32

	Clauses []Clause  // all must hold
	Sort    []SortKey // empty: main date descending, then newest version first

	Limit  int    // versions on a page; 0: only the total is wanted
	After  string // where the page begins: Page.Next of the page before; "" is the first page
	Back   bool   // the page that ends at After, or the last one when After is "", in place of the one that begins there
	Beyond *Place // in place of After, in an order by _lastUpdated or _id alone, which types have in common

	// Snapshot is the Page.Snapshot of the first page; 0: what is committed now. Kind Gone: it has been swept.
	Snapshot int64

	Total   Total
	Explain bool // Page.Plan shall tell what the index has weighed

	// NoTimeLimit lets the search take as long as it takes: what the projector decides must not depend on how fast a
	// search was. Other bounds stay, and what is beyond them is TooCostly.
	NoTimeLimit bool
}

// Place is where a version stands in an order that several types have in common.
type Place struct {
	Type string // of the version; another one than that of the query is fine
	Sid  int64
}

// Clause is one condition of a query. It has one of three forms: a search parameter with values that are alternatives,
// a reference to follow (Follow is set; Param is its reference parameter), or a choice among other clauses (Any is set,
// nothing else).
type Clause struct {
	Param      string // the parameter's code; "_id" and "_lastUpdated" are parameters like others
	Kind       Kind
	Modifier   Modifier
	Values     []Value // 1..n; unused when Modifier is Missing
	Missing    bool    // with Modifier Missing: true asks for versions without the parameter
	Components []Kind  // Kind Composite: the kinds of the components, in the order of Value.Parts
	Shares     []Share // the parameters that have Param's terms, too; nil: it has terms of its own

	Follow *Follow  // a chain or a _has (FHIR R4 search, 3.1.1.4.13 and 3.1.1.4.14)
	Any    []Clause // holds when one of these does: what a compartment asks of several reference parameters
}

// Share is a parameter that has the terms of another one, too, so that they are kept once (see Term.Shared). What the
// other one finds is found under its shares, all of them together. The catalog tells them. Whoever makes a clause of
// such a parameter by hand must give its shares, too.
type Share struct {
	Param string
	Types []string // of a reference: it shares relative references to these types alone; nil: every term
}

// Follow asks for another resource along a reference. Like the query itself it sees the versions that are current at
// the query's snapshot.
//
//   - Reverse false (a chain): the version refers, by the clause's Param, to a resource that one of the targets
//     describes, or contains one so described.
//   - Reverse true (_has): a resource that one of the targets describes refers, by its own parameter Param, to the
//     version.
type Follow struct {
	Reverse bool
	Targets []Target // 1..n, alternatives
}

// Target describes the resource at the other end of a followed reference: its type, and what must hold for it.
type Target struct {
	Type    string
	Clauses []Clause // all must hold; they may follow references in turn
	Shares  []Share  // of the reference that is followed

	// Inside has a chain look into what the version contains, too: its name, see [Inside]; "" looks into nothing.
	// With Each it looks at each of several that are contained by itself, as it must when a clause asks for what is not
	// there.
	Inside string
	Each   bool
}

// Modifier changes what a clause means (FHIR R4 search, 3.1.1.4.3).
type Modifier uint8

// The modifiers that an index answers.
const (
	NoModifier         Modifier = iota
	Not                         // token and reference: no value matches (versions without the parameter are found)
	Missing                     // any kind
	Exact                       // string: the whole value, case and accents count
	Contains                    // string: anywhere inside
	Below                       // uri: the value or what lies below it
	Above                       // uri: the value or what lies above it
	IdentifierModifier          // reference: by Reference.identifier
)

// Prefix compares ordered values (FHIR R4 search, 3.1.1.4.1).
type Prefix uint8

// The prefixes. Eq is also what stands when there is none.
const (
	Eq Prefix = iota
	Ne
	Gt
	Lt
	Ge
	Le
	Sa // starts after
	Eb // ends before
	Ap // approximately; the range given has been widened already
)

// Value is one alternative of a clause. Its fields are used as in [Term]; a search value's precision has become its
// range: [Start, End) for dates, Low to High for numbers and quantities (both ends inclusive). [Matches] says what each
// form finds.
//
// A reference by id alone ("subject=1") and a canonical without version come with AnySystem: an index knows the target
// types that a parameter has had, so nobody needs to spell them out. A quantity without unit comes with AnySystem and
// no Code; one with AnySystem and a Code finds the code or the printed unit. A date's open end is MinTime or MaxTime. A
// string that [IsBlank] finds nothing.
type Value struct {
	Prefix    Prefix
	AnySystem bool // token, reference, quantity: System is not restricted ("code" alone, "id" alone)
	AnyCode   bool // token: "system|": any code of the system
	System    string
	Code      string
	Text      string
	Start     int64
	End       int64
	Low, High float64
	Parts     []Value // composite: one for each component, of the kinds of Clause.Components; Prefix counts in each
}

// SortKey is one key of an order. A version may have several values of the parameter: it is sorted by the smallest
// when ascending, and by the largest when descending. A date is sorted by its earliest start in both directions.
// Versions without a value come last. [Compare] says how values compare and what becomes of ties.
type SortKey struct {
	Param      string // "_lastUpdated", "_id" or a parameter of kind date, string or token
	Kind       Kind
	Descending bool
	Shares     []Share // as in Clause
	MainDate   bool    // of kind date: its earliest start is the main date of each version that has it; see [Row]
}

// Total says how much a count is worth to the asker.
type Total uint8

// The totals.
const (
	TotalCheap    Total = iota // count when it is cheap: no clauses, or everything fits the first page
	TotalNone                  // never count
	TotalEstimate              // an estimate will do
	TotalAccurate              // count exactly
)

// Page is one page of an answer.
type Page struct {
	Versions []Version
	After    string // as Query.After: reads this page again, or with Query.Back the one before; "" on the first
	Next     string // as Query.After: reads the page that follows; "" on the last
	Snapshot int64  // what the page was read at; give it back for the next one
	Total    int64  // -1: not counted
	Plan     string // how it was answered, in words
}
