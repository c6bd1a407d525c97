package events

import (
	"encoding/binary"
	"time"
)

// Hash is the SHA-256 of a version's exact bytes. The zero Hash means "no content" (a deletion).
type Hash [32]byte

// Prefix is the first eight bytes: what stands for a hash where very many are held.
func (h Hash) Prefix() uint64 { return binary.BigEndian.Uint64(h[:8]) }

// Event is one atomic request: all of its changes take effect at its place in the log, or none.
type Event struct {
	// a UUID (version 7), given by the door; a repeated ID is the same event and takes effect once
	ID      string
	Tenant  string // the ledger it belongs to
	Dialect string // what Type, ID, Content, Condition and Links of the changes mean; "" is [FHIR]
	// when it was asked, by the door's clock, for information; what counts is the record's append time
	Time           time.Time
	IdempotencyKey string    // the client's Idempotency-Key; empty when there is none
	Repeat         Repeat    // what a repetition of the key is held against; zero without a key
	AllowDangling  bool      // literal references may point to what does not exist (an import may ask for it)
	Changes        []Change  // 1..n; none when Settles is a discard
	Settles        *Settling // the event says what becomes of a record in quarantine; nil: it does not
}

// FHIR is the dialect of an event that names none: all that were written before there was another one.
const FHIR = "fhir"

// DialectName names the dialect of an event for people.
func (e *Event) DialectName() string {
	if e.Dialect == "" {
		return FHIR
	}
	return e.Dialect
}

// Repeat tells a repetition of a request from another request that came under the same idempotency key. Events that
// were written before there was one have the zero Repeat: their repetitions have the same event ID.
type Repeat struct {
	Request Hash // of the request: method, target, preconditions and body
	Part    int  // 0: the event is all of the request; n: it is entry n-1 of a batch
	// whole seconds after the append time in which the key stands for this request; then it may be used anew
	Window time.Duration
}

// Settling is the decision about a record in quarantine.
type Settling struct {
	Position Position // of the record
	Discard  bool     // it is given up; false: this event is the record's own, asked for again
	Reason   string   // in the operator's words
}

// Operation is what a change asks for.
type Operation uint8

// The operations. A Condition on the change makes each of them conditional.
const (
	Create Operation = 1 + iota // content under a new id that the door has assigned; Condition is If-None-Exist
	// content under the client's id; or, with Condition and no match, under the id that the door has assigned
	Update
	Delete // of the id; or, with Condition, of what it matches; see Change.Many and Change.Cascade
	Patch  // of what is there, under the id or matched by Condition; Content is a patch document of the dialect
)

func (o Operation) String() string {
	switch o {
	case Create:
		return "create"
	case Update:
		return "update"
	case Delete:
		return "delete"
	case Patch:
		return "patch"
	}
	return "unknown operation"
}

// IfMatchAny is the IfMatch of "If-Match: *": some version must be current.
const IfMatchAny = -1

// Change is one thing asked, with its preconditions and the exact bytes. What only the log's order can tell
// (preconditions, conditions, links) is decided by the projector, with the help of the event's dialect. What is said
// of Type, ID, Content, Condition and Links here is what FHIR makes of them. Each dialect has rules of its own,
// within these: texts are UTF-8 without NUL, and a content is never empty.
type Change struct {
	Operation Operation
	Type      string // resource type
	ID        string // see Operation; empty for a conditional delete
	// the document as the client sent it (with the references that the door could resolve); nil for a delete
	Content     []byte
	IfMatch     int64   // the version that must be current; 0: no such precondition; IfMatchAny
	IfMatchOr   []int64 // further versions, beside a positive IfMatch, any of which may be the current one; ascending
	IfNoneMatch bool    // "If-None-Match: *": nothing may be current
	Condition   string  // a search query of Type without "?"; empty: unconditional
	Links       []Link  // references in Content that only the log's order can resolve, ascending and not overlapping
	Entry       int     // the index of the bundle entry that this change came from; -1 for a single interaction

	// Of a delete, what the door that took it allows. Many above 0: all that Condition matches goes, at most so many
	// resources, or else none; without Condition and ID all of Type is meant. 0: one match at the most. Cascade: what
	// refers to something that goes may go with it, at most so many further resources. 0: none.
	Many, Cascade int
}

