package search

import (
	"slices"

	"binnacle/projections/index/clause"
	"binnacle/projections/index/sql"
	"binnacle/projections/index/step"
)

// count estimates the rows of each clause, in one statement or two, as far as the choice depends on it.
func (x chooser) count() error {
	further, err := x.countFirst()
	if err == nil && further {
		err = x.countFurther()
	}
	return err
}

// countFirst counts what takes little; further tells whether the choice depends on more.
func (x chooser) countFirst() (further bool, err error) {
	x.Counted = true
	if err := x.countInside(x.Accesses); err != nil || x.Nothing != "" {
		return false, err
	}
	positive := x.Counting()
	if len(positive) == 0 || x.By == step.OrderMain && len(positive) == 1 && positive[0].InOrder() ||
		!slices.ContainsFunc(positive, func(a *clause.Access) bool {
			return !a.Ordered
		}) {
		return false, nil
	}
	plain := slices.DeleteFunc(slices.Clone(positive), (*clause.Access).CanBeHeld)
	if err := x.CountUpTo(x.Bounds.Few, plain); err != nil {
		return false, err
	}
	// the others are asked of what it finds
	if least := step.Least(plain); least != nil && least.Count <= x.Bounds.Few {
		x.assumeMany()
		return false, nil
	}
	return true, nil
}

// assumeMany takes what was not counted for many.
func (x chooser) assumeMany() {
	for _, a := range x.Counting() {
		if a.CanBeHeld() && a.Held == nil {
			a.Count, a.Assumed = x.Bounds.Many+1, true
		}
	}
}

// countFurther reads ranges, and counts what has many rows.
func (x chooser) countFurther() error {
	positive := x.Counting()
	if _, err := x.holdRanges(positive, x.Bounds.Rows); err != nil {
		return err
	}
	if err := x.CountUpTo(x.Bounds.Few, slices.DeleteFunc(slices.Clone(positive),
		func(a *clause.Access) bool { return a.Count >= 0 })); err != nil {
		return err
	}
	if step.Least(positive).Count <= x.Bounds.Few {
		return nil
	}
	if x.By == step.OrderMain {
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
	return x.CountUpTo(x.Bounds.Many, positive)
}

// readCounted reads the sets of clauses of a few keys instead of counting these: those that turn out to have few enough
// rows to be read by a search are in memory then, and need not be counted again.
func (x chooser) readCounted(accesses []*clause.Access) error {
	v := x.View()
	if v == nil {
		return nil
	}
	asked := slices.DeleteFunc(slices.Clone(accesses), func(a *clause.Access) bool {
		exact := a.Count >= 0 && !a.More && !a.Assumed
		return exact || len(a.OnRow) > 0 || len(a.AsSet()) == 0 || len(a.AsSet()) > sql.Inline
	})
	asked = x.Counts.Recall(x.Statement(), asked, x.Bounds.Many)
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
	x.Counts.Remember(asked, x.Bounds.Few, x.Bounds.Many)
	return nil
}

// countInside counts the clauses of the groups that accesses are made of, the innermost first, and looks up the few
// ends of chains.
func (x chooser) countInside(accesses []*clause.Access) error {
	for _, a := range accesses {
		if !a.Inside() {
			continue
		}
		var asked []*clause.Access
		for _, g := range a.Groups() {
			if err := x.countInside(g.Accesses); err != nil {
				return err
			}
			asked = append(asked, step.Positive(g.Accesses)...)
		}
		if len(asked) > 0 {
			if err := x.CountUpTo(x.Bounds.Many, asked); err != nil {
				return err
			}
		}
		if err := x.lookUp(a); err != nil {
			return err
		}
	}
	return nil
}
