package reads

import (
	"context"
	"time"

	"binnacle/events"
	"binnacle/projections"
	"binnacle/projections/index/keys"
	"binnacle/projections/index/rows"
	"binnacle/projections/index/sql"
)

// Reads is the reading half of an index, over the tables of one generation.
type Reads struct {
	DB       sql.DB
	Dialect  sql.Dialect
	Referred *Referred // of this generation; nil: nothing is remembered
	Counts   *Counts   // of this generation; nil: all is counted each time
	// Sort is called before many keys are looked up on the rows of versions: what an index of them keeps unsorted would
	// be read for each; nil: there is no such thing
	Sort func(ctx context.Context)
}

func (r Reads) statement() *sql.Statement { return sql.NewStatement(r.Dialect) }

func (r Reads) query(ctx context.Context, s *sql.Statement, sql string, row func(scan func(...any) error) error) error {
	return r.DB.Query(ctx, sql, s.Args, row)
}

// State tells how far a partition has been projected.
func (r Reads) State(ctx context.Context, partition int32) (projections.State, error) {
	state := newState(partition)
	s := r.statement()
	err := r.query(ctx, s, "select p.next, p.next_sid, p.at, p.digest, p.log, p.last from "+s.Table("position")+
		" p where p.partition = "+s.Arg(int64(partition)),
		func(scan func(...any) error) error {
			var at int64
			var digest, last []byte
			if err := scan(&state.Next, &state.NextSid, &at, &digest, &state.Origin.Log, &last); err != nil {
				return err
			}
			state.Time = fromMicro(at)
			copy(state.Digest[:], digest)
			copy(state.Origin.Last[:], last)
			return nil
		})
	return state, err
}

func newState(partition int32) projections.State {
	return projections.State{NextSid: keys.FirstSid(partition)}
}

// Micro is the written form of a time: microseconds since 1970; the zero time is MinTime.
func Micro(t time.Time) int64 {
	if t.IsZero() {
		return projections.MinTime
	}
	return t.UnixMicro()
}

func fromMicro(at int64) time.Time {
	if at == projections.MinTime {
		return time.Time{}
	}
	return time.UnixMicro(at).UTC()
}

// Partitions returns the state of every partition that has one.
func (r Reads) Partitions(ctx context.Context) (map[int32]projections.State, error) {
	states := map[int32]projections.State{}
	s := r.statement()
	err := r.query(ctx, s, "select p.partition, p.next, p.next_sid, p.at, p.digest, p.log, p.last from "+
		s.Table("position")+" p", func(scan func(...any) error) error {
		var partition, at int64
		var state projections.State
		var digest, last []byte
		if err := scan(&partition, &state.Next, &state.NextSid, &at, &digest, &state.Origin.Log, &last); err != nil {
			return err
		}
		state.Time = fromMicro(at)
		copy(state.Digest[:], digest)
		copy(state.Origin.Last[:], last)
		states[int32(partition)] = state
		return nil
	})
	return states, err
}

// Current returns the current version of each key.
func (r Reads) Current(ctx context.Context, wanted []projections.Key) ([]projections.Version, error) {
	found := make([]projections.Version, len(wanted))
	if len(wanted) == 0 {
		return found, nil
	}
	if len(wanted) > 1 && r.Dialect.TypesAtOnce() {
		return found, r.currentOf(ctx, wanted, upTo(len(wanted)), found)
	}
	places := map[int64][]int{}
	var order []int64
	for i, k := range wanted {
		ledger := keys.Ledger(k.Tenant, k.Type)
		if places[ledger] == nil {
			order = append(order, ledger)
		}
		places[ledger] = append(places[ledger], i)
	}
	for _, ledger := range order {
		if err := r.currentOf(ctx, wanted, places[ledger], found); err != nil {
			return nil, err
		}
	}
	return found, nil
}

// upTo are the numbers from 0 on.
func upTo(n int) []int {
	numbers := make([]int, n)
	for i := range numbers {
		numbers[i] = i
	}
	return numbers
}

