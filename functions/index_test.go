package functions_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"binnacle/events"
	"binnacle/projections"
)

// index is the simplest index that keeps the contract: slices, and projections.Matches as its search. Tests can make it fail.
type index struct {
	mu          sync.Mutex
	states      map[int32]projections.State
	rows        []projections.Row
	current     map[projections.Key]int // place in rows
	outcomes    map[string]*events.Outcome
	quarantined []projections.Quarantined
	claims      map[projections.ClaimName]projections.Claim
	commits     int
	searches    int
	asked       func(q projections.Query) // told of each search; nil: nobody is
	fail        func(method string) error // asked before each call; nil: never fails
}

var _ projections.Index = (*index)(nil)

func newIndex() *index {
	return &index{states: map[int32]projections.State{}, current: map[projections.Key]int{}, outcomes: map[string]*events.Outcome{},
		claims: map[projections.ClaimName]projections.Claim{}}
}

// empty loses everything, as a server does that had not written its last commits to the disk.
func (x *index) empty() {
	x.mu.Lock()
	defer x.mu.Unlock()
	clear(x.states)
	clear(x.current)
	clear(x.outcomes)
	clear(x.claims)
	x.rows, x.quarantined = nil, nil
}

func (x *index) begin(method string) (func(), error) {
	x.mu.Lock()
	if x.fail != nil {
		if err := x.fail(method); err != nil {
			x.mu.Unlock()
			return nil, err
		}
	}
	return x.mu.Unlock, nil
}

func (x *index) failing(fail func(method string) error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.fail = fail
}

func (x *index) state(partition int32) projections.State {
	state, found := x.states[partition]
	if !found {
		state.NextSid = int64(partition)<<projections.SidBits | 1
	}
	return state
}

func (x *index) State(_ context.Context, partition int32) (projections.State, error) {
	end, err := x.begin("State")
	if err != nil {
		return projections.State{}, err
	}
	defer end()
	return x.state(partition), nil
}

func (x *index) Commit(ctx context.Context, c projections.Commit) error {
	end, err := x.begin("Commit")
	if err != nil {
		return err
	}
	defer end()
	if c.Contents != nil {
		if err := c.Contents(ctx); err != nil {
			return err
		}
	}
	state := x.state(c.Partition)
	if state.Next != c.Expect {
		return events.Errorf(events.Conflict, "index.Commit", "next is %d, not %d", state.Next, c.Expect)
	}
	for _, row := range c.Rows {
		if row.Sid != state.NextSid {
			return events.Errorf(events.Internal, "index.Commit", "sid %d, want %d", row.Sid, state.NextSid)
		}
		state.NextSid++
		before, found := x.current[row.Key]
		if found && x.rows[before].Sid != row.Supersedes || !found && row.Supersedes != 0 {
			return events.Errorf(events.Internal, "index.Commit", "%v supersedes %d", row.Key, row.Supersedes)
		}
		x.current[row.Key] = len(x.rows)
		x.rows = append(x.rows, row)
	}
	for i := range c.Outcomes {
		if x.outcomes[c.Outcomes[i].EventID] != nil {
			return events.Errorf(events.Internal, "index.Commit", "the event %s has an outcome already", c.Outcomes[i].EventID)
		}
		x.outcomes[c.Outcomes[i].EventID] = &c.Outcomes[i]
	}
	x.quarantined = append(x.quarantined, c.Quarantined...)
	for _, claim := range c.Claims {
		x.claims[claim.ClaimName] = claim
	}
	for i, settled := range c.Settled {
		for j := range x.quarantined {
			if q := &x.quarantined[j]; q.Record.Position == settled.Of && q.Settled == nil {
				q.Settled = &c.Settled[i]
			}
		}
	}
	state.Next, state.Time, state.Origin, state.Digest = c.Next, c.Time, c.Origin, c.Digest
	x.states[c.Partition] = state
	x.commits++
	return nil
}

func (x *index) Current(_ context.Context, keys []projections.Key) ([]projections.Version, error) {
	end, err := x.begin("Current")
	if err != nil {
		return nil, err
	}
	defer end()
	versions := make([]projections.Version, len(keys))
	for i, key := range keys {
		if place, found := x.current[key]; found {
			versions[i] = x.rows[place].Version
		}
	}
	return versions, nil
}

func (x *index) Outcomes(_ context.Context, ids []string) ([]*events.Outcome, error) {
	end, err := x.begin("Outcomes")
	if err != nil {
		return nil, err
	}
	defer end()
	outcomes := make([]*events.Outcome, len(ids))
	for i, id := range ids {
		outcomes[i] = x.outcomes[id]
	}
	return outcomes, nil
}

// Search takes a sid for a snapshot and for a page token.
func (x *index) Search(_ context.Context, q projections.Query) (projections.Page, error) {
	end, err := x.begin("Search")
	if err != nil {
		return projections.Page{}, err
	}
	defer end()
	x.searches++
	if x.asked != nil {
		x.asked(q)
	}
	page := projections.Page{Total: -1, Snapshot: q.Snapshot}
	if page.Snapshot == 0 && len(x.rows) > 0 {
		page.Snapshot = x.rows[len(x.rows)-1].Sid
	}
	after := int64(0)
	_, _ = fmt.Sscan(q.After, &after)
	latest := map[projections.Key]projections.Row{}
	for _, row := range x.rows {
		if row.Sid <= page.Snapshot {
			latest[row.Key] = row
		}
	}
	for _, row := range x.rows {
		if row.Sid <= after || latest[row.Key].Sid != row.Sid || row.Deleted || row.Tenant != q.Tenant || row.Type != q.Type || !projections.Matches(q, row.Version, row.Terms) {
			continue
		}
		if len(page.Versions) == q.Limit {
			page.Next = fmt.Sprint(page.Versions[q.Limit-1].Sid)
			break
		}
		page.Versions = append(page.Versions, row.Version)
	}
	return page, nil
}