// Link is a reference inside a change's content that the projector resolves before the content is hashed. It replaces
// the bytes [Start,End) of Content, which are the inside of a JSON string (between the quotes), by "Type/id" of the
// target.
type Link struct {
	Start, End int
	Change     int    // the index of the change in this event whose resource is meant; -1: Type and Query say it
	Type       string // a conditional reference: the type
	Query      string // and the search query, unescaped JSON string content, without "?"
	// the versions are meant that Change makes: the link becomes "Type/id/_history/3", more of them with commas
	// between, and "" where Change makes none. A change whose links all become "" in this way has no effect.
	Version bool
}

// Record is an event at its place in the log.
type Record struct {
	Position Position
	// append time, milliseconds, by the log; never goes back within a partition as the projector sees it
	Time  time.Time
	Event Event
}

// Header is one named value beside a record's data (Kafka record header).
type Header struct {
	Key   string
	Value []byte
}

// RawRecord is a record as the log keeps it. Nothing is known of its form until [Decode] has read it.
type RawRecord struct {
	Position Position
	Time     time.Time
	Key      []byte
	Headers  []Header
	Value    []byte // nil when the record has none (a Kafka tombstone)
}

// Disposition tells what became of one change of an accepted event.
type Disposition uint8

// The dispositions.
const (
	Created   Disposition = 1 + iota // version 1, or the first after a deletion
	Updated                          // a new version
	Unchanged                        // an update with identical bytes: the current version stands
	Matched                          // a conditional create that found its match: the result names it
	Deleted                          // a deletion was written as a version
	NoEffect                         // a delete of what is not there; a create that could tell of no version
)

var dispositionNames = [...]string{"", "created", "updated", "unchanged", "matched", "deleted", "no effect"}

func (d Disposition) String() string {
	if int(d) < len(dispositionNames) {
		return dispositionNames[d]
	}
	return "unknown disposition"
}

// Result is what one change of an accepted event became.
type Result struct {
	Disposition Disposition
	Type, ID    string
	Version     int64     // the versionId that is current after the change; 0 when there is none
	Hash        Hash      // of that version's content
	Time        time.Time // that version's lastUpdated
	Links       []string  // what the change's links became, "Type/id", in their order (see Link); empty when it has none

	// Removed are the deletions that a delete made beside that of the resource that the result names: what else its
	// condition matched (with Change.Many the result names none itself), and what went by Change.Cascade. They are
	// ascending by type and id. Their time is that of the outcome.
	Removed []Removed
}

// Writes tells whether the change made a version of the resource that the result names.
func (r *Result) Writes() bool {
	return r.ID != "" && (r.Disposition == Created || r.Disposition == Updated || r.Disposition == Deleted)
}

// Versions tells how many versions the change made.
func (r *Result) Versions() int {
	if r.Writes() {
		return 1 + len(r.Removed)
	}
	return len(r.Removed)
}

// Removed is a deletion that was made by a change of another resource, or of several.
type Removed struct {
	Type, ID string
	Version  int64 // of the deletion
}

// Refusal is why an event took no effect.
type Refusal struct {
	Kind       Kind
	Change     int // index of the change that was refused
	Text       string
	Expression string
}

// Err makes an error of the refusal; op is who tells.
func (r *Refusal) Err(op string) *Error {
	return Errorf(r.Kind, op, "%s", r.Text).At(r.Expression)
}

// Outcome is what the projector decided for one event.
type Outcome struct {
	EventID  string
	Tenant   string
	Position Position
	Time     time.Time // append time of the record
	Refusal  *Refusal  // nil: accepted
	Results  []Result  // one per change, in the order of the changes; empty when refused
	// the ID of the event whose request this one repeats under the same key: it took no effect, and that one's outcome
	// stands for both
	Repeats string
}
