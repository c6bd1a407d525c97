package projections

import (
	"context"
	"time"

	"binnacle/events"
)

// Key names a resource.
type Key struct {
	Tenant, Type, ID string
}

// Version is one state of one resource.
type Version struct {
	Key
	Sid      int64 // surrogate id: partition<<44 | n, n counting 1, 2, 3 … in log order; given by the projector
	Number   int64 // versionId; 0 in the zero Version, which stands for "never known"
	Position events.Position
	Change   int       // index of the change in its event
	Time     time.Time // lastUpdated, UTC, milliseconds
	Hash     events.Hash
	Deleted  bool
	Posted   bool // a create asked for it: POST, under an id that the server gave
	Patched  bool // a patch asked for it
}

// Alive tells whether the version is of a resource that is there: it is known, and no deletion.
func (v Version) Alive() bool { return v.Number > 0 && !v.Deleted }

// NoSnapshot is the snapshot before the first version: a search at it finds nothing.
const NoSnapshot int64 = -1

// SidBits is the width of the counting part of a Sid.
const SidBits = 44

// Row is one version to be written, with its terms.
type Row struct {
	Version
	Supersedes int64  // Sid of the version that was current until now; 0: none
	Revives    bool   // that one is a deletion
	Terms      []Term // nil for a deletion
	MainDate   int64  // the resource's main date, microseconds since 1970; MinTime: none
}

// Quarantined is a record that could not be decoded or projected. The line went on without it.
type Quarantined struct {
	Record  events.RawRecord
	Reason  string
	Settled *Settled // what was decided about it; nil: nobody has handled it
}

// Settled is what was decided about a record in quarantine. If several events decide about one record, the first of
// them in the order of the log counts.
type Settled struct {
	Of      events.Position // the record in quarantine
	By      events.Position // the event that decided
	Time    time.Time       // its append time
	Discard bool            // it was given up; false: it was asked for again, by that event
	Reason  string          // in the operator's words
}

// ClaimName names what a request may claim: an idempotency key of a tenant, or one part of what a batch asks for under
// it.
type ClaimName struct {
	Tenant, Key string
	Part        int // 0: the key itself; else events.Repeat.Part
}

// Claim is the hold of a request on an idempotency key.
type Claim struct {
	ClaimName
	EventID string      // of the request; "" in the zero Claim, which stands for "nobody's"
	Request events.Hash // what tells another request apart
	Until   time.Time   // append time from which on the key may be claimed anew
}

// Referrer is a reference parameter of a type, by which its resources may refer to others.
type Referrer struct {
	Type, Param string
	Shares      []Share // as in Clause
}

// Commit is everything that one batch of records of one partition changes.
type Commit struct {
	Partition   int32
	Expect      int64 // the offset that State must still name as Next
	Next        int64 // the offset that State names afterwards
	Time        time.Time
	Origin      Origin
	Rows        []Row // in log order, Sids ascending without gaps from State.NextSid
	Outcomes    []events.Outcome
	Quarantined []Quarantined
	Claims      []Claim     // each name once; a claim that is there is replaced
	Settled     []Settled   // of records of the partition in quarantine, those of this commit among them; each once
	Digest      events.Hash // what State names as Digest afterwards
	// the rows are very many, and the driver may drop the terms of each as soon as it has made of them what it writes:
	// whatever becomes of the commit, it is not given again
	Spend bool

	// Contents are those of the rows, each once, and Store puts them where they are kept. The driver calls
	// [Commit.Keep] at least once when there are some, before its own work or at the same time. It commits only after
	// that has returned nil, so a version is never there before its content. An error of Store is the error of Commit.
	Contents []Blob
	Store    func(ctx context.Context, contents []Blob) error // nil: the contents are there already
}

// Keep stores the contents.
func (c *Commit) Keep(ctx context.Context) error {
	if len(c.Contents) == 0 || c.Store == nil {
		return nil
	}
	return c.Store(ctx, c.Contents)
}

// State is how far a partition has been projected.
type State struct {
	Next    int64     // offset of the next record; 0 at the start
	NextSid int64     // Sid of the next version
	Time    time.Time // the latest append time seen; lastUpdated never goes back

	// Digest is [Roll]ed over all rows of the partition. If two generations have the same Digest at the same Next,
	// they were given the same versions with the same terms.
	Digest events.Hash
	Origin Origin
}

// Origin tells what a state was made from, so that it is not used with another log.
type Origin struct {
	Log  string      // the identity of the log, in its written form; "" when the projector did not know it
	Last events.Hash // the fingerprint of the last record before Next; the zero Hash when there was none
}

