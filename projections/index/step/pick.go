package step

import (
	"cmp"
	"container/heap"
	"math"
	"slices"

	"github.com/RoaringBitmap/roaring/v2"

	"binnacle/projections/index/sets"
)

// Spot is the place of a version in an order by one number.
type Spot struct{ Value, Sid int64 }

// TopSpots is a heap whose first is the one that comes last in the order.
type TopSpots struct {
	list       []Spot
	Descending bool
}

func (t *TopSpots) Len() int           { return len(t.list) }
func (t *TopSpots) Swap(i, j int)      { t.list[i], t.list[j] = t.list[j], t.list[i] }
func (t *TopSpots) Less(i, j int) bool { return t.Before(t.list[j], t.list[i]) }
func (t *TopSpots) Push(v any)         { t.list = append(t.list, v.(Spot)) } //nolint:forcetypeassert // heap.Interface
func (t *TopSpots) Pop() any           { panic("a place is only ever replaced") }

func (t *TopSpots) Before(a, b Spot) bool {
	c := cmp.Or(cmp.Compare(a.Value, b.Value), cmp.Compare(a.Sid, b.Sid))
	if t.Descending {
		return c > 0
	}
	return c < 0
}

// comes tells whether a value comes before another one.
func (t *TopSpots) comes(a, b int64) bool { return a < b != t.Descending && a != b }

// outside tells whether none of the places with values between two is among the first n beyond a place and within
// bounds.
func (t *TopSpots) outside(values sets.Interval, n int, beyond *Spot, within sets.Interval) bool {
	first, last := values.Low, values.High
	if t.Descending {
		first, last = last, first
	}
	return values.High < within.Low || values.Low > within.High ||
		len(t.list) == n && t.comes(t.list[0].Value, first) || beyond != nil && t.comes(last, beyond.Value)
}

// firstOf returns up to n of the versions that come first in an order by main date, or by Sid when there are no main
// dates, beyond a place.
func (t *Intersection) firstOf(n int, o Order, beyond *Spot, within sets.Interval) []Spot {
	top := TopSpots{Descending: o.Descending, list: make([]Spot, 0, n)}
	each := roaring.IntIterable(t.Found.Iterator())
	if o.Descending { // dates mostly ascend with the Sids: what comes first is met first
		each = t.Found.ReverseIterator()
	}
	group, outside := uint32(math.MaxUint32), false
	block, rest := uint32(math.MaxUint32), t.Main.Rest(o.Descending)
	for each.HasNext() {
		if t.Main == nil && len(top.list) == n {
			break
		}
		bits := each.Next()
		place := Spot{Sid: t.First + int64(bits)}
		if t.Main != nil {
			if bits/sets.BlockSids != block {
				// what shares its value is met later and comes later
				if block = bits / sets.BlockSids; len(top.list) == n && !top.comes(rest[block], top.list[0].Value) {
					break
				}
			}
			if bits/sets.GroupSids != group {
				group = bits / sets.GroupSids
				outside = top.outside(t.Main.Group(bits), n, beyond, within)
			}
			if outside {
				continue
			}
			place.Value = t.Main.Of(bits)
		}
		if beyond != nil && !top.Before(*beyond, place) {
			continue
		}
		if t.Main != nil && (place.Value < within.Low || place.Value > within.High) {
			continue
		}
		if len(top.list) < n {
			heap.Push(&top, place)
		} else if top.Before(place, top.list[0]) {
			top.list[0] = place
			heap.Fix(&top, 0)
		}
	}
	slices.SortFunc(top.list, func(a, b Spot) int {
		if top.Before(a, b) {
			return -1
		}
		return 1
	})
	return top.list
}

// Pick answers with the versions that Intersect has found: those that come first in the order are checked for the
// clauses that are left, some at a time, until the page is full.
func (x Ask) Pick(t *Intersection, o Order, phase Phase, resume bool, limit int) ([]Match, error) {
	var beyond *Spot
	if resume {
		beyond = &Spot{Sid: x.After.Sid}
		if t.Main != nil {
			beyond.Value = x.Last.Main
		}
	}
	x = x.With(t.Left)
	within := x.MainBetween(nil)
	var page []Match
	n := limit
	if len(t.Left) > 0 {
		n += limit
	}
	for {
		spots := t.firstOf(n, o, beyond, within)
		candidates := make([]Candidate, len(spots))
		for i := range spots {
			candidates[i].Sid = spots[i].Sid
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
		page[i].Phase = phase
	}
	return page, nil
}

// pickedAtOnce is how many versions are checked by one statement.
const pickedAtOnce = 5_000
