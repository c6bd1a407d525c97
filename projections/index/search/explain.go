package search

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"binnacle/projections/index/clause"
	"binnacle/projections/index/step"
)

// choice is which way was taken to answer a search.
type choice struct {
	kind    wayKind             // of the way that was taken
	why     string              // it was taken
	weighed [wayKinds]*estimate // what decided; nil: a way that was not weighed
}

// choose notes which way is taken, and why.
func (c *choice) choose(kind wayKind, format string, args ...any) {
	c.kind, c.why = kind, fmt.Sprintf(format, args...)
}

// weigh notes what a way was expected to take when it was held against another.
func (c *choice) weigh(kind wayKind, e estimate) { c.weighed[kind] = &e }

// explain tells of every clause how many rows it has, of every way what it would cost, and which one was taken. What
// the choice did not need to know is counted now; an estimate that has decided is told as it was then.
func (x chooser) explain(limit int) (string, error) {
	done := fmt.Sprintf("%d statements, %d rows read", x.Asked, x.Rows)
	if x.Nothing != "" || x.Wanted.Limit == 0 {
		return done, nil
	}
	for _, a := range x.Accesses {
		if (a.Count < 0 || a.Assumed) && !a.Negate && a.Readable() {
			if err := x.CountUpTo(x.Bounds.Many, []*clause.Access{a}); err != nil {
				return "", err
			}
		}
	}
	clauses := make([]string, len(x.Accesses))
	for i, a := range x.Accesses {
		clauses[i] = a.Words + ": " + x.rowsWords(a)
	}
	text := done + ". "
	if len(clauses) > 0 {
		text += "Clauses: " + strings.Join(clauses, "; ") + ". "
	}
	return text + "Ways: " + strings.Join(x.waysWords(limit), "; "), nil
}

// rowsWords tells how many rows of the index a clause has, superseded ones among them, and what becomes of them.
func (x chooser) rowsWords(a *clause.Access) string {
	words := fmt.Sprintf("%d rows", a.Count)
	switch {
	case a.Negate:
		return "excludes, not counted"
	case a.Count < 0 || a.Assumed:
		return "not counted, each version is asked"
	case a.More:
		words = fmt.Sprintf("more than %d rows", a.Count-1)
	case a.Held != nil && !a.Exact:
		words = fmt.Sprintf("at most %d rows", a.Count)
	}
	switch _, known := x.View().Count(a.Names()); {
	case a.Ordered || a.Aligned && x.By == step.OrderMain:
		words += ", bounds the walk"
	case a.Once && a.Held != nil:
		words += ", read for this search"
	case a.Held != nil || a.AsSet() != nil && known:
		words += ", in memory"
	}
	return words
}

// waysWords tells of the ways in the order of their estimates.
func (x chooser) waysWords(limit int) []string {
	var over *clause.Access // the clause that is walked
	var counted []*clause.Access
	for _, a := range x.Positive() {
		if a.Count < 0 {
			continue
		}
		counted = append(counted, a)
		if (a.Ordered || a.WalkKeys() != nil && x.By == step.OrderMain) && x.walkedAtMost(a) < x.walkedAtMost(over) {
			over = a
		}
	}
	type told struct {
		kind  wayKind
		words string
		estimate
	}
	var ways []told
	tell := func(kind wayKind, e estimate, words func(e estimate) string) {
		if x.weighed[kind] != nil {
			e = *x.weighed[kind]
		}
		ways = append(ways, told{kind, words(e), e})
	}
	tell(byWalk, x.walkCost(over, limit), func(e estimate) string { return fmt.Sprintf("about %.0f rows", e.rows) })
	if least := step.Least(counted); least != nil {
		tell(bySort, x.sortCost(least), func(estimate) string {
			if least.More {
				return fmt.Sprintf("more than %d versions of %s", least.Count-1, least.Words)
			}
			return fmt.Sprintf("%d versions of %s", least.Count, least.Words)
		})
	}
	if sets, _ := x.Settable(true); len(sets) > 0 && x.Sets != nil || x.kind == byMerge {
		tell(byMerge, x.setsCost(sets, limit), func(e estimate) string {
			return fmt.Sprintf("about %.0f versions, %.0f rows to be read first", e.rows, e.unread)
		})
	}
	slices.SortStableFunc(ways, func(a, b told) int { return int(a.time - b.time) })
	words := make([]string, len(ways))
	for i, w := range ways {
		words[i] = fmt.Sprintf("%s, %s, about %v", w.kind.words(), w.words,
			time.Duration(w.time*1_000).Round(10*time.Microsecond))
		if w.kind == x.kind {
			words[i] += " (chosen: " + x.why + ")"
		}
	}
	return words
}