// Lookups are what the projector asks of an index before it decides.
type Lookups interface {
	// Current returns the current version of each key, in their order, deletions included; the zero Version for one
	// never known.
	Current(ctx context.Context, keys []Key) ([]Version, error)

	// Outcomes returns the outcome of each event, in their order; nil for one that is not decided.
	Outcomes(ctx context.Context, eventIDs []string) ([]*events.Outcome, error)

	// Search answers a query.
	Search(ctx context.Context, query Query) (Page, error)

	// Referrers tells for each of the resources by which parameters current versions may refer to it, that of the
	// resource itself included. It answers with ascending places in by[the resource's type], and counts relative
	// references alone. It leaves out no parameter by which a version does refer. It may name others, where being sure
	// would cost more than it saves.
	Referrers(ctx context.Context, keys []Key, by map[string][]Referrer) ([][]int, error)

	// Claims returns the claim on each name, in their order; the zero Claim where there is none.
	Claims(ctx context.Context, names []ClaimName) ([]Claim, error)

	// Quarantine returns up to limit quarantined records with positions after the given one, in order, handled ones
	// too.
	Quarantine(ctx context.Context, after events.Position, limit int) ([]Quarantined, error)
}

// Writer is the part of an index that the projector uses. There is one writer per partition. The stored position is
// the fence: whoever finds another one there has lost.
type Writer interface {
	Lookups

	// State tells how far the partition has been projected.
	State(ctx context.Context, partition int32) (State, error)

	// Commit writes rows, outcomes, quarantine and position in one transaction, all or nothing. Kind Conflict: the
	// stored position is not Expect, or another generation is live. Then somebody else has gone on, and nothing was
	// written.
	Commit(ctx context.Context, commit Commit) error
}

// Reader is the part of an index that the reading doors use.
type Reader interface {
	Histories
	Current(ctx context.Context, keys []Key) ([]Version, error)
	Search(ctx context.Context, query Query) (Page, error)
	State(ctx context.Context, partition int32) (State, error)

	// Since tells what was committed to a partition after a mark that an earlier call gave, at most limit versions. A
	// cache of current versions that asks this first is as right as the index. One small query answers everybody who
	// asks meanwhile.
	Since(ctx context.Context, partition int32, mark Mark, limit int) (Changes, error)

	// SnapshotAt returns the snapshot of a position (see Query.Snapshot): everything up to and including the position
	// was committed then, and nothing later. It is NoSnapshot when there was no version. Kind Transient: the position
	// is not projected yet. Kind Gone: what was current then has been swept; the text names the oldest position that
	// is still served.
	SnapshotAt(ctx context.Context, position events.Position) (int64, error)
}

// Mark is a moment of a partition: everything up to a Sid of a generation. The zero Mark comes before all.
type Mark struct {
	Generation int
	Sid        int64
}

// Changes are what happened between two marks.
type Changes struct {
	Mark     Mark      // up to here; the next call's mark
	Versions []Version // ascending by Sid, deletions included
	// the versions are all there are; false: another generation is live, or they were too many: nothing is known of
	// before
	Known bool
}

// Scanner reads an index whole, to hold it against another one, or against the log.
type Scanner interface {
	// Partitions returns the state of every partition that has one.
	Partitions(ctx context.Context) (map[int32]State, error)

	// Scan calls visit with the versions of a partition, in the order of their Sids, and with the digest of each one's
	// terms: a SHA-256 over the rows that the terms became. So equal digests mean equal search results. The zero Hash
	// stands for the terms of a version that was superseded before the horizon: nobody finds it any more, and its rows
	// may be swept.
	Scan(ctx context.Context, partition int32, visit func(v Version, terms events.Hash) error) error

	// Digests returns the digests that Scan would tell of rows if they were committed, in their order. The rows are of
	// one partition and ascend by Sid. It reads nothing. So the rows that should be there can be compared with those
	// that are.
	Digests(rows []Row) []events.Hash

	// Audit tells what is to be compared with the versions, and what is broken.
	Audit(ctx context.Context) (Audit, error)
}

// Auditor is the part of an index that verify, status and quarantine commands use.
type Auditor interface {
	Scanner

	// Quarantine returns up to limit quarantined records with positions after the given one, in order.
	Quarantine(ctx context.Context, after events.Position, limit int) ([]Quarantined, error)

	// Decisions returns, in order, what was decided about the records of a partition from an offset on: outcomes and
	// quarantined records. It returns up to limit of them and up to a few MiB, but at least one when there is one. It
	// never leaves one out between two that it returns.
	Decisions(ctx context.Context, from events.Position, limit int) ([]events.Decision, error)

	// Unsettled tells of the records in quarantine that nobody has handled: how many, and the append time of the oldest
	// (zero: none).
	Unsettled(ctx context.Context) (count int64, oldest time.Time, err error)

	// Sizes returns the number of versions, current resources, term rows (which may be an estimate) and quarantined
	// records, and the bytes on disk.
	Sizes(ctx context.Context) (Sizes, error)
}

