package writebehind

import (
	"slices"
	"time"

	"binnacle/events"
	"binnacle/projections"
)

// hold is commits of one partition that have become one and are not in the index yet. While it is being committed it
// stays as it is.
type hold struct {
	index      projections.Writer // through which it is committed
	generation int
	release    func() // of the index's promise
	commit     projections.Commit
	state      projections.State // after it
	bytes      int               // of contents
	timer      *time.Timer

	// places in commit; of rows and claims the last one counts
	current  map[projections.Key]int
	outcomes map[string]int
	claims   map[projections.ClaimName]int
	contents map[events.Hash]int
	types    map[projections.Ledger]bool // of the rows
	referred map[projections.Key]bool    // what the rows refer to; nil: nobody has asked
	read     int                         // rows that referred tells of

	tried chan struct{} // closed when the index has refused it for now; it is tried again
	done  chan struct{} // closed when it is in the index, or never will be
	err   error         // why it was refused; guarded by Generations.mu
	away  time.Time     // since when
}

func newHold(
	index projections.Writer, partition int32, state projections.State, generation int, release func(),
) *hold {
	return &hold{index: index, generation: generation, release: release, state: state,
		commit:  projections.Commit{Partition: partition, Expect: state.Next},
		current: make(map[projections.Key]int), outcomes: make(map[string]int),
		claims: make(map[projections.ClaimName]int), contents: make(map[events.Hash]int),
		types: make(map[projections.Ledger]bool), tried: make(chan struct{}), done: make(chan struct{})}
}

// add appends a commit, which is right for the hold's state.
func (h *hold) add(c projections.Commit) {
	into := &h.commit
	for i := range c.Rows {
		h.current[c.Rows[i].Key] = len(into.Rows)
		h.types[projections.Ledger{Tenant: c.Rows[i].Tenant, Type: c.Rows[i].Type}] = true
		into.Rows = append(into.Rows, c.Rows[i])
	}
	for i := range c.Outcomes {
		if _, again := h.outcomes[c.Outcomes[i].EventID]; again {
			continue // the first one stands
		}
		h.outcomes[c.Outcomes[i].EventID] = len(into.Outcomes)
		into.Outcomes = append(into.Outcomes, c.Outcomes[i])
	}
	for _, claim := range c.Claims {
		if at, again := h.claims[claim.ClaimName]; again {
			into.Claims[at] = claim
			continue
		}
		h.claims[claim.ClaimName] = len(into.Claims)
		into.Claims = append(into.Claims, claim)
	}
	for _, blob := range c.Contents {
		if _, again := h.contents[blob.Hash]; again {
			continue
		}
		h.contents[blob.Hash] = len(into.Contents)
		into.Contents = append(into.Contents, blob)
		h.bytes += len(blob.Content)
	}
	if c.Store != nil {
		into.Store = c.Store
	}
	if c.Time.After(h.state.Time) {
		h.state.Time = c.Time.UTC()
	}
	into.Next, into.Time, into.Origin, into.Digest = c.Next, h.state.Time, c.Origin, c.Digest
	h.state.Next, h.state.Origin, h.state.Digest = c.Next, c.Origin, c.Digest
	h.state.NextSid += int64(len(c.Rows))
}

func (h *hold) version(key projections.Key) (projections.Version, bool) {
	at, has := h.current[key]
	if !has {
		return projections.Version{}, false
	}
	return h.commit.Rows[at].Version, true
}

func (h *hold) outcome(eventID string) *events.Outcome {
	at, has := h.outcomes[eventID]
	if !has {
		return nil
	}
	outcome := h.commit.Outcomes[at]
	return &outcome
}

func (h *hold) claim(name projections.ClaimName) (projections.Claim, bool) {
	at, has := h.claims[name]
	if !has {
		return projections.Claim{}, false
	}
	return h.commit.Claims[at], true
}

// content returns a content of the caller's own.
func (h *hold) content(hash events.Hash) ([]byte, bool) {
	at, has := h.contents[hash]
	if !has {
		return nil, false
	}
	return append([]byte{}, h.commit.Contents[at].Content...), true
}

// since returns the versions after a Sid, of those that stand in a row from the next one on; false: one before them is
// not in the hold.
func (h *hold) since(sid int64) ([]projections.Row, bool) {
	rows := h.commit.Rows
	if len(rows) == 0 {
		return nil, sid >= h.state.NextSid-1
	}
	if sid < rows[0].Sid-1 {
		return nil, false
	}
	return rows[min(int64(len(rows)), sid-rows[0].Sid+1):], true
}

// refersTo tells whether one of the rows has ever referred to a resource.
func (h *hold) refersTo(key projections.Key) bool {
	if h.referred == nil {
		h.referred = make(map[projections.Key]bool)
	}
	for ; h.read < len(h.commit.Rows); h.read++ {
		row := &h.commit.Rows[h.read]
		for i := range row.Terms {
			if t := &row.Terms[i]; t.Kind == projections.Reference && !t.Identifier {
				h.referred[projections.Key{Tenant: row.Tenant, Type: t.System, ID: t.Code}] = true
			}
		}
	}
	return h.referred[key]
}

// concerns tells whether an answer to a query could be another one without the hold's rows. An index is not asked for
// a snapshot that it has not come to.
func (h *hold) concerns(q projections.Query) bool {
	if len(h.commit.Rows) == 0 || q.Snapshot < 0 {
		return false
	}
	if q.Snapshot > 0 && h.commit.Rows[0].Sid>>projections.SidBits == q.Snapshot>>projections.SidBits {
		return q.Snapshot >= h.commit.Rows[0].Sid
	}
	return reads(q.Tenant, q.Type, q.Clauses, func(l projections.Ledger) bool { return h.types[l] })
}

// belongsTo tells whether one of the rows may be among the versions of a span. An index is not asked for versions that
// it has not come to.
func (h *hold) belongsTo(span projections.Span) bool {
	switch {
	case h.commit.Partition != span.Partition || len(h.commit.Rows) == 0:
		return false
	case span.Before != 0:
		return span.Before > h.commit.Rows[0].Sid
	case span.Key != (projections.Key{}):
		_, has := h.current[span.Key]
		return has
	}
	return slices.ContainsFunc(span.Types, func(name string) bool {
		return h.types[projections.Ledger{Tenant: span.Tenant, Type: name}]
	})
}

// reads tells whether a query asks for versions of one of some types, or about them.
func reads(tenant, name string, clauses []projections.Clause, among func(projections.Ledger) bool) bool {
	if name == "" || among(projections.Ledger{Tenant: tenant, Type: name}) {
		return true
	}
	for i := range clauses {
		if len(clauses[i].Any) > 0 && reads(tenant, name, clauses[i].Any, among) {
			return true
		}
		if clauses[i].Follow == nil {
			continue
		}
		for _, t := range clauses[i].Follow.Targets {
			if reads(tenant, t.Type, t.Clauses, among) {
				return true
			}
		}
	}
	return false
}
