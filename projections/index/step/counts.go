package step

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/cespare/xxhash/v2"

	"binnacle/projections/index/clause"
	"binnacle/projections/index/sql"
)

// Counts remembers for a while which clauses have many rows, so that common ones are not counted by each search anew.
// The counts choose between ways to answer, never what the answer is. A nil *Counts remembers nothing. It is safe for
// concurrent use.
type Counts struct {
	mu   sync.Mutex
	seen map[uint64]counted
}

type counted struct {
	rows, bound int // rows is bound+1 when there are more
	until       time.Time
}

const (
	countsKept  = time.Minute
	countsBound = 10_000 // clauses; about 100 bytes each
)

// NewCounts returns a Counts that remembers nothing yet.
func NewCounts() *Counts { return &Counts{seen: map[uint64]counted{}} }

// Recall sets the counts of accesses that are known up to a bound and returns the others.
func (c *Counts) Recall(s *sql.Statement, accesses []*clause.Access, bound int) []*clause.Access {
	if c == nil {
		return accesses
	}
	now := time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	var unknown []*clause.Access
	for _, a := range accesses {
		a.Mark = Mark(s.Dialect, a)
		known, there := c.seen[a.Mark]
		if there && known.bound >= bound && now.Before(known.until) {
			a.Counts(known.rows, known.rows > known.bound)
		} else {
			unknown = append(unknown, a)
		}
	}
	return unknown
}

// Remember keeps the counts of what is not rare: that is counted fast.
func (c *Counts) Remember(accesses []*clause.Access, few, bound int) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.seen) > countsBound {
		clear(c.seen)
	}
	for _, a := range accesses {
		if a.Count > few {
			c.seen[a.Mark] = counted{a.Count, bound, time.Now().Add(countsKept)}
		}
	}
}

// Mark stands for what an access asks, apart from the snapshot.
func Mark(d sql.Dialect, a *clause.Access) uint64 {
	s := sql.NewStatement(d)
	var h xxhash.Digest
	_, _ = h.WriteString(a.Rows(s, 0)) // a digest takes everything
	for _, arg := range s.Args {
		_, _ = fmt.Fprintf(&h, "|%v", arg)
	}
	return h.Sum64()
}

func (x *Whole) CountUpTo(bound int, accesses []*clause.Access) error {
	var asked []*clause.Access
	for _, a := range accesses {
		if a.AsSet() != nil {
			if count, known := x.View().Count(a.Names()); known {
				a.Counts(count, false)
				continue
			}
		}
		switch {
		case a.Held != nil:
		case a.ByID:
			a.Counts(len(a.Sids), false)
		case a.Readable():
			asked = append(asked, a)
		default:
			a.Count, a.Assumed = bound+1, true
		}
	}
	s := x.Statement()
	if asked = x.Counts.Recall(s, asked, bound); len(asked) == 0 {
		return nil
	}
	for len(asked) > 0 {
		some := asked[:min(len(asked), countsAtOnce)]
		if err := x.countSome(bound, some); err != nil {
			return err
		}
		asked = asked[len(some):]
	}
	return nil
}

// countsAtOnce is how many clauses one statement counts; SQLite takes 500 parts of a UNION.
const countsAtOnce = 50

func (x *Whole) countSome(bound int, asked []*clause.Access) error {
	s := x.Statement()
	s.Most = bound + 1
	parts := make([]string, len(asked))
	for i, a := range asked {
		parts[i] = fmt.Sprintf("select %d as n, count(*) from (select sid from (%s) y limit %d) z", i,
			a.Rows(s, x.Before()), bound+1)
	}
	var n, count int64
	err := x.Query(s, strings.Join(parts, " union all "), func(scan func(...any) error) error {
		if err := scan(&n, &count); err != nil {
			return err
		}
		asked[n].Counts(int(count), int(count) > bound)
		return nil
	})
	if err == nil {
		x.Counts.Remember(asked, x.Bounds.Few, bound)
	}
	return err
}
