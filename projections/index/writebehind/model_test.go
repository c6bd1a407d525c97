package writebehind_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"binnacle/events"
	"binnacle/events/sqlitefile"
	"binnacle/projections"
	"binnacle/projections/blobs/memory"
	"binnacle/projections/index/sqlite"
	"binnacle/projections/index/writebehind"
)

// modeled is an index whose commits wait, with a writer and those who look at it.
type modeled struct {
	*history
	t      *testing.T
	g      *writebehind.Generations
	store  *memory.Blobs
	blobs  projections.Blobs
	other  *sqlite.Generations // another process's
	failed bool                // commits fail at times: who looks may be told to come again
	// the index refuses what was acknowledged: how far it is goes back, and a content is not there, for a while
	drops bool

	acknowledged atomic.Int64 // records, from the start of the log
	looks        atomic.Int64
	refused      atomic.Int64 // looks that were told to come again
	stood        atomic.Int64 // how often another process had the index stand still
}

func newModeled(t *testing.T, within time.Duration, count int, seed uint64) (*modeled, *refusing) {
	t.Helper()
	logger := slog.New(slog.DiscardHandler)
	path := filepath.Join(t.TempDir(), "index.db")
	openSQLite := func(exclusive bool) *sqlite.Generations {
		file, err := sqlitefile.Open(path, logger)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = file.Close() })
		opened, err := sqlite.Open(t.Context(), sqlite.Config{File: file, Catalog: "catalog-1", Logger: logger,
			Exclusive: exclusive}, true)
		if err != nil {
			t.Fatal(err)
		}
		return opened
	}
	inner := &refusing{Generations: openSQLite(true)}
	m := &modeled{history: newHistory(rand.New(rand.NewPCG(seed, 1)), count), t: t, store: memory.New()}
	m.g = writebehind.New(inner, writebehind.Config{Within: within, Rows: 3, Logger: logger})
	m.blobs = m.g.Blobs(m.store)
	m.other = openSQLite(false)
	t.Cleanup(func() {
		if err := m.g.Close(); err != nil {
			t.Error(err)
		}
		_ = m.other.Close()
	})
	return m, inner
}

// write does what the projector does: it decides from where the index stands, and goes back when it has lost.
func (m *modeled) write(r *rand.Rand, before func(at int)) {
	index := m.g.Projecting("catalog-1")
	put := func(ctx context.Context, contents []projections.Blob) error { return m.store.Put(ctx, contents) }
	for m.t.Context().Err() == nil {
		state, err := index.State(m.t.Context(), 0)
		if err != nil {
			m.t.Errorf("State: %v", err)
			return
		}
		for at := int(state.Next); err == nil; {
			if at == len(m.records) {
				return
			}
			before(at)
			to := min(len(m.records), at+1+r.IntN(writeAtOnce))
			if err = index.Commit(m.t.Context(), m.commit(at, to, put)); err == nil {
				at = to
				m.acknowledged.Store(max(m.acknowledged.Load(), int64(to)))
			}
		}
		if kind := events.KindOf(err); kind != events.Conflict && (kind != events.Transient && kind != events.Internal) {
			m.t.Errorf("Commit: %v", err)
			return
		}
		time.Sleep(time.Millisecond)
	}
}

// looker looks at the index in all ways. What it has seen once it must see again.
type looker struct {
	*modeled
	index projections.Index
	seen  map[projections.Key]int64 // versions
	next  int64                     // records
	mark  projections.Mark
	cache map[projections.Key]projections.Version // as package current keeps it
}

