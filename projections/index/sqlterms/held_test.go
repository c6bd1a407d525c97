package sqlterms

import (
	"testing"

	"binnacle/projections/index/keys"
	"binnacle/projections/index/sets"
	"binnacle/projections/index/sql"
)

func TestSetsTellOfSnapshotsThatAreCommitted(t *testing.T) {
	engine := Engine{Sets: sets.New(nil, sets.Bounds{}.OrDefault())}
	for _, c := range []struct {
		snapshot  int64
		committed bool
		want      bool
	}{{keys.FirstSid(0), true, true}, {keys.FirstSid(0), false, false}, {-1, true, false}, {1 << 32, true, false}} {
		x := &search{At: sql.At{Snapshot: c.snapshot}, Engine: engine, committed: c.committed}
		if got := x.view() != nil; got != c.want {
			t.Errorf("the snapshot %d, committed %t: sets are used %t", c.snapshot, c.committed, got)
		}
	}
}

func TestRangesAreHeldOnceWhateverIsAskedOfThem(t *testing.T) {
	named := map[sets.Name]bool{}
	for _, sc := range []scan{{key: 1, min: 5, also: highGE, a: 5}, {key: 1, min: 7, also: eitherHi, a: 7, b: 8}, {key: 1, max: 9, also: always}} {
		named[sc.inRanges().Name(sc.key)] = true
	}
	if len(named) != 1 {
		t.Errorf("the rows of one key have %d names, want 1: %v", len(named), named)
	}
	if one, other := (scan{key: 1, also: highIs, a: 3}).inRanges(), (scan{key: 1, also: highIs, a: 4}).inRanges(); one == other {
		t.Errorf("the rows of two units have one name: %v", one)
	}
}
