package sqlterms

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/cespare/xxhash/v2"

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
func (c *Counts) recall(s *sql.Statement, accesses []*access, bound int) []*access {
	if c == nil {
		return accesses
	}
	now := time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	var unknown []*access
	for _, a := range accesses {
		a.mark = mark(s.Dialect, a)
		known, there := c.seen[a.mark]
		if there && known.bound >= bound && now.Before(known.until) {
			a.counts(known.rows, known.rows > known.bound)
		} else {
			unknown = append(unknown, a)
		}
	}
	return unknown
}

// remember keeps the counts of what is not rare: that is counted fast.
func (c *Counts) remember(accesses []*access, few, bound int) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.seen) > countsBound {
		clear(c.seen)
	}
	for _, a := range accesses {
		if a.count > few {
			c.seen[a.mark] = counted{a.count, bound, time.Now().Add(countsKept)}
		}
	}
}

// mark stands for what an access asks, apart from the snapshot.
func mark(d sql.Dialect, a *access) uint64 {
	s := sql.NewStatement(d)
	var h xxhash.Digest
	_, _ = h.WriteString(a.rows(s, 0)) // a digest takes everything
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
	if len(positive) == 0 || x.by == orderMain && len(positive) == 1 && positive[0].inOrder() || !slices.ContainsFunc(positive, func(a *access) bool { return !a.ordered }) {
		return false, nil
	}
	plain := slices.DeleteFunc(slices.Clone(positive), (*access).canBeHeld)
	if err := x.countUpTo(x.Bounds.Few, plain); err != nil {
		return false, err
	}
	if least := least(plain); least != nil && least.count <= x.Bounds.Few { // the others are asked of what it finds
		x.assumeMany()
		return false, nil
	}
	return true, nil
}

// assumeMany takes what was not counted for many.
func (x ask) assumeMany() {
	for _, a := range x.counting() {
		if a.canBeHeld() && a.held == nil {
			a.count, a.assumed = x.Bounds.Many+1, true
		}
	}
}

// countFurther reads ranges, and counts what has many rows.
func (x ask) countFurther() error {
	positive := x.counting()
	if _, err := x.holdRanges(positive, x.Bounds.Rows); err != nil {
		return err
	}
	if err := x.countUpTo(x.Bounds.Few, slices.DeleteFunc(slices.Clone(positive), func(a *access) bool { return a.count >= 0 })); err != nil {
		return err
	}
	if least(positive).count <= x.Bounds.Few {
		return nil
	}
	if x.by == orderMain {
		loose, ordered := 0, 0
		for _, a := range positive {
			if a.inOrder() {
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
func (x *search) readCounted(accesses []*access) error {
	v := x.view()
	if v == nil {
		return nil
	}
	asked := slices.DeleteFunc(slices.Clone(accesses), func(a *access) bool {
		exact := a.count >= 0 && !a.more && !a.assumed
		return exact || len(a.onRow) > 0 || len(a.asSet()) == 0 || len(a.asSet()) > sql.Inline
	})
	asked = x.Counts.recall(x.Statement(), asked, x.Bounds.Many)
	if len(asked) == 0 {
		return nil
	}
	var keys []int64
	for _, a := range asked {
		keys = append(keys, a.asSet()...)
	}
	in := asked[0].in() // the same of all of them: none has its keys on the row
	slices.Sort(keys)
	keys = slices.Compact(keys)
	known, many, err := v.CountedSets(in, keys, x.Bounds.Many)
	if err != nil {
		return err
	}
	for _, a := range asked {
		rows := 0
		for _, key := range a.asSet() {
			if slices.Contains(many, key) {
				rows = x.Bounds.Many + 1
				break
			}
			rows += known[key].Count
		}
		a.counts(rows, rows > x.Bounds.Many)
	}
	x.Counts.remember(asked, x.Bounds.Few, x.Bounds.Many)
	return nil
}

// countInside counts the clauses of the groups that accesses are made of, the innermost first, and looks up the few ends of chains.
func (x ask) countInside(accesses []*access) error {
	for _, a := range accesses {
		if !a.inside() {
			continue
		}
		var asked []*access
		for _, g := range a.groups() {
			if err := x.countInside(g.accesses); err != nil {
				return err
			}
			asked = append(asked, positive(g.accesses)...)
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

func (x *search) countUpTo(bound int, accesses []*access) error {
	var asked []*access
	for _, a := range accesses {
		if a.asSet() != nil {
			if count, known := x.view().Count(a.names()); known {
				a.counts(count, false)
				continue
			}
		}
		switch {
		case a.held != nil:
		case a.byID:
			a.counts(len(a.sids), false)
		case a.readable():
			asked = append(asked, a)
		default:
			a.count, a.assumed = bound+1, true
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

func (x *search) countSome(bound int, asked []*access) error {
	s := x.Statement()
	s.Most = bound + 1
	parts := make([]string, len(asked))
	for i, a := range asked {
		parts[i] = fmt.Sprintf("select %d as n, count(*) from (select sid from (%s) y limit %d) z", i, a.rows(s, x.Before()), bound+1)
	}
	var n, count int64
	err := x.Query(s, strings.Join(parts, " union all "), func(scan func(...any) error) error {
		if err := scan(&n, &count); err != nil {
			return err
		}
		asked[n].counts(int(count), int(count) > bound)
		return nil
	})
	if err == nil {
		x.Counts.remember(asked, x.Bounds.Few, bound)
	}
	return err
}
