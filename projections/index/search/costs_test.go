package search

import (
	"math"
	"testing"

	"binnacle/projections"
	"binnacle/projections/index/clause"
	"binnacle/projections/index/step"
)

// estimated is an ask over a type with so many current resources, by main date.
func estimated(living int64, accesses ...*clause.Access) chooser {
	whole := step.Ask{Whole: &step.Whole{Wanted: &projections.Query{}, Living: living}, Accesses: accesses,
		By: step.OrderMain}
	return chooser{whole, &choice{}}
}

// countedClause is a clause of a key with so many rows; more: there are more.
func countedClause(rows int, more bool) *clause.Access {
	a := clause.New("")
	a.AddKey(1)
	a.Counts(rows, more)
	return a
}

func TestAWalkIsEstimatedByHowManyMatch(t *testing.T) {
	half, rare := countedClause(5_000, false), countedClause(100, false)
	for _, c := range []struct {
		name       string
		x          chooser
		over       *clause.Access
		rows, time float64
	}{
		{"nothing is asked: a page", estimated(10_000), nil, 50, 50 * walkedRow},
		{"half match: two pages, each row asked", estimated(10_000, half), nil, 100, 100 * (walkedRow + keyProbe)},
		{"over the rows of the clause: a page, nothing is asked", estimated(10_000, half), half, 50, 50 * walkedRow},
		{"a page is never filled: all rows", estimated(10_000, half, rare), nil, 10_000,
			10_000 * (walkedRow + 2*keyProbe)},
		{"over the rare ones: all of them", estimated(10_000, half, rare), rare, 100, 100 * (walkedRow + keyProbe)},
	} {
		if got := c.x.walkCost(c.over, 50); math.Abs(got.rows-c.rows) > 0.5 || math.Abs(got.time-c.time) > 0.5 {
			t.Errorf("%s: got %.1f rows in %.1f µs, want %.1f in %.1f", c.name, got.rows, got.time, c.rows, c.time)
		}
	}
}

func TestWhatWasCountedUpToABoundIsTakenForMore(t *testing.T) {
	assumed := countedClause(10_000, false)
	assumed.Assumed = true
	x := estimated(1_000_000)
	for _, c := range []struct {
		a    *clause.Access
		want float64
	}{
		{countedClause(300, false), 300},
		{countedClause(10_000, true), 100_000}, // the geometric middle between what is known and all of the type
		{countedClause(-1, false), 500_000},
		{assumed, 100_000},
	} {
		if got := x.likely(c.a); got != c.want {
			t.Errorf("of %d rows (more: %v) got %.0f, want %.0f", c.a.Count, c.a.More, got, c.want)
		}
	}
}

func TestAWalkIsHeldAgainstASort(t *testing.T) {
	for _, c := range []struct {
		name   string
		living int64
		driver *clause.Access
		by     step.OrderBy
		want   bool
	}{
		{"most match: the walk soon fills a page", 5_000, countedClause(4_000, false), step.OrderString, true},
		{"few match: they are sorted", 1_000_000, countedClause(600, false), step.OrderString, false},
		{"many match, but they may stand at the end of the order", 1_000_000, countedClause(5_000, false),
			step.OrderString,
			false},
		{"no more than a page", 5_000, countedClause(50, false), step.OrderString, false},
		{"nothing is known of the type", -1, countedClause(4_000, false), step.OrderString, false},
	} {
		x := estimated(c.living, c.driver)
		x.By = c.by
		if got := x.walkCostsLess(c.driver, 50); got != c.want {
			t.Errorf("%s: got %v, want %v", c.name, got, c.want)
		}
		if weighed := x.weighed[byWalk] != nil; weighed != (c.living > 0 && c.driver.Count > 50) {
			t.Errorf("%s: the walk was weighed: %v", c.name, weighed)
		}
	}
}

func TestTheLastWayIsAlwaysThere(t *testing.T) {
	all := ways
	for i, w := range all {
		if w.kind == noWay || w.may == nil || w.run == nil {
			t.Errorf("the way %d is not whole", i)
		}
	}
	if last := all[len(all)-1]; last.kind != byWalk || !last.may(&plan{}) {
		t.Errorf("the last way does not answer everything")
	}
}
