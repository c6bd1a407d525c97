package functionstest

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"binnacle/events"
	"binnacle/projections"
)

// Index is the simplest index that keeps the contract: slices, and projections.Matches as its search. Tests can make it
// fail.
type Index struct {
	Mu          sync.Mutex
	States      map[int32]projections.State
	Rows        []projections.Row
	Places      map[projections.Key]int // place in rows
	Decided     map[string]*events.Outcome
	Quarantined []projections.Quarantined
	claims      map[projections.ClaimName]projections.Claim
	Commits     int
	Searches    int
	Asked       func(q projections.Query) // told of each search; nil: nobody is
	Fail        func(method string) error // asked before each call; nil: never fails
}

var _ projections.Index = (*Index)(nil)

func NewIndex() *Index {
	return &Index{States: map[int32]projections.State{}, Places: map[projections.Key]int{},
		Decided: map[string]*events.Outcome{},
		claims:  map[projections.ClaimName]projections.Claim{}}
}

// Empty loses everything, as a server does that had not written its last commits to the disk.
func (x *Index) Empty() {
	x.Mu.Lock()
	defer x.Mu.Unlock()
	clear(x.States)
	clear(x.Places)
	clear(x.Decided)
	clear(x.claims)
	x.Rows, x.Quarantined = nil, nil
}

func (x *Index) begin(method string) (func(), error) {
	x.Mu.Lock()
	if x.Fail != nil {
		if err := x.Fail(method); err != nil {
			x.Mu.Unlock()
			return nil, err
		}
	}
	return x.Mu.Unlock, nil
}

func (x *Index) Failing(fail func(method string) error) {
	x.Mu.Lock()
	defer x.Mu.Unlock()
	x.Fail = fail
}

func (x *Index) state(partition int32) projections.State {
	state, found := x.States[partition]
	if !found {
		state.NextSid = int64(partition)<<projections.SidBits | 1
	}
	return state
}

func (x *Index) State(_ context.Context, partition int32) (projections.State, error) {
	end, err := x.begin("State")
	if err != nil {
		return projections.State{}, err
	}
	defer end()
	return x.state(partition), nil
}

func (x *Index) Commit(ctx context.Context, c projections.Commit) error {
	end, err := x.begin("Commit")
	if err != nil {
		return err
	}
	defer end()
	if err := c.Keep(ctx); err != nil {
		return err
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
		before, found := x.Places[row.Key]
		if found && x.Rows[before].Sid != row.Supersedes || !found && row.Supersedes != 0 {
			return events.Errorf(events.Internal, "index.Commit", "%v supersedes %d", row.Key, row.Supersedes)
		}
		x.Places[row.Key] = len(x.Rows)
		x.Rows = append(x.Rows, row)
	}
	for i := range c.Outcomes {
		if x.Decided[c.Outcomes[i].EventID] != nil {
			return events.Errorf(events.Internal, "index.Commit", "the event %s has an outcome already",
				c.Outcomes[i].EventID)
		}
		x.Decided[c.Outcomes[i].EventID] = &c.Outcomes[i]
	}
	x.Quarantined = append(x.Quarantined, c.Quarantined...)
	for _, claim := range c.Claims {
		x.claims[claim.ClaimName] = claim
	}
	for i, settled := range c.Settled {
		for j := range x.Quarantined {
			if q := &x.Quarantined[j]; q.Record.Position == settled.Of && q.Settled == nil {
				q.Settled = &c.Settled[i]
			}
		}
	}
	state.Next, state.Time, state.Origin, state.Digest = c.Next, c.Time, c.Origin, c.Digest
	x.States[c.Partition] = state
	x.Commits++
	return nil
}

func (x *Index) Current(_ context.Context, keys []projections.Key) ([]projections.Version, error) {
	end, err := x.begin("Current")
	if err != nil {
		return nil, err
	}
	defer end()
	versions := make([]projections.Version, len(keys))
	for i, key := range keys {
		if place, found := x.Places[key]; found {
			versions[i] = x.Rows[place].Version
		}
	}
	return versions, nil
}