func (x *index) History(context.Context, projections.Key, projections.HistorySpan) (projections.HistoryPage, error) {
	return projections.HistoryPage{}, events.Errorf(events.Unsupported, "index.History", "no function reads a history")
}

func (x *index) Since(context.Context, int32, projections.Mark, int) (projections.Changes, error) {
	return projections.Changes{}, events.Errorf(events.Unsupported, "index.Since", "no function remembers current versions")
}

func (x *index) SnapshotAt(context.Context, events.Position) (int64, error) {
	return 0, events.Errorf(events.Unsupported, "index.SnapshotAt", "no function reads the past")
}

func (x *index) Partitions(context.Context) (map[int32]projections.State, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	states := map[int32]projections.State{}
	for partition, state := range x.states {
		states[partition] = state
	}
	return states, nil
}

func (x *index) Scan(_ context.Context, partition int32, visit func(projections.Version, events.Hash) error) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, row := range x.rows {
		if row.Position.Partition != partition {
			continue
		}
		if err := visit(row.Version, row.Digest()); err != nil {
			return err
		}
	}
	return nil
}

func (x *index) Digests(rows []projections.Row) []events.Hash {
	digests := make([]events.Hash, len(rows))
	for i := range rows {
		digests[i] = rows[i].Digest()
	}
	return digests
}

func (x *index) Quarantine(_ context.Context, after events.Position, limit int) ([]projections.Quarantined, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	var found []projections.Quarantined
	for _, q := range x.quarantined {
		if at := q.Record.Position; len(found) < limit && (at.Partition > after.Partition || at.Partition == after.Partition && at.Offset > after.Offset) {
			found = append(found, q)
		}
	}
	return found, nil
}

func (x *index) Unsettled(context.Context) (count int64, oldest time.Time, err error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, q := range x.quarantined {
		if q.Settled == nil {
			if count++; oldest.IsZero() || q.Record.Time.Before(oldest) {
				oldest = q.Record.Time
			}
		}
	}
	return count, oldest, nil
}

func (x *index) Audit(context.Context) (projections.Audit, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	a := projections.Audit{Next: map[int32]int64{}, NextSid: map[int32]int64{}, Living: map[projections.Ledger]int64{}}
	for partition, state := range x.states {
		a.Next[partition], a.NextSid[partition] = state.Next, state.NextSid
	}
	deleted := map[projections.Key]bool{}
	for _, row := range x.rows {
		deleted[row.Key] = row.Deleted
	}
	for key, gone := range deleted {
		if !gone {
			a.Living[projections.Ledger{Tenant: key.Tenant, Type: key.Type}]++
		}
	}
	return a, nil
}

func (x *index) Claims(_ context.Context, names []projections.ClaimName) ([]projections.Claim, error) {
	end, err := x.begin("Claims")
	if err != nil {
		return nil, err
	}
	defer end()
	claims := make([]projections.Claim, len(names))
	for i, name := range names {
		claims[i] = x.claims[name]
	}
	return claims, nil
}

func (x *index) Referrers(_ context.Context, keys []projections.Key, by map[string][]projections.Referrer) ([][]int, error) {
	end, err := x.begin("Referrers")
	if err != nil {
		return nil, err
	}
	defer end()
	found := make([][]int, len(keys))
	for i, key := range keys {
		for n, r := range by[key.Type] {
			refers := projections.Query{Clauses: []projections.Clause{{Param: r.Param, Kind: projections.Reference, Values: []projections.Value{{System: key.Type, Code: key.ID}}}}}
			for other, at := range x.current {
				if other.Tenant == key.Tenant && other.Type == r.Type && projections.Matches(refers, x.rows[at].Version, x.rows[at].Terms) {
					found[i] = append(found[i], n)
					break
				}
			}
		}
	}
	return found, nil
}

func (x *index) Decisions(_ context.Context, from events.Position, limit int) ([]events.Decision, error) {
	end, err := x.begin("Decisions")
	if err != nil {
		return nil, err
	}
	defer end()
	places := map[int64]events.Decision{}
	for _, o := range x.outcomes {
		if o.Position.Partition == from.Partition && o.Position.Offset >= from.Offset {
			places[o.Position.Offset] = events.Decision{Outcome: *o}
		}
	}
	for _, q := range x.quarantined {
		if at := q.Record.Position; at.Partition == from.Partition && at.Offset >= from.Offset {
			d := places[at.Offset]
			d.Outcome.Position, d.Outcome.Time, d.Quarantined = at, q.Record.Time, q.Reason
			places[at.Offset] = d
		}
	}
	var found []events.Decision
	for _, offset := range slices.Sorted(maps.Keys(places)) {
		if len(found) < limit {
			found = append(found, places[offset])
		}
	}
	return found, nil
}

func (x *index) Sizes(context.Context) (projections.Sizes, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	return projections.Sizes{Versions: int64(len(x.rows)), Quarantined: int64(len(x.quarantined))}, nil
}
