package sqlterms

import (
	"math/rand/v2"
	"testing"

	"github.com/RoaringBitmap/roaring/v2"
)

func TestSetsOfAllPartitionsTogetherStayWithinTheirMemory(t *testing.T) {
	const bound = 20_000
	sets := NewSets(Bounds{Memory: bound})
	random := rand.New(rand.NewPCG(1, 2))
	for round := range 2_000 {
		p, release, err := sets.of(t.Context(), int64(random.IntN(5)))
		if err != nil {
			t.Fatal(err)
		}
		name := (&access{}).in().name(int64(random.IntN(40)))
		switch random.IntN(8) {
		case 0:
			p.dropBlock(int64(random.IntN(4)))
		case 1, 2:
			p.putBlock(int64(random.IntN(4)), newMainBlock(make([]int64, random.IntN(300))))
		case 3:
			p.putRange(name, newRangeSet(&rangeSet{}, make([]rangeRow, random.IntN(100)), 7))
		default:
			has := roaring.New()
			for range random.IntN(200) {
				has.Add(random.Uint32())
			}
			p.put(name, has, 7)
		}
		p.trim()
		release()
		if used := sets.used.Load(); used > bound || used < 0 {
			t.Fatalf("%d bytes are used after %d rounds, %d are allowed", used, round, bound)
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
	if used := sets.used.Load(); used != counted || used == 0 {
		t.Errorf("%d bytes are counted, there are %d", used, counted)
	}
}