// currentOf finds the current versions of the keys in some places: of one type, or of any where the dialect can.
func (r Reads) currentOf(ctx context.Context, wanted []projections.Key, places []int,
	found []projections.Version) error {
	var h keys.Hasher
	s := r.statement()
	if len(places) == 1 {
		key := wanted[places[0]]
		sql := "select 0, " + rows.StoredColumns + " from " + s.Table("version") + " v where v.ledger = " +
			s.Arg(h.LedgerOf(key.Tenant, key.Type)) + " and v.id = " + s.Arg(key.ID) + " order by v.number desc limit 1"
		return r.query(ctx, s, sql, takeVersion(wanted, places, found))
	}
	ledgers, ids := make([]int64, len(places)), make([]string, len(places))
	for i, at := range places {
		ledgers[i], ids[i] = h.LedgerOf(wanted[at].Tenant, wanted[at].Type), wanted[at].ID
	}
	from, place := s.Latest(ledgers, ids)
	return r.query(ctx, s, "select "+place+", "+rows.StoredColumns+" from "+from, takeVersion(wanted, places, found))
}

// Written returns those of some keys that have versions, which it finds by the key of the resource and not by the id,
// as Current does.
func (r Reads) Written(ctx context.Context, wanted []projections.Key) ([]projections.Key, error) {
	var h keys.Hasher
	resources, of := make([]int64, len(wanted)), make(map[int64]projections.Key, len(wanted))
	for i, k := range wanted {
		resources[i] = h.Resource(keys.Ledger(k.Tenant, k.Type), k.ID)
		of[resources[i]] = k
	}
	var written []projections.Key
	s := r.statement()
	list, resource := s.Unnested(resources, "k")
	sql := "select " + resource + " from " + list + " where exists (select 1 from " + s.Table("version") +
		" v where v.resource = " + resource + ")"
	err := r.query(ctx, s, sql, func(scan func(...any) error) error {
		var found int64
		err := scan(&found)
		written = append(written, of[found])
		return err
	})
	return written, err
}

// takeVersion reads rows of an index into places and rows.StoredColumns.
func takeVersion(keys []projections.Key, places []int,
	found []projections.Version) func(scan func(...any) error) error {
	return func(scan func(...any) error) error {
		var n int64
		var m rows.Stored
		if err := scan(append([]any{&n}, m.Fields()...)...); err != nil {
			return err
		}
		key := keys[places[n]]
		found[places[n]] = m.Version(key.Tenant, key.Type)
		return nil
	}
}

// Version returns one version of a resource.
func (r Reads) Version(ctx context.Context, key projections.Key, number int64) (projections.Version, error) {
	var found projections.Version
	s := r.statement()
	sql := "select " + rows.StoredColumns + " from " + s.Table("version") + " v where v.ledger = " +
		s.Arg(keys.Ledger(key.Tenant, key.Type)) + " and v.id = " + s.Arg(key.ID) + " and v.number = " + s.Arg(number)
	err := r.query(ctx, s, sql, func(scan func(...any) error) error {
		var m rows.Stored
		err := scan(m.Fields()...)
		found = m.Version(key.Tenant, key.Type)
		return err
	})
	return found, err
}

// Outcomes returns the outcome of each event; nil for one that is not decided.
func (r Reads) Outcomes(ctx context.Context, eventIDs []string) ([]*events.Outcome, error) {
	found := make([]*events.Outcome, len(eventIDs))
	if len(eventIDs) == 0 {
		return found, nil
	}
	places := make(map[string][]int, len(eventIDs))
	for i, id := range eventIDs {
		places[id] = append(places[id], i)
	}
	s := r.statement()
	condition := s.InTexts(eventIDs)
	if len(eventIDs) == 1 {
		s = r.statement()
		condition = "= " + s.Arg(eventIDs[0])
	}
	err := r.query(ctx, s, "select o.event, o.data from "+s.Table("outcome")+" o where o.event "+condition,
		func(scan func(...any) error) error {
			var id string
			var data []byte
			if err := scan(&id, &data); err != nil {
				return err
			}
			outcome, err := rows.DecodeOutcome(id, data)
			if err != nil {
				return err
			}
			for _, at := range places[id] {
				found[at] = outcome
			}
			return nil
		})
	if err != nil {
		return nil, err
	}
	return found, nil
}