// Ledger names the resources of one type of one tenant.
type Ledger struct{ Tenant, Type string }

// Audit is what an index tells of itself beside what Scan reads. All but Lacks is as of one moment.
type Audit struct {
	Next, NextSid map[int32]int64 // of the state of each partition
	// resources that are not deleted, as totals are made of; the zero Ledger stands for those of no known name
	Living map[Ledger]int64
	Lacks  []string // tables, indexes and keys that it was made with and has not any more, in words
}

// Sizes are counts of an index.
type Sizes struct {
	Versions, Resources, Terms, Quarantined, Bytes int64
}

// Index is one generation's search index.
type Index interface {
	Writer
	Reader
	Auditor
}

// Indexes gives access to the generations of an index.
type Indexes interface {
	// Live returns an index that follows the pointer for ever: every call is answered by the generation that is live
	// then. Its Commit fails with kind Conflict when the generation has changed since the State that the commit was
	// based on.
	Live() Index

	// Bound is as Live for as long as the live generation has this catalog. After that every call fails with kind
	// Transient. So what was compiled with one catalog is never read or written in terms of another.
	Bound(catalog string) Index

	// Auditor reads one generation, whatever its state. Kind NotFound comes from its calls when there is no such
	// generation.
	Auditor(number int) Auditor

	// Sweeper sweeps the live generation.
	Sweeper() Sweeper
}

// Definitions keeps what the catalog of a generation is made from: what all of its dialects search by ([Dialects]).
type Definitions interface {
	// Keep stores the definitions that a catalog is compiled from. So every process can compile the catalog again for
	// as long as a generation has it. If definitions of this catalog are there already, they stay.
	Keep(ctx context.Context, catalog string, definitions []byte) error

	// Definitions returns what Keep has stored; kind NotFound: nothing.
	Definitions(ctx context.Context, catalog string) ([]byte, error)
}

// Builders makes generations and removes them.
type Builders interface {
	// Build starts the next generation beside the live one, or resumes one that was not finished and has the same
	// catalog digest. It is exclusive across processes: kind Conflict names the holder. Rows go into bare tables as
	// fast as they can.
	Build(ctx context.Context, catalog string) (Building, error)

	// Reopen goes on with a generation that was live before, exclusively as Build does, so that it can catch up and
	// take over again. Until its Switch it stays as it is called, "old". Kind NotFound: there is none; Conflict: it is
	// live, or somebody is building.
	Reopen(ctx context.Context, number int) (Building, error)

	// Builder names the process that has the exclusive right to build now; "" when nobody has.
	Builder(ctx context.Context) (string, error)

	// List tells what there is, oldest first.
	List(ctx context.Context) ([]Generation, error)

	// Drop removes a generation that is not live.
	Drop(ctx context.Context, number int) error
}

// Generations holds the generations of an index side by side and the pointer to the live one. Methods are safe for
// concurrent use and across processes. Errors are *events.Error.
type Generations interface {
	Indexes
	Definitions
	Builders

	// Watch calls progressed when any process has committed, and when the pointer has moved, until ctx ends. Of
	// commits that come fast it may tell some together; the last one it tells within milliseconds. It calls on some
	// goroutine, and reconnects by itself.
	Watch(ctx context.Context, progressed func()) error

	// Ready tells in bounded time whether the index answers and would take commits. The error speaks of the store as
	// it is now, not of an old connection.
	Ready(ctx context.Context) error

	// Close releases what the driver holds.
	Close() error
}

// Building is a generation that is not live yet.
type Building interface {
	Index
	Number() int
	// Finish builds what the bare tables lack (search indexes, statistics); progress tells done and all steps.
	Finish(ctx context.Context, progress func(done, all int, step string)) error

	// Pause makes the live generation stand still. Commits to it fail with kind Transient until Resume, Switch or the
	// end of the time given, whichever comes first. When Pause returns, no commit is under way.
	Pause(ctx context.Context, atMost time.Duration) error
	// Resume ends a pause; without one it is a no-op.
	Resume(ctx context.Context) error

	// Switch makes this generation the live one, atomically for all readers and writers, and ends a pause. The one
	// before is kept. Kind Conflict: the pause has run out, so the live generation may have gone on; nothing was
	// switched.
	Switch(ctx context.Context) error
	// Release gives up the exclusive right without removing what was built; after Switch it is a no-op.
	Release() error
}

// Generation describes one generation.
type Generation struct {
	Number  int
	State   string // "building", "live" or "old"
	Catalog string // digest of the catalog it was made with, that of its dialects ([Dialects.Digest])
	Made    time.Time
}
