package verify_test

import (
	"strings"
	"testing"

	"binnacle/functions/functionstest"
	"binnacle/functions/verify"
	"binnacle/projections"
)

func TestVerifyFindsWhatIsWrongWithTheIndex(t *testing.T) {
	cases := []struct {
		name, says string
		break_     func(x *functionstest.Index)
	}{
		{"a version that was counted twice", "follows version",
			func(x *functionstest.Index) { x.Rows = append(x.Rows, x.Rows[len(x.Rows)-1]) }},
		{"a version that is missing", "expected is",
			func(x *functionstest.Index) { x.Rows = append(x.Rows[:3:3], x.Rows[4:]...) }},
		{"the last version missing", "missing at the end",
			func(x *functionstest.Index) { x.Rows = x.Rows[:len(x.Rows)-1] }},
		{"an outcome that is missing", "has no outcome", func(x *functionstest.Index) {
			for id := range x.Decided {
				delete(x.Decided, id)
				return
			}
		}},
		{"a projector that is behind", "not projected yet", func(x *functionstest.Index) {
			state := x.States[0]
			state.Next -= 5
			x.States[0] = state
		}},
		{"a projector that is ahead of the log", "another log", func(x *functionstest.Index) {
			state := x.States[0]
			state.Next += 5
			x.States[0] = state
		}},
		{"a partition that the log does not have", "the log has none",
			func(x *functionstest.Index) { x.States[7] = projections.State{Next: 1} }},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			n := functionstest.Filled(t)
			c.break_(n.Index)
			storage := &verify.Storage{Log: n.Log, Index: n.Index, Blobs: n.Blobs, Dialects: functionstest.Dialects()}
			report, err := storage.Handle(t.Context(), verify.Options{Deep: true}, func(int64, int64) {})
			if err != nil {
				t.Fatal(err)
			}
			if report.OK || !strings.Contains(strings.Join(report.Problems, "\n"), c.says) {
				t.Errorf("the problems don't tell of %q: %q", c.says, report.Problems)
			}
		})
	}
}
