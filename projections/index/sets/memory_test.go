package sets

import (
	"math/rand/v2"
	"testing"

	"github.com/RoaringBitmap/roaring/v2"

	"binnacle/projections/index/sql"
)

func TestSetsOfAllPartitionsTogetherStayWithinTheirMemory(t *testing.T) {
	const bound = 20_000
	sets := New(nil, Bounds{Memory: bound})
	random := rand.New(rand.NewPCG(1, 2))
	for round := range 2_000 {
		v := sets.Open(&sql.At{Partition: int64(random.IntN(5))})
		name := Kind{Table: TermTable}.Name(int64(random.IntN(40)))
		v.keep(func(p *partition) {
			switch random.IntN(8) {
			case 0:
				p.dropBlock(int64(random.IntN(4)))
			case 1, 2:
				p.putBlock(int64(random.IntN(4)), NewBlock(make([]int64, random.IntN(300))))
			case 3:
				p.putRange(name, NewRange(&Range{}, make([]RangeRow, random.IntN(100)), 7))
			default:
				has := roaring.New()
				for range random.IntN(200) {
					has.Add(random.Uint32())
				}
				p.put(name, NewSet(has, 7))
			}
		})
		if sets.used > bound || sets.used < 0 {
			t.Fatalf("%d bytes are used after %d rounds, %d are allowed", sets.used, round, bound)
		}
	}
	var counted int64
	for _, p := range sets.partitions {
		for _, k := range p.keys {
			counted += k.bytes
		}
		for _, r := range p.ranges {
			counted += r.bytes()
		}
		for _, b := range p.mains {
			counted += b.bytes()
		}
	}
	if sets.used != counted || counted == 0 {
		t.Errorf("%d bytes are counted, there are %d", sets.used, counted)
	}
}
