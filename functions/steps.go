package functions

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"

	"golang.org/x/sync/errgroup"

	"binnacle/events"
)

// Parallel runs a step for each of n on all cores.
func Parallel(ctx context.Context, n int, step func(n int) error) error {
	workers := min(n, runtime.GOMAXPROCS(0))
	share := func(ctx context.Context, worker int) error {
		for i := worker; i < n; i += workers {
			if err := ctx.Err(); err != nil {
				return events.Wrap(events.Transient, "functions.Parallel", err, "projecting was stopped")
			}
			if err := step(i); err != nil {
				return err
			}
		}
		return nil
	}
	if workers == 1 {
		return share(ctx, 0)
	}
	group, ctx := errgroup.WithContext(ctx)
	for worker := range workers {
		group.Go(func() error { return share(ctx, worker) })
	}
	return group.Wait()
}

// Defect is the error of a step that has panicked.
type Defect struct{ Text string }

func (d *Defect) Error() string { return d.Text }

// Guard runs a step of one record and makes its panic a *Defect, so that a record never takes down what works on it.
func Guard(what string, step func() error) (err error) {
	defer func() {
		if defect := recover(); defect != nil {
			err = &Defect{fmt.Sprintf("%s: panic: %v\n%s", what, defect, debug.Stack())}
		}
	}()
	return step()
}
