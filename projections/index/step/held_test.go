package step

import (
	"testing"

	"binnacle/projections/index/clause"
	"binnacle/projections/index/keys"
	"binnacle/projections/index/sets"
	"binnacle/projections/index/sql"
)

func TestSetsTellOfSnapshotsThatAreCommitted(t *testing.T) {
	engine := Shared{Sets: sets.New(nil, sets.Bounds{}.OrDefault())}
	for _, c := range []struct {
		snapshot  int64
		committed bool
		want      bool
	}{{keys.FirstSid(0), true, true}, {keys.FirstSid(0), false, false}, {-1, true, false}, {1 << 32, true, false}} {
		x := &Whole{At: sql.At{Snapshot: c.snapshot}, Shared: engine, Committed: c.committed}
		if got := x.View() != nil; got != c.want {
			t.Errorf("the snapshot %d, committed %t: sets are used %t", c.snapshot, c.committed, got)
		}
	}
}

func TestRangesAreHeldOnceWhateverIsAskedOfThem(t *testing.T) {
	named := map[sets.Name]bool{}
	for _, sc := range []clause.Scan{{Key: 1, Min: 5, Also: clause.HighGE, A: 5},
		{Key: 1, Min: 7, Also: clause.EitherHi, A: 7, B: 8}, {Key: 1, Max: 9, Also: clause.Always}} {
		named[sc.InRanges().Name(sc.Key)] = true
	}
	if len(named) != 1 {
		t.Errorf("the rows of one key have %d names, want 1: %v", len(named), named)
	}
	if one, other := (clause.Scan{Key: 1, Also: clause.HighIs, A: 3}).InRanges(),
		(clause.Scan{Key: 1, Also: clause.HighIs, A: 4}).InRanges(); one == other {
		t.Errorf("the rows of two units have one name: %v", one)
	}
}