// look looks in one way, and returns what was wrong.
func (l *looker) look(ctx context.Context, r *rand.Rand) (err error) {
	acknowledged := l.acknowledged.Load()
	rows := int64(l.first[acknowledged])
	patient := modelKey("Patient", r.IntN(modelPatients))
	switch r.IntN(11) {
	case 0, 1:
		keys := []projections.Key{patient, modelKey("Observation", r.IntN(2*modelPatients))}
		versions, err := l.index.Current(ctx, keys)
		if err != nil {
			return err
		}
		for i, key := range keys {
			if err := l.version(key, versions[i], rows); err != nil {
				return fmt.Errorf("Current: %w", err)
			}
		}
	case 2:
		changes, err := l.index.Since(ctx, 0, l.mark, 5)
		if err != nil {
			return err
		}
		if !changes.Known {
			clear(l.cache)
		}
		for _, version := range changes.Versions {
			if version != l.rows[version.Sid-1].Version || version.Sid <= l.mark.Sid || version.Sid > changes.Mark.Sid {
				return fmt.Errorf("Since %+v tells of %+v", l.mark, version)
			}
			l.cache[version.Key] = version
		}
		if l.mark = changes.Mark; l.mark.Sid < rows {
			return fmt.Errorf("Since tells of %d versions, %d were acknowledged", l.mark.Sid, rows)
		}
		for key, version := range l.cache {
			if want := l.current(key.Type, l.mark.Sid)[key]; version != want {
				return fmt.Errorf("what Since told makes %+v, the log %+v", version, want)
			}
		}
	case 3, 4:
		return l.search(ctx, []string{"Patient", "Observation"}[r.IntN(2)], rows)
	case 5:
		return l.versions(ctx, r, patient, rows)
	case 6:
		return l.outcomes(ctx, r, acknowledged)
	case 7:
		return l.contents(ctx, r, acknowledged)
	case 8:
		state, err := l.index.State(ctx, 0)
		if err != nil {
			return err
		}
		if err := l.reached("State", state.Next, acknowledged); err != nil && !l.drops {
			return err
		}
		if state.NextSid != int64(l.first[state.Next])+1 {
			return fmt.Errorf("State = %+v", state)
		}
		states, err := l.index.Partitions(ctx)
		if err != nil {
			return err
		}
		if states[0].Next < state.Next && !l.drops {
			return fmt.Errorf("Partitions tell of %d records, State of %d", states[0].Next, state.Next)
		}
		if state.Next == 0 {
			return nil
		}
		snapshot, err := l.index.SnapshotAt(ctx, events.Position{Offset: state.Next - 1})
		if err == nil && snapshot != state.NextSid-1 && (snapshot != projections.NoSnapshot || state.NextSid > 1) {
			return fmt.Errorf("SnapshotAt(%d) = %d, want %d", state.Next-1, snapshot, state.NextSid-1)
		}
		return err
	case 9:
		decisions, err := l.index.Decisions(ctx, events.Position{}, len(l.records)+1)
		if err != nil {
			return err
		}
		for i := range decisions {
			if decisions[i].Outcome.EventID != l.records[i].outcome.EventID {
				return fmt.Errorf("decision %d is on %s", i, decisions[i].Outcome.EventID)
			}
		}
		return l.reached("Decisions", int64(len(decisions)), acknowledged)
	case 10:
		return l.referrers(ctx, patient, rows)
	}
	return nil
}

// version holds a version of a resource against the log, when so many rows were acknowledged before it was asked for.
func (l *looker) version(key projections.Key, got projections.Version, rows int64) error {
	if got.Number > 0 && (got.Sid > int64(len(l.rows)) || l.rows[got.Sid-1].Version != got) {
		return fmt.Errorf("%v is %+v, which the log doesn't make", key, got)
	}
	least := l.current(key.Type, rows)[key].Number
	if got.Number < max(least, l.seen[key]) {
		return fmt.Errorf("%v is version %d; version %d was acknowledged, and %d was seen", key, got.Number, least,
			l.seen[key])
	}
	l.seen[key] = got.Number
	return nil
}

// reached holds a number of records against what was acknowledged and seen before.
func (l *looker) reached(what string, next, acknowledged int64) error {
	if next < max(acknowledged, l.next) {
		return fmt.Errorf("%s: %d records; %d were acknowledged, and %d were seen", what, next, acknowledged, l.next)
	}
	l.next = next
	return nil
}

func (l *looker) search(ctx context.Context, resourceType string, rows int64) error {
	page, err := l.index.Search(ctx, projections.Query{Tenant: "main", Type: resourceType, Limit: 100,
		Total: projections.TotalAccurate})
	if err != nil {
		return err
	}
	found := map[projections.Key]projections.Version{}
	for _, version := range page.Versions {
		found[version.Key] = version
	}
	if page.Total != int64(len(page.Versions)) || len(found) != len(page.Versions) {
		return fmt.Errorf("a search tells of %d, and finds %+v", page.Total, page.Versions)
	}
	snapshot := max(0, page.Snapshot)
	for _, row := range l.rows[min(snapshot, rows):rows] {
		if row.Type == resourceType {
			return fmt.Errorf("a search for %s at %d misses %+v, which was acknowledged", resourceType, snapshot, row.Version)
		}
	}
	for key, want := range l.current(resourceType, snapshot) {
		if want.Alive() != (found[key].Number > 0) || want.Alive() && found[key] != want {
			return fmt.Errorf("a search finds %+v, want %+v", found[key], want)
		}
		l.seen[key] = max(l.seen[key], want.Number)
	}
	return nil
}

