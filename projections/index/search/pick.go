package search

import (
	"cmp"
	"container/heap"
	"math"
	"slices"

	"github.com/RoaringBitmap/roaring/v2"

	"binnacle/projections/index/sets"
)

// spot is the place of a version in an order by one number.
type spot struct{ value, sid int64 }

// topSpots is a heap whose first is the one that comes last in the order.
type topSpots struct {
	list       []spot
	descending bool
}

func (t *topSpots) Len() int           { return len(t.list) }
func (t *topSpots) Swap(i, j int)      { t.list[i], t.list[j] = t.list[j], t.list[i] }
func (t *topSpots) Less(i, j int) bool { return t.before(t.list[j], t.list[i]) }
func (t *topSpots) Push(v any)         { t.list = append(t.list, v.(spot)) } //nolint:forcetypeassert // heap.Interface
func (t *topSpots) Pop() any           { panic("a place is only ever replaced") }

func (t *topSpots) before(a, b spot) bool {
	c := cmp.Or(cmp.Compare(a.value, b.value), cmp.Compare(a.sid, b.sid))
	if t.descending {
		return c > 0
	}
	return c < 0
}

// comes tells whether a value comes before another one.
func (t *topSpots) comes(a, b int64) bool { return a < b != t.descending && a != b }

// outside tells whether none of the places with values between two is among the first n beyond a place and within bounds.
func (t *topSpots) outside(values sets.Interval, n int, beyond *spot, within sets.Interval) bool {
	first, last := values.Low, values.High
	if t.descending {
		first, last = last, first
	}
	return values.High < within.Low || values.Low > within.High || len(t.list) == n && t.comes(t.list[0].value, first) || beyond != nil && t.comes(last, beyond.value)
}

// firstOf returns up to n of the versions that come first in an order by main date, or by Sid when there are no main dates, beyond a place.
func (t *intersection) firstOf(n int, o order, beyond *spot, within sets.Interval) []spot {
	top := topSpots{descending: o.descending, list: make([]spot, 0, n)}
	each := roaring.IntIterable(t.found.Iterator())
	if o.descending { // dates mostly ascend with the Sids: what comes first is met first
		each = t.found.ReverseIterator()
	}
	group, outside := uint32(math.MaxUint32), false
	block, rest := uint32(math.MaxUint32), t.main.Rest(o.descending)
	for each.HasNext() {
		if t.main == nil && len(top.list) == n {
			break
		}
		bits := each.Next()
		place := spot{sid: t.first + int64(bits)}
		if t.main != nil {
			if bits/sets.BlockSids != block {
				if block = bits / sets.BlockSids; len(top.list) == n && !top.comes(rest[block], top.list[0].value) { // what shares its value is met later and comes later
					break
				}
			}
			if bits/sets.GroupSids != group {
				group = bits / sets.GroupSids
				outside = top.outside(t.main.Group(bits), n, beyond, within)
			}
			if outside {
				continue
			}
			place.value = t.main.Of(bits)
		}
		if beyond != nil && !top.before(*beyond, place) {
			continue
		}
		if t.main != nil && (place.value < within.Low || place.value > within.High) {
			continue
		}
		if len(top.list) < n {
			heap.Push(&top, place)
		} else if top.before(place, top.list[0]) {
			top.list[0] = place
			heap.Fix(&top, 0)
		}
	}
	slices.SortFunc(top.list, func(a, b spot) int {
		if top.before(a, b) {
			return -1
		}
		return 1
	})
	return top.list
}

// pick answers with the versions that intersect has found: those that come first in the order are checked for the clauses that are left, some
// at a time, until the page is full.
func (x ask) pick(t *intersection, o order, phase phase, resume bool, limit int) ([]match, error) {
	var beyond *spot
	if resume {
		beyond = &spot{sid: x.after.sid}
		if t.main != nil {
			beyond.value = x.last.main
		}
	}
	x = x.with(t.left)
	within := x.bounds(nil)
	var page []match
	n := limit
	if len(t.left) > 0 {
		n += limit
	}
	for {
		spots := t.firstOf(n, o, beyond, within)
		candidates := make([]candidate, len(spots))
		for i := range spots {
			candidates[i].sid = spots[i].sid
		}
		found, err := x.loadChecked(candidates)
		if err != nil {
			return nil, err
		}
		page = append(page, found...)
		if len(page) >= limit || len(spots) < n {
			break
		}
		beyond = &spots[len(spots)-1]
		n = min(8*n, pickedAtOnce)
	}
	page = page[:min(len(page), limit)]
	for i := range page {
		page[i].phase = phase
	}
	return page, nil
}

// pickedAtOnce is how many versions are checked by one statement.
const pickedAtOnce = 5_000
