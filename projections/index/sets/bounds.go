package sets

import "cmp"

// Bounds are where the planner goes from one way to answer to another, in rows of the index. They never change what
// the answer is. Zero stands for the default.
type Bounds struct {
	Few int // a clause with fewer rows need not be held against others; 500
	// up to here all versions of a clause are read and sorted, when the index does not have them in order; 5,000
	Many   int
	Sorted int // more matches are not sorted by several keys; 20,000
	Read   int // up to here versions are read to be sorted where their main dates are not in memory; 1,000
	Tried  int // rows of an order that are walked before sets are read for it; 1,000
	Rows   int // of a key that are read at once; of ranges, a quarter of those that are held; 200,000
	// versions that a set is brought up by, or a snapshot may lie back, before it is read anew, or not used; 20,000
	Behind int
	// bytes of the sets of a generation; 40 MiB. A million resources take 5 MiB of main dates and 0.1 for a key that
	// a third of them has
	Memory int
}

// OrDefault is the bounds with the defaults in place of zeros.
func (b Bounds) OrDefault() Bounds {
	return Bounds{cmp.Or(b.Few, 500), cmp.Or(b.Many, 5_000), cmp.Or(b.Sorted, 20_000), cmp.Or(b.Read, 1_000),
		cmp.Or(b.Tried, 1_000),
		cmp.Or(b.Rows, 200_000), cmp.Or(b.Behind, 20_000), cmp.Or(b.Memory, 40<<20)}
}

// held is how many rows of the ranges of one key are held: four times those that are read at once, as far as they
// take a quarter of the memory.
func (b Bounds) held() int { return max(b.Rows, min(4*b.Rows, b.Memory/4/rangeRowBytes)) }

// SmallBounds are bounds, by what they bring about, for tests: few versions are planned for as millions are by the
// default ones.
func SmallBounds() map[string]Bounds {
	return map[string]Bounds{
		"nothing is few, and sets are soon read": {Few: 1, Many: 2, Read: 1, Tried: 1, Behind: 40, Memory: 4_000},
		"nothing is few, and rows are read":      {Few: 1, Many: 10_000, Read: 1, Tried: 1, Rows: 7},
		"what is found is sorted as a whole":     {Few: 1, Many: 20, Tried: 2},
	}
}
