package cassandra

import (
	"strings"
	"testing"
)

func TestAPageOfHashesIsAsLargeAsTheContentsUnderThemAllow(t *testing.T) {
	for name, c := range map[string]struct{ page, plain, pieces, want int }{
		"it grows where there are no pieces":         {16, 16, 0, 32},
		"it grows no further than a request holds":   {eachPage, eachPage, 0, eachPage},
		"it stays where there are some pieces":       {256, 252, 4, 256},
		"it shrinks where there are many":            {64, 40, 24, 32},
		"it never becomes smaller than the first":    {leastPage, 2, 14, leastPage},
		"the last page, which may be short, is read": {64, 0, 0, 128},
	} {
		hash := strings.Repeat("ab", 32)
		var keys []string
		for range c.plain {
			keys = append(keys, hash)
		}
		for number := range c.pieces {
			keys = append(keys, pieceKey(hash, number+1))
		}
		if got := nextPage(c.page, keys); got != c.want {
			t.Errorf("%s: after a page of %d with %d pieces come %d, want %d", name, c.page, c.pieces, got, c.want)
		}
	}
}
