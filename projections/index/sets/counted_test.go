package sets

import (
	"encoding/binary"
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/RoaringBitmap/roaring/v2"

	"binnacle/projections/index/sql"
)

// reachable is how many bytes are reachable.
func reachable() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC() // what a finalizer or a pool has held
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// of is a bitmap of so many versions among the first so many.
func of(random *rand.Rand, count int, among uint32) *roaring.Bitmap {
	numbers := make([]uint32, count)
	for i := range numbers {
		numbers[i] = random.Uint32N(among)
	}
	return BitmapOf(numbers)
}

// kinds puts one of each kind of what is held, the n-th of them.
func kinds(random *rand.Rand) map[string]func(v *View, p *partition, n int) {
	terms := Kind{Table: TermTable}
	dates := make([]int64, BlockSids)
	for i := range dates {
		dates[i] = random.Int64N(1 << 40)
	}
	return map[string]func(v *View, p *partition, n int){
		"rare keys": func(_ *View, p *partition, n int) {
			p.put(terms.Name(int64(n)), NewSet(of(random, 3, 1<<20), 7))
		},
		"keys of a thousand versions": func(_ *View, p *partition, n int) {
			p.put(terms.Name(int64(n)), NewSet(of(random, 1_000, 1<<20), 7))
		},
		"common keys": func(_ *View, p *partition, n int) {
			p.put(terms.Name(int64(n)), NewSet(of(random, 100_000, 1<<20), 7))
		},
		"what is superseded": func(_ *View, p *partition, n int) {
			p.putClosed(of(random, 20_000*(n%7+1), 1<<20), int64(n))
		},
		"few rows of ranges": func(_ *View, p *partition, n int) {
			p.putRange(terms.Name(int64(n)), NewRange(&Range{}, make([]RangeRow, 5), 7))
		},
		"rows of ranges": func(_ *View, p *partition, n int) {
			p.putRange(terms.Name(int64(n)), NewRange(&Range{}, make([]RangeRow, 5_000), 7))
		},
		"main dates in steps": func(_ *View, p *partition, n int) {
			p.putBlock(int64(n), NewBlock([]int64{1_000_000, 2_000_000}))
		},
		"main dates": func(_ *View, p *partition, n int) { p.putBlock(int64(n), NewBlock(dates)) },
		"strings": func(_ *View, p *partition, n int) {
			w := newWords(7, 1<<20)
			for range 5_000 {
				w.add(binary.BigEndian.AppendUint64(nil, random.Uint64()))
			}
			p.putWords(int64(n), w)
		},
		"what was asked for once": func(v *View, p *partition, n int) { v.again(terms.Name(int64(n))) },
		"rows of types":           func(_ *View, p *partition, n int) { p.types.put(p, int64(n), TypeRows{}) },
		"rows that come first":    func(_ *View, p *partition, n int) { p.passed.put(p, int64(n), 7) },
	}
}

func TestMemoryOfEachKindIsCountedAndBounded(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for kind, put := range kinds(random) {
		t.Run(kind, func(t *testing.T) {
			const bound = 4 << 20
			sets := New(nil, Bounds{Memory: bound})
			v := sets.Open(&sql.At{})
			before := reachable()
			n := 0
			more := func() (room bool) { // tells whether room has been made
				used := sets.used
				v.keep(func(p *partition) { put(v, p, n) })
				n++
				if sets.used > bound || sets.used < 0 {
					t.Fatalf("%d bytes are used, %d are allowed", sets.used, bound)
				}
				return sets.used < used
			}
			for sets.used < bound*3/4 && n < 5_000 && !more() {
			}
			counted, measured := sets.used, reachable()-before
			const noise = 32 << 10 // of the process
			if share := float64(counted+noise) / float64(measured+noise); share < 2.0/3 || share > 1.5 {
				t.Errorf("%d bytes are counted, %d are measured", counted, measured)
			}
			for made := 0; made < 5; {
				if more() {
					made++
				}
			}
			if measured := reachable() - before; measured > bound*3/2 {
				t.Errorf("%d bytes are used in the end, %d are allowed", measured, bound)
			}
			sets.Forget()
			if sets.used != 0 {
				t.Errorf("%d bytes are counted of nothing", sets.used)
			}
			runtime.KeepAlive(sets)
		})
	}
}