func (x *Index) Outcomes(_ context.Context, ids []string) ([]*events.Outcome, error) {
	end, err := x.begin("Outcomes")
	if err != nil {
		return nil, err
	}
	defer end()
	outcomes := make([]*events.Outcome, len(ids))
	for i, id := range ids {
		outcomes[i] = x.Decided[id]
	}
	return outcomes, nil
}

// Search takes a sid for a snapshot and for a page token.
func (x *Index) Search(_ context.Context, q projections.Query) (projections.Page, error) {
	end, err := x.begin("Search")
	if err != nil {
		return projections.Page{}, err
	}
	defer end()
	x.Searches++
	if x.Asked != nil {
		x.Asked(q)
	}
	page := projections.Page{Total: -1, Snapshot: q.Snapshot}
	if page.Snapshot == 0 && len(x.Rows) > 0 {
		page.Snapshot = x.Rows[len(x.Rows)-1].Sid
	}
	after := int64(0)
	_, _ = fmt.Sscan(q.After, &after)
	latest := map[projections.Key]projections.Row{}
	for _, row := range x.Rows {
		if row.Sid <= page.Snapshot {
			latest[row.Key] = row
		}
	}
	for _, row := range x.Rows {
		if row.Sid <= after || latest[row.Key].Sid != row.Sid || row.Deleted || row.Tenant != q.Tenant ||
			row.Type != q.Type || !projections.Matches(q, row.Version, row.Terms) {
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

func (x *Index) Version(_ context.Context, key projections.Key, number int64) (found projections.Version, err error) {
	x.Mu.Lock()
	defer x.Mu.Unlock()
	for _, row := range x.Rows {
		if row.Key == key && row.Number == number {
			found = row.Version
		}
	}
	return found, nil
}

func (x *Index) Versions(context.Context, projections.Span) (projections.SpanPage, error) {
	return projections.SpanPage{}, events.Errorf(events.Unsupported, "index.Versions", "no function reads a history")
}

func (x *Index) Since(context.Context, int32, projections.Mark, int) (projections.Changes, error) {
	return projections.Changes{}, events.Errorf(events.Unsupported, "index.Since",
		"no function remembers current versions")
}

func (x *Index) SnapshotAt(context.Context, events.Position) (int64, error) {
	return 0, events.Errorf(events.Unsupported, "index.SnapshotAt", "no function reads the past")
}

func (x *Index) Partitions(context.Context) (map[int32]projections.State, error) {
	x.Mu.Lock()
	defer x.Mu.Unlock()
	states := map[int32]projections.State{}
	for partition, state := range x.States {
		states[partition] = state
	}
	return states, nil
}

func (x *Index) Scan(_ context.Context, partition int32, visit func(projections.Version, events.Hash) error) error {
	x.Mu.Lock()
	defer x.Mu.Unlock()
	for _, row := range x.Rows {
		if row.Position.Partition != partition {
			continue
		}
		if err := visit(row.Version, row.Digest()); err != nil {
			return err
		}
	}
	return nil
}

func (x *Index) Digests(rows []projections.Row) []events.Hash {
	digests := make([]events.Hash, len(rows))
	for i := range rows {
		digests[i] = rows[i].Digest()
	}
	return digests
}

func (x *Index) Quarantine(_ context.Context, after events.Position, limit int) ([]projections.Quarantined, error) {
	x.Mu.Lock()
	defer x.Mu.Unlock()
	var found []projections.Quarantined
	for _, q := range x.Quarantined {
		if at := q.Record.Position; len(found) < limit &&
			(at.Partition > after.Partition || at.Partition == after.Partition && at.Offset > after.Offset) {
			found = append(found, q)
		}
	}
	return found, nil
}

func (x *Index) Unsettled(context.Context) (count int64, oldest time.Time, err error) {
	x.Mu.Lock()
	defer x.Mu.Unlock()
	for _, q := range x.Quarantined {
		if q.Settled == nil {
			if count++; oldest.IsZero() || q.Record.Time.Before(oldest) {
				oldest = q.Record.Time
			}
		}
	}
	return count, oldest, nil
}

func (x *Index) Audit(context.Context) (projections.Audit, error) {
	x.Mu.Lock()
	defer x.Mu.Unlock()
	a := projections.Audit{Next: map[int32]int64{}, NextSid: map[int32]int64{}, Living: map[projections.Ledger]int64{}}
	for partition, state := range x.States {
		a.Next[partition], a.NextSid[partition] = state.Next, state.NextSid
	}
	deleted := map[projections.Key]bool{}
	for _, row := range x.Rows {
		deleted[row.Key] = row.Deleted
	}
	for key, gone := range deleted {
		if !gone {
			a.Living[projections.Ledger{Tenant: key.Tenant, Type: key.Type}]++
		}
	}
	return a, nil
}

func (x *Index) Claims(_ context.Context, names []projections.ClaimName) ([]projections.Claim, error) {
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

func (x *Index) Referrers(
	_ context.Context, keys []projections.Key, by map[string][]projections.Referrer,
) ([][]int, error) {
	end, err := x.begin("Referrers")
	if err != nil {
		return nil, err
	}
	defer end()
	found := make([][]int, len(keys))
	for i, key := range keys {
		for n, r := range by[key.Type] {
			refers := projections.Query{Clauses: []projections.Clause{{Param: r.Param, Kind: projections.Reference,
				Values: []projections.Value{{System: key.Type, Code: key.ID}}}}}
			for other, at := range x.Places {
				if other.Tenant == key.Tenant && other.Type == r.Type &&
					projections.Matches(refers, x.Rows[at].Version, x.Rows[at].Terms) {
					found[i] = append(found[i], n)
					break
				}
			}
		}
	}
	return found, nil
}

func (x *Index) Decisions(_ context.Context, from events.Position, limit int) ([]events.Decision, error) {
	end, err := x.begin("Decisions")
	if err != nil {
		return nil, err
	}
	defer end()
	places := map[int64]events.Decision{}
	for _, o := range x.Decided {
		if o.Position.Partition == from.Partition && o.Position.Offset >= from.Offset {
			places[o.Position.Offset] = events.Decision{Outcome: *o}
		}
	}
	for _, q := range x.Quarantined {
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

func (x *Index) Sizes(context.Context) (projections.Sizes, error) {
	x.Mu.Lock()
	defer x.Mu.Unlock()
	return projections.Sizes{Versions: int64(len(x.Rows)), Quarantined: int64(len(x.Quarantined))}, nil
}

// Dump is everything that an index holds, but for the number of commits.
func (x *Index) Dump() string {
	var b strings.Builder
	for _, row := range x.Rows {
		fmt.Fprintf(&b, "%+v\n", row)
	}
	for _, o := range slices.SortedFunc(maps.Values(x.Decided), func(a, b *events.Outcome) int {
		return cmp.Compare(a.Position.Offset, b.Position.Offset)
	}) {
		fmt.Fprintf(&b, "%s %v %v %+v %+v %s\n", o.EventID, o.Position, o.Time, o.Results, o.Refusal, o.Repeats)
	}
	for _, q := range x.Quarantined {
		fmt.Fprintf(&b, "%v %s\n", q.Record.Position, q.Reason)
	}
	for _, name := range slices.SortedFunc(maps.Keys(x.claims), func(a, b projections.ClaimName) int {
		return cmp.Or(cmp.Compare(a.Key, b.Key), cmp.Compare(a.Part, b.Part))
	}) {
		fmt.Fprintf(&b, "%+v\n", x.claims[name])
	}
	fmt.Fprintf(&b, "%d outcomes, %+v\n", len(x.Decided), x.States)
	return b.String()
}

func FirstDifference(got, want string) string {
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range min(len(g), len(w)) {
		if g[i] != w[i] {
			return fmt.Sprintf("line %d\ngot  %s\nwant %s", i, g[i], w[i])
		}
	}
	return fmt.Sprintf("%d and %d lines", len(g), len(w))
}