func (l *looker) outcomes(ctx context.Context, r *rand.Rand, acknowledged int64) error {
	if acknowledged == 0 {
		return nil
	}
	at := acknowledged - 1 - int64(r.IntN(int(min(acknowledged, 6))))
	want := l.records[at]
	outcomes, err := l.index.Outcomes(ctx, []string{want.outcome.EventID, "nobody's"})
	if err != nil {
		return err
	}
	if outcomes[0] == nil || outcomes[0].Position != want.outcome.Position || outcomes[1] != nil ||
		len(outcomes[0].Results) != len(want.outcome.Results) {
		return fmt.Errorf("the outcomes of %s, which was acknowledged, and of nothing are %+v", want.outcome.EventID, outcomes)
	}
	claims, err := l.index.Claims(ctx, []projections.ClaimName{want.claim.ClaimName})
	if err == nil && claims[0].Until.Before(want.claim.Until) {
		return fmt.Errorf("the claim of record %d is %+v", at, claims[0])
	}
	return err
}

func (l *looker) contents(ctx context.Context, r *rand.Rand, acknowledged int64) error {
	if acknowledged == 0 {
		return nil
	}
	record := l.records[acknowledged-1-int64(r.IntN(int(min(acknowledged, 6))))]
	if record.content == nil {
		return nil
	}
	contents, err := l.blobs.Get(ctx, []events.Hash{record.rows[0].Hash, {1}})
	if err == nil && contents[0] == nil && l.drops {
		return nil // whoever misses it looks into the log
	}
	if err == nil && (!bytes.Equal(contents[0], record.content) || contents[1] != nil) {
		return fmt.Errorf("the contents are %q, want %q and none", contents, record.content)
	}
	return err
}

// referrers asks whether observations refer to a patient. The answer may say so when none does.
func (l *looker) referrers(ctx context.Context, patient projections.Key, rows int64) error {
	by := map[string][]projections.Referrer{"Patient": {{Type: "Observation", Param: "subject"}}}
	places, err := l.index.Referrers(ctx, []projections.Key{patient}, by)
	if err != nil || len(places[0]) > 0 {
		return err
	}
	latest := map[projections.Key]projections.Row{}
	ahead := min(len(l.records), int(l.acknowledged.Load())+writeAtOnce) // records that may be decided by now
	for _, row := range l.rows[:l.first[ahead]] {
		latest[row.Key] = row
	}
	for _, row := range latest {
		if row.Sid <= rows && len(row.Terms) > 0 && row.Terms[0].Code == patient.ID {
			return fmt.Errorf("%v refers to %v, and nobody knows", row.Key, patient)
		}
	}
	return nil
}

// run looks until the writer has ended, and for a few rounds more.
func (l *looker) run(r *rand.Rand, ended <-chan struct{}) {
	ctx := l.t.Context()
	for more := 30; more > 0; {
		select {
		case <-ended:
			more--
		default:
		}
		err := l.look(ctx, r)
		l.looks.Add(1)
		if l.failed && events.KindOf(err) == events.Transient && isOurs(err) {
			l.refused.Add(1)
			time.Sleep(time.Millisecond)
			continue
		}
		if err != nil {
			l.t.Errorf("%d records are acknowledged: %v", l.acknowledged.Load(), err)
			return
		}
		time.Sleep(time.Duration(r.IntN(3)) * time.Millisecond)
	}
}

// isOurs tells whether an error is one of an index, and not what a look found wrong.
func isOurs(err error) bool {
	_, is := err.(*events.Error) //nolint:errorlint // as it came
	return is
}

// still has another process stop the live generation at times: then all that was acknowledged is in it.
func (m *modeled) still(ctx context.Context) error {
	building, err := m.other.Build(ctx, "catalog-2")
	if err != nil {
		return err
	}
	defer func() { _ = building.Release() }()
	if err := building.Pause(ctx, time.Minute); err != nil {
		return err
	}
	acknowledged := m.acknowledged.Load()
	states, err := m.other.Auditor(1).Partitions(ctx)
	if err == nil && states[0].Next < acknowledged && !m.drops {
		err = fmt.Errorf("another process stopped the index at %d records, and %d are acknowledged", states[0].Next,
			acknowledged)
	}
	if resumed := building.Resume(ctx); err == nil {
		err = resumed
	}
	return err
}

