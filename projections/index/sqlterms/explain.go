package sqlterms

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// way is one of the ways to answer that the planner chooses from.
type way uint8

const (
	noWay   way = iota
	byWalk      // an order is walked, and each version asked for what no bound tells, until the page is full
	bySort      // all versions of a clause are read and sorted
	byMerge     // sets are combined, and the first of the matches picked
)

func (w way) words() string {
	return [...]string{"none", "walk the order", "read and sort", "combine sets"}[w]
}

// choose notes which way is taken, and why.
func (x *search) choose(w way, format string, args ...any) {
	x.chosen, x.reason = w, fmt.Sprintf(format, args...)
}

// counts sets what is known of the rows of a clause; more tells that there are more.
func (a *access) counts(rows int, more bool) { a.count, a.more, a.assumed = rows, more, false }

// explain tells of every clause how many rows it has, of every way what it would cost, and which one was taken. What the choice did not need to
// know is counted now.
func (x ask) explain(limit int) (string, error) {
	done := fmt.Sprintf("%d statements, %d rows read", x.Asked, x.Rows)
	if x.nothing != "" || x.q.Limit == 0 {
		return done, nil
	}
	for _, a := range x.accesses {
		if (a.count < 0 || a.assumed) && !a.negate && a.readable() {
			if err := x.countUpTo(x.Bounds.Many, []*access{a}); err != nil {
				return "", err
			}
		}
	}
	clauses := make([]string, len(x.accesses))
	for i, a := range x.accesses {
		clauses[i] = a.words + ": " + x.rowsWords(a)
	}
	text := done + ". "
	if len(clauses) > 0 {
		text += "Clauses: " + strings.Join(clauses, "; ") + ". "
	}
	return text + "Ways: " + strings.Join(x.waysWords(limit), "; "), nil
}

// rowsWords tells how many rows of the index a clause has, superseded ones among them, and what becomes of them.
func (x *search) rowsWords(a *access) string {
	words := fmt.Sprintf("%d rows", a.count)
	switch {
	case a.negate:
		return "excludes, not counted"
	case a.count < 0 || a.assumed:
		return "not counted, each version is asked"
	case a.more:
		words = fmt.Sprintf("more than %d rows", a.count-1)
	case a.held != nil && !a.exact:
		words = fmt.Sprintf("at most %d rows", a.count)
	}
	switch _, known := x.view().count(a.names()); {
	case a.ordered || a.aligned && x.byMain:
		words += ", bounds the walk"
	case a.once && a.held != nil:
		words += ", read for this search"
	case a.held != nil || a.asSet() != nil && known:
		words += ", in memory"
	}
	return words
}

// waysWords tells of the ways in the order of their estimated costs.
func (x ask) waysWords(limit int) []string {
	type cost struct {
		way   way
		words string
		time  float64 // microseconds
	}
	var ways []cost
	positive := x.positive()
	matches, all := x.expected(positive), float64(max(x.living, 0))
	rows, over := all, (*access)(nil)
	for _, a := range positive {
		if a.count >= 0 && (a.ordered || a.walkKeys() != nil && x.byMain) && x.likely(a) < rows {
			rows, over = x.likely(a), a
		}
	}
	walked := min(rows, float64(limit)*rows/max(min(matches, rows), 1))
	ways = append(ways, cost{byWalk, fmt.Sprintf("about %.0f rows", walked), walked * x.walkedRow(over)})
	if least := x.least(slices.DeleteFunc(slices.Clone(positive), func(a *access) bool { return a.count < 0 })); least != nil {
		words := fmt.Sprintf("%d versions of %s", least.count, least.words)
		if least.more {
			words = fmt.Sprintf("more than %d versions of %s", least.count-1, least.words)
		}
		ways = append(ways, cost{bySort, words, x.sortCost(least)})
	}
	if sets, _ := x.settable(true); len(sets) > 0 && x.Sets != nil || x.chosen == byMerge {
		unread := 0
		for _, a := range sets {
			if _, known := x.view().count(a.names()); !known && a.held == nil {
				unread += int(x.likely(a))
			}
		}
		time := float64(unread)*setRow + min(matches, float64(limit))*walkedRow
		asked := min(x.expected(sets), float64(limit)*x.expected(sets)/max(matches, 1))
		for _, a := range positive {
			if !slices.Contains(sets, a) {
				time += asked * a.probeCost()
			}
		}
		if x.byMain || x.byUpdated {
			time += matches * setMember
		} else {
			time += matches * sortedRow
		}
		ways = append(ways, cost{byMerge, fmt.Sprintf("about %.0f versions, %d rows to be read first", matches, unread), time})
	}
	slices.SortStableFunc(ways, func(a, b cost) int { return int(a.time - b.time) })
	words := make([]string, len(ways))
	for i, w := range ways {
		words[i] = fmt.Sprintf("%s, %s, about %v", w.way.words(), w.words, time.Duration(w.time*1_000).Round(10*time.Microsecond))
		if w.way == x.chosen {
			words[i] += " (chosen: " + x.reason + ")"
		}
	}
	return words
}

// expected is how many versions of the type clauses have together, if they do not depend on each other.
func (x *search) expected(clauses []*access) float64 {
	all := float64(max(x.rowsOfType(), 1))
	matches := all
	for _, a := range clauses {
		if a.count >= 0 {
			matches *= min(x.likely(a)/all, 1)
		}
	}
	return matches
}
