package sets

import (
	"math"
	"slices"
	"testing"
)

func TestStringsWhoseHashesAreTheSameAreAllThere(t *testing.T) {
	set := newWords(0, math.MaxInt64)
	set.hash = func(text []byte) uint64 { return uint64(len(text)) } // and those of longer ones follow
	texts := []string{"anna", "nina", "anna", "", "o", "hanna", "nanna", "nina", "n", ""}
	for _, text := range texts {
		set.add([]byte(text))
	}
	heads, all := set.Holding([]byte("n"))
	var got []string
	for _, head := range heads {
		got = append(got, string(head))
	}
	if want := []string{"anna", "nina", "hanna", "nanna", "n"}; !all || !slices.Equal(got, want) {
		t.Errorf("got %q, %v; want %q", got, all, want)
	}
	if len(set.ends) != 7 {
		t.Errorf("there are %d strings, want 7", len(set.ends))
	}
}