// stops calls still from time to time.
func (m *modeled) stops(ended <-chan struct{}) {
	for {
		select {
		case <-ended:
			return
		case <-time.After(50 * time.Millisecond):
		}
		if err := m.still(m.t.Context()); err != nil {
			m.t.Error(err)
			return
		}
		m.stood.Add(1)
	}
}

func TestNobodyEverSeesLessThanWasAcknowledged(t *testing.T) {
	for _, c := range []struct {
		name    string
		within  time.Duration
		records int
		failing []way
	}{
		{"commits wait for somebody", time.Hour, 120, nil},
		{"commits wait for a moment", time.Millisecond, 120, nil},
		{"the index is away at times", time.Hour, 80, []way{away}},
		{"the index refuses at times for good", time.Hour, 80, []way{away, never, never, unsure}},
	} {
		t.Run(c.name, func(t *testing.T) {
			seed := rand.Uint64()
			t.Logf("seed %d", seed)
			m, inner := newModeled(t, c.within, c.records, seed)
			m.failed, m.drops = c.failing != nil, len(c.failing) > 1
			var all sync.WaitGroup
			ended := make(chan struct{})
			for n := range 4 {
				r := rand.New(rand.NewPCG(seed, uint64(n)+2))
				index := m.g.Bound("catalog-1")
				if n%2 == 1 {
					index = m.g.Live()
				}
				l := &looker{modeled: m, index: index, seen: map[projections.Key]int64{},
					cache: map[projections.Key]projections.Version{}}
				all.Go(func() { l.run(r, ended) })
			}
			all.Go(func() { m.stops(ended) })
			r := rand.New(rand.NewPCG(seed, 99))
			furthest := 0
			m.write(r, func(at int) {
				if c.failing != nil && at > furthest && r.IntN(12) == 0 {
					inner.fail(c.failing[r.IntN(len(c.failing))])
				}
				furthest = max(furthest, at)
				time.Sleep(time.Duration(r.IntN(4)) * time.Millisecond)
			})
			close(ended)
			all.Wait()
			t.Logf("%d looks, %d were told to come again; the index stood still %d times", m.looks.Load(),
				m.refused.Load(), m.stood.Load())
		})
	}
}

// versions asks for the history of a patient, and for that of all types.
func (l *looker) versions(ctx context.Context, r *rand.Rand, patient projections.Key, rows int64) error {
	span := projections.Span{Tenant: "main", Types: []string{"Patient"}, Key: patient, Limit: 1_000}
	page, err := l.index.Versions(ctx, span)
	if err != nil {
		return err
	}
	for i, version := range page.Versions {
		if version.Number != int64(len(page.Versions)-i) || version.Version != l.rows[version.Sid-1].Version {
			return fmt.Errorf("history of %v: version %d is %+v", patient, len(page.Versions)-i, version)
		}
	}
	newest := projections.Version{}
	if len(page.Versions) > 0 {
		newest = page.Versions[0].Version
	}
	if err := l.version(patient, newest, rows); err != nil {
		return fmt.Errorf("history: %w", err)
	}
	if newest.Number > 0 {
		number := 1 + r.Int64N(newest.Number)
		version, err := l.index.Version(ctx, patient, number)
		if err != nil || version != page.Versions[newest.Number-number].Version {
			return fmt.Errorf("version %d of %v is %+v (%w)", number, patient, version, err)
		}
	}
	page, err = l.index.Versions(ctx, projections.Span{Tenant: "main", Types: []string{"Patient", "Observation"},
		Limit: 1_000, Count: true})
	if err != nil {
		return err
	}
	if page.Total < rows || page.Total != int64(len(page.Versions)) || page.Before != page.Total+1 {
		return fmt.Errorf("the history of all has %d versions, tells of %d up to %d, and %d were acknowledged",
			len(page.Versions), page.Total, page.Before, rows)
	}
	for i, version := range page.Versions {
		if row := l.rows[len(page.Versions)-1-i]; version.Version != row.Version || version.Revives != row.Revives {
			return fmt.Errorf("the history of all has %+v, want %+v", version, row)
		}
	}
	return nil
}
