package functions

import (
	"context"
	"log/slog"
	"maps"
	"testing"
	"time"

	"binnacle/projections"
)

// sweepable is an index whose latest snapshot a test sets, and that remembers what a Sweep asks of it.
type sweepable struct {
	next     int64
	waste    projections.Waste
	horizons map[int32]int64
	portions int // left of the sweep under way
	asked    int
	released int
}

func (s *sweepable) Partitions(context.Context) (map[int32]projections.State, error) {
	return map[int32]projections.State{0: {NextSid: s.next}}, nil
}

func (s *sweepable) Horizon(_ context.Context, partition int32, snapshot int64) error {
	s.horizons[partition] = snapshot
	return nil
}

func (s *sweepable) Waste(context.Context) (projections.Waste, error) { return s.waste, nil }

func (s *sweepable) Sweep(context.Context) (projections.Sweep, error) {
	s.asked++
	return s, nil
}

func (s *sweepable) Portion(context.Context) (projections.SweepPortion, error) {
	s.portions--
	return projections.SweepPortion{Removed: 7, Done: s.portions == 0}, nil
}

func (s *sweepable) Release() error {
	s.released++
	return nil
}

func TestSnapshotsAreForgottenAGraceAfterTheyWereTheLatest(t *testing.T) {
	index := &sweepable{horizons: map[int32]int64{}}
	s := &Sweep{Index: index, Sweeper: index, Logger: slog.New(slog.DiscardHandler), Grace: time.Hour}
	began := time.Now()
	for i, step := range []struct {
		after time.Duration
		next  int64
		want  map[int32]int64
	}{
		{0, 11, map[int32]int64{}},
		{30 * time.Minute, 21, map[int32]int64{}},
		{59 * time.Minute, 31, map[int32]int64{}},
		{60 * time.Minute, 41, map[int32]int64{0: 10}},
		{89 * time.Minute, 41, map[int32]int64{0: 10}},
		{119 * time.Minute, 51, map[int32]int64{0: 30}},
		{500 * time.Minute, 51, map[int32]int64{0: 50}},
	} {
		index.next = step.next
		if err := s.tick(t.Context(), began.Add(step.after)); err != nil {
			t.Fatal(err)
		}
		if !maps.Equal(index.horizons, step.want) {
			t.Errorf("step %d: the horizons are %v, want %v", i, index.horizons, step.want)
		}
	}
	if len(s.seen) != 1 {
		t.Errorf("%d times are remembered after all but the last have passed", len(s.seen))
	}
}

func TestASweepIsMadeWhenItRemovesMuch(t *testing.T) {
	for name, c := range map[string]struct {
		waste projections.Waste
		sweep bool
	}{
		"few":                        {projections.Waste{Superseded: 999, Living: 10}, false},
		"a small part":               {projections.Waste{Superseded: 9_999, Living: 100_000}, false},
		"a tenth":                    {projections.Waste{Superseded: 10_000, Living: 100_000}, true},
		"one that was not finished":  {projections.Waste{Superseded: 1, Living: 100_000, Begun: true}, true},
		"many, and nothing is alive": {projections.Waste{Superseded: 1_000}, true},
	} {
		t.Run(name, func(t *testing.T) {
			index := &sweepable{horizons: map[int32]int64{}, waste: c.waste, portions: 3}
			s := &Sweep{Index: index, Sweeper: index, Logger: slog.New(slog.DiscardHandler), Grace: time.Hour}
			if err := s.tick(t.Context(), time.Now()); err != nil {
				t.Fatal(err)
			}
			want := SweepFigures{Superseded: c.waste.Superseded}
			if c.sweep {
				want = SweepFigures{Removed: 21, Sweeps: 1}
			}
			if got := s.Figures(); got != want || index.asked != int(want.Sweeps) || index.released != index.asked {
				t.Errorf("it has done %+v in %d sweeps, of which %d were released; want %+v", got, index.asked,
					index.released, want)
			}
		})
	}
}

func TestASweepEndsWithItsContext(t *testing.T) {
	index := &sweepable{horizons: map[int32]int64{}, waste: projections.Waste{Begun: true}, portions: 1 << 40}
	s := &Sweep{Index: index, Sweeper: index, Logger: slog.New(slog.DiscardHandler), Grace: time.Hour,
		Settle: time.Millisecond}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	s.Handle(ctx)
	if index.released != 1 || s.Figures().Sweeps != 0 {
		t.Errorf("%d sweeps were released and %d came to their end, want 1 and 0", index.released, s.Figures().Sweeps)
	}
}
