package search

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/cespare/xxhash/v2"

	"binnacle/projections/index/clause"
	"binnacle/projections/index/sql"
)

// Counts remembers for a while which clauses have many rows, so that common ones are not counted by each search anew. The counts
// choose between ways to answer, never what the answer is. A nil *Counts remembers nothing. It is safe for concurrent use.
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

// recall sets the counts of accesses that are known up to a bound and returns the others.
func (c *Counts) recall(s *sql.Statement, accesses []*clause.Access, bound int) []*clause.Access {
	if c == nil {
		return accesses
	}
	now := time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	var unknown []*clause.Access
	for _, a := range accesses {
		a.Mark = mark(s.Dialect, a)
		known, there := c.seen[a.Mark]
		if there && known.bound >= bound && now.Before(known.until) {
			a.Counts(known.rows, known.rows > known.bound)
		} else {
			unknown = append(unknown, a)
		}
	}
	return unknown
}

// remember keeps the counts of what is not rare: that is counted fast.
func (c *Counts) remember(accesses []*clause.Access, few, bound int) {
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

// mark stands for what an access asks, apart from the snapshot.
func mark(d sql.Dialect, a *clause.Access) uint64 {
	s := sql.NewStatement(d)
	var h xxhash.Digest
	_, _ = h.WriteString(a.Rows(s, 0)) // a digest takes everything
	for _, arg := range s.Args {
		_, _ = fmt.Fprintf(&h, "|%v", arg)
	}
	return h.Sum64()
}

// count estimates the rows of each clause, in one statement or two, as far as the choice depends on it.
func (x ask) count() error {
	further, err := x.countFirst()
	if err == nil && further {
		err = x.countFurther()
	}
	return err
}

// countFirst counts what takes little; further tells whether the choice depends on more.
func (x ask) countFirst() (further bool, err error) {
	x.counted = true
	if err := x.countInside(x.accesses); err != nil || x.nothing != "" {
		return false, err
	}
	positive := x.counting()
	if len(positive) == 0 || x.by == orderMain && len(positive) == 1 && positive[0].InOrder() || !slices.ContainsFunc(positive, func(a *clause.Access) bool { return !a.Ordered }) {
		return false, nil
	}
	plain := slices.DeleteFunc(slices.Clone(positive), (*clause.Access).CanBeHeld)
	if err := x.countUpTo(x.Bounds.Few, plain); err != nil {
		return false, err
	}
	if least := least(plain); least != nil && least.Count <= x.Bounds.Few { // the others are asked of what it finds
		x.assumeMany()
		return false, nil
	}
	return true, nil
}

// assumeMany takes what was not counted for many.
func (x ask) assumeMany() {
	for _, a := range x.counting() {
		if a.CanBeHeld() && a.Held == nil {
			a.Count, a.Assumed = x.Bounds.Many+1, true
		}
	}
}

// countFurther reads ranges, and counts what has many rows.
func (x ask) countFurther() error {
	positive := x.counting()
	if _, err := x.holdRanges(positive, x.Bounds.Rows); err != nil {
		return err
	}
	if err := x.countUpTo(x.Bounds.Few, slices.DeleteFunc(slices.Clone(positive), func(a *clause.Access) bool { return a.Count >= 0 })); err != nil {
		return err
	}
	if least(positive).Count <= x.Bounds.Few {
		return nil
	}
	if x.by == orderMain {
		loose, ordered := 0, 0
		for _, a := range positive {
			if a.InOrder() {
				ordered++
			} else {
				loose++
			}
		}
		if loose == 0 && ordered == 1 {
			return nil
		}
	}
	if err := x.readCounted(positive); err != nil {
		return err
	}
	return x.countUpTo(x.Bounds.Many, positive)
}

// readCounted reads the sets of clauses of a few keys instead of counting these: those that turn out to have few enough rows to be read by a search are in memory
// then, and need not be counted again.
func (x *search) readCounted(accesses []*clause.Access) error {
	v := x.view()
	if v == nil {
		return nil
	}
	asked := slices.DeleteFunc(slices.Clone(accesses), func(a *clause.Access) bool {
		exact := a.Count >= 0 && !a.More && !a.Assumed
		return exact || len(a.OnRow) > 0 || len(a.AsSet()) == 0 || len(a.AsSet()) > sql.Inline
	})
	asked = x.Counts.recall(x.Statement(), asked, x.Bounds.Many)
	if len(asked) == 0 {
		return nil
	}
	var keys []int64
	for _, a := range asked {
		keys = append(keys, a.AsSet()...)
	}
	in := asked[0].Kind() // the same of all of them: none has its keys on the row
	slices.Sort(keys)
	keys = slices.Compact(keys)
	known, many, err := v.CountedSets(in, keys, x.Bounds.Many)
	if err != nil {
		return err
	}
	for _, a := range asked {
		rows := 0
		for _, key := range a.AsSet() {
			if slices.Contains(many, key) {
				rows = x.Bounds.Many + 1
				break
			}
			rows += known[key].Count
		}
		a.Counts(rows, rows > x.Bounds.Many)
	}
	x.Counts.remember(asked, x.Bounds.Few, x.Bounds.Many)
	return nil
}

// countInside counts the clauses of the groups that accesses are made of, the innermost first, and looks up the few ends of chains.
func (x ask) countInside(accesses []*clause.Access) error {
	for _, a := range accesses {
		if !a.Inside() {
			continue
		}
		var asked []*clause.Access
		for _, g := range a.Groups() {
			if err := x.countInside(g.Accesses); err != nil {
				return err
			}
			asked = append(asked, positive(g.Accesses)...)
		}
		if len(asked) > 0 {
			if err := x.countUpTo(x.Bounds.Many, asked); err != nil {
				return err
			}
		}
		if err := x.lookUp(a); err != nil {
			return err
		}
	}
	return nil
}

func (x *search) countUpTo(bound int, accesses []*clause.Access) error {
	var asked []*clause.Access
	for _, a := range accesses {
		if a.AsSet() != nil {
			if count, known := x.view().Count(a.Names()); known {
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
	if asked = x.Counts.recall(s, asked, bound); len(asked) == 0 {
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

func (x *search) countSome(bound int, asked []*clause.Access) error {
	s := x.Statement()
	s.Most = bound + 1
	parts := make([]string, len(asked))
	for i, a := range asked {
		parts[i] = fmt.Sprintf("select %d as n, count(*) from (select sid from (%s) y limit %d) z", i, a.Rows(s, x.Before()), bound+1)
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
		x.Counts.remember(asked, x.Bounds.Few, bound)
	}
	return err
}
