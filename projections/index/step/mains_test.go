package step

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/RoaringBitmap/roaring/v2"

	"binnacle/projections"
	"binnacle/projections/index/sets"
)

func TestTheFirstByMainDateAreThoseThatSortingFindsWhateverIsPassedOver(t *testing.T) {
	const versions = 2*sets.BlockSids + 300
	random := rand.New(rand.NewPCG(1, 2))
	dates := make([]int64, versions)
	for i := range dates {
		switch random.IntN(20) {
		case 0:
			dates[i] = projections.MinTime
		default: // as in records: runs of versions that ascend, and many that share a date
			dates[i] = int64(i%700/5)*1_000_000 + int64(random.IntN(3))*1_000_000
		}
	}
	var blocks sets.Mains
	for block := range slices.Chunk(dates, sets.BlockSids) {
		blocks = append(blocks, sets.NewBlock(block))
	}
	for round := range 300 {
		found := roaring.New()
		for range random.IntN(4_000) {
			found.Add(uint32(random.IntN(versions)))
		}
		found.AddRange(uint64(random.IntN(versions)), uint64(random.IntN(versions)))
		o := Order{By: OrderMain, Descending: random.IntN(2) == 0}
		var beyond *Spot
		if random.IntN(2) == 0 {
			sid := random.IntN(versions)
			beyond = &Spot{dates[sid], int64(sid)}
		}
		within := sets.Interval{Low: math.MinInt64, High: math.MaxInt64}
		if random.IntN(3) == 0 {
			within = sets.Interval{Low: int64(random.IntN(70)) * 1_000_000, High: int64(70+random.IntN(70)) * 1_000_000}
		}
		compare := func(a, b Spot) int {
			c := cmp.Or(cmp.Compare(a.Value, b.Value), cmp.Compare(a.Sid, b.Sid))
			if o.Descending {
				return -c
			}
			return c
		}
		var want []Spot
		for i := found.Iterator(); i.HasNext(); {
			sid := i.Next()
			place := Spot{dates[sid], int64(sid)}
			if (beyond == nil || compare(*beyond, place) < 0) && place.Value >= within.Low &&
				place.Value <= within.High {
				want = append(want, place)
			}
		}
		slices.SortFunc(want, compare)
		n := 1 + random.IntN(60)
		want = want[:min(len(want), n)]
		if got := (&Intersection{Found: found, Main: blocks}).firstOf(n, o, beyond, within); !slices.Equal(got, want) {
			t.Fatalf("round %d: the first %d of %d, descending %v, beyond %v, within %v, are\n%v, want\n%v", round, n,
				found.GetCardinality(), o.Descending, beyond, within, got, want)
		}
	}
}
