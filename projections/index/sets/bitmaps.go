package sets

import (
	"slices"

	"github.com/RoaringBitmap/roaring/v2"
)

// BitmapOf makes a bitmap of numbers in any order.
func BitmapOf(numbers []uint32) *roaring.Bitmap {
	if len(numbers) < 10_000 {
		slices.Sort(numbers)
		return roaring.BitmapOf(numbers...)
	}
	words := make([]uint64, slices.Max(numbers)/64+1)
	for _, n := range numbers {
		words[n/64] |= 1 << (n % 64)
	}
	b := roaring.FromDense(words, true)
	b.RunOptimize()
	return b
}

// SidsIn are the versions of a set, whose numbers count from a first one.
func SidsIn(found *roaring.Bitmap, first int64) []int64 {
	sids := make([]int64, 0, found.GetCardinality())
	for i := found.Iterator(); i.HasNext(); {
		sids = append(sids, first+int64(i.Next()))
	}
	return sids
}

// What a bitmap takes that is held under a name, and each of its containers, beside their contents.
const (
	heldBytes      = 240
	containerBytes = 56
)

// listedBytes is what a number takes of a list that a bitmap is made of.
const listedBytes = 4

// bitmapBytes is about what a bitmap takes that is held under a name.
func bitmapBytes(b *roaring.Bitmap) int64 {
	if b.IsEmpty() {
		return heldBytes
	}
	containers := min(int64(b.Maximum()>>16-b.Minimum()>>16)+1, int64(b.GetCardinality())) // at the most
	return heldBytes + containerBytes*containers + int64(b.GetSizeInBytes())
}
