package reads

import (
	"context"
	"fmt"
	"math"
	"sync"

	"binnacle/projections"
	"binnacle/projections/index/keys"
	"binnacle/projections/index/sql"
)

// A sweep has two stages, because rows of ranges and texts are found by their version and term rows are not, without
// an index that would cost more than all sweeps: first the versions that superseded others are read, and the ranges
// and texts of those are removed; then the term table is read from end to end, and what belongs to a version that was
// superseded before the horizon is removed. How far it has come stands in the table sweep, which is empty when none
// is under way; what it sweeps, in position.sweeping.

// The stages of a sweep.
const (
	SweepByVersion = 0
	SweepTerms     = 1
)

// SweepPlace is how far a sweep has come.
type SweepPlace struct {
	Stage   int64
	A, B, C int64 // by version: A is the Sid of the last one read; terms: what the driver makes of them
}

// FirstTerm is before all term rows in the order of their key.
func FirstTerm() SweepPlace {
	return SweepPlace{Stage: SweepTerms, A: math.MinInt64, B: math.MinInt64, C: math.MinInt64}
}

// SweepPlace tells how far the sweep under way has come; false when there is none.
func (r Reads) SweepPlace(ctx context.Context) (place SweepPlace, begun bool, err error) {
	s := r.statement()
	err = r.query(ctx, s, "select w.stage, w.a, w.b, w.c from "+s.Table("sweep")+" w",
		func(scan func(...any) error) error {
			begun = true
			return scan(&place.Stage, &place.A, &place.B, &place.C)
		})
	return place, begun, err
}

// kept is what the position of a partition says about what is swept.
type kept struct {
	partition, horizon, swept, sweeping int64
}

func (r Reads) kept(ctx context.Context) ([]kept, error) {
	var found []kept
	s := r.statement()
	err := r.query(ctx, s, "select p.partition, p.horizon, p.swept, p.sweeping from "+s.Table("position")+
		" p order by p.partition", func(scan func(...any) error) error {
		var k kept
		if err := scan(&k.partition, &k.horizon, &k.swept, &k.sweeping); err != nil {
			return err
		}
		found = append(found, k)
		return nil
	})
	return found, err
}

// ToSweep returns versions that were superseded by those with a Sid after the one given, as far as the sweep under
// way sweeps, and the Sid of the last one that superseded. None are left when that is 0.
func (r Reads) ToSweep(ctx context.Context, after int64, limit int) (superseded []int64, last int64, err error) {
	partitions, err := r.kept(ctx)
	if err != nil {
		return nil, 0, err
	}
	for _, k := range partitions {
		from := max(after, k.swept, k.partition<<projections.SidBits)
		if from >= k.sweeping {
			continue
		}
		s := r.statement()
		err := r.query(ctx, s, "select v.sid, v.supersedes from "+s.Table("version")+" v where v.sid > "+s.Arg(from)+
			" and v.sid <= "+s.Arg(k.sweeping)+
			fmt.Sprintf(" and v.supersedes <> 0 order by v.sid limit %d", limit), func(scan func(...any) error) error {
			sid := int64(0)
			superseded = append(superseded, 0)
			err := scan(&sid, &superseded[len(superseded)-1])
			last = sid
			return err
		})
		if err != nil || last != 0 {
			return superseded, last, err
		}
	}
	return nil, 0, nil
}

// Superseded counts the versions that wait to be swept, a stretch of the log after the other, so that it is cheap to
// ask often. It is safe for concurrent use.
type Superseded struct {
	mu         sync.Mutex
	generation int
	counted    map[int64]superseded // by partition
}

type superseded struct{ from, to, count int64 }

// Waste tells what a sweep of a generation would find.
func (c *Superseded) Waste(ctx context.Context, r Reads, generation int) (projections.Waste, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var waste projections.Waste
	partitions, err := r.kept(ctx)
	if err != nil {
		return waste, err
	}
	if c.generation != generation || c.counted == nil {
		c.generation, c.counted = generation, map[int64]superseded{}
	}
	for _, k := range partitions {
		known := c.counted[k.partition]
		if known.from != k.swept || known.to < k.swept {
			known = superseded{from: k.swept, to: k.swept}
		}
		if k.horizon > known.to {
			s := r.statement()
			err := r.query(ctx, s, "select count(*) from "+s.Table("version")+" v where v.sid > "+
				s.Arg(max(known.to, k.partition<<projections.SidBits))+" and v.sid <= "+s.Arg(k.horizon)+
				" and v.supersedes <> 0", func(scan func(...any) error) error {
				more := int64(0)
				err := scan(&more)
				known.count += more
				return err
			})
			if err != nil {
				return waste, err
			}
			known.to = k.horizon
		}
		c.counted[k.partition] = known
		waste.Superseded += known.count
	}
	s := r.statement()
	err = r.query(ctx, s, "select (select count(*) from "+s.Table("sweep")+
		" w), cast(coalesce(sum(n.living), 0) as bigint) from "+s.Table("counter")+" n",
		func(scan func(...any) error) error {
			begun := int64(0)
			err := scan(&begun, &waste.Living)
			waste.Begun = begun > 0
			return err
		})
	return waste, err
}

// MoveHorizon is the statement that moves a partition's horizon; its arguments are the partition and the snapshot.
func MoveHorizon(tables string) string {
	return "update " + tables + "position set horizon = $2 where partition = $1 and horizon < $2 and next_sid > $2"
}

// BeginSweep are the statements that begin a sweep when none is under way.
func BeginSweep(tables string) []string {
	return []string{
		"update " + tables + "position set sweeping = horizon where not exists (select 1 from " + tables + "sweep)",
		"insert into " + tables + "sweep (one, stage, a, b, c) values (1, 0, 0, 0, 0) on conflict do nothing",
	}
}

// EndSweep are the statements that end a sweep.
func EndSweep(tables string) []string {
	return []string{
		"update " + tables + "position set swept = sweeping where sweeping > swept",
		"delete from " + tables + "sweep",
	}
}

// MoveSweep is the statement that moves a sweep's place; its arguments are those of SweepPlace, in order.
func MoveSweep(tables string) string {
	return "update " + tables + "sweep set stage = $1, a = $2, b = $3, c = $4"
}

// Doomed is the condition that a term row, as t, belongs to a version that the sweep under way removes.
func Doomed(tables string) string {
	return "exists (select 1 from " + tables + "closed c cross join " + tables +
		"position p where c.sid = (t.ref >> " + fmt.Sprint(keys.RefBits) + ") and p.partition = (c.by_sid >> " +
		fmt.Sprint(projections.SidBits) + ") and c.by_sid <= p.sweeping" + sql.Once + ")"
}
