package verify_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"binnacle/functions/functionstest"
	"binnacle/functions/verify"
	"binnacle/projections"
)

// holding is an index into which a server commits its last record after a while.
type holding struct {
	*functionstest.Index
	until time.Time
}

func (x *holding) held() (bool, error) { return time.Now().Before(x.until), nil }

func (x *holding) Partitions(ctx context.Context) (map[int32]projections.State, error) {
	states, err := x.Index.Partitions(ctx)
	if held, _ := x.held(); held && err == nil {
		state := states[0]
		state.Next--
		states[0] = state
	}
	return states, err
}

func (x *holding) Audit(ctx context.Context) (projections.Audit, error) {
	audit, err := x.Index.Audit(ctx)
	if held, _ := x.held(); held && err == nil {
		audit.Next[0]--
	}
	return audit, err
}

func TestVerifyWaitsForAServerThatHoldsCommitsBackAndNotForEver(t *testing.T) {
	n := functionstest.Filled(t)
	n.Stop()
	for name, c := range map[string]struct {
		while time.Duration
		says  string // "": all is well
	}{
		"for as long as it may":           {10 * time.Second, ""},
		"longer: it doesn't commit them":  {time.Hour, "see that it runs"},
		"nobody does, and a record lacks": {-time.Second, "if no server is running start one"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				x := &holding{n.Index, time.Now().Add(c.while)}
				storage := &verify.Storage{Log: n.Log, Index: x, Blobs: n.Blobs, Dialects: functionstest.Dialects(), Held: x.held}
				if c.while < 0 {
					x.until = time.Now().Add(time.Hour)
					storage.Held = nil
				}
				began := time.Now()
				report, err := storage.Handle(t.Context(), verify.Options{}, func(int64, int64) {})
				if err != nil || report.OK != (c.says == "") || !strings.Contains(strings.Join(report.Problems, "\n"), c.says) {
					t.Errorf("%v, OK %v, the problems don't tell of %q: %q", err, report.OK, c.says, report.Problems)
				}
				if took := time.Since(began); took > 20*time.Second {
					t.Errorf("it waited %v", took)
				}
			})
		})
	}
}
