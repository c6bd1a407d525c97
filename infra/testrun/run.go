package testrun

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"
)

// ErrFailed says that tests failed; which ones has been printed.
var ErrFailed = errors.New("tests failed")

// Runner runs the tests of the project below Root and prints what becomes of them.
type Runner struct {
	Root string
	Out  io.Writer
}

// goTest runs one go test and takes what it prints into the report. Vet is off: the linter has run it over everything.
func (r *Runner) goTest(ctx context.Context, rep *report, args ...string) error {
	cmd := exec.CommandContext(ctx, "go", slices.Concat([]string{"test", "-json", "-vet=off"}, args)...)
	cmd.Dir = r.Root
	var told bytes.Buffer // by go itself: it and the tests would print into each other
	cmd.Stderr = &told
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	lines, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	err = errors.Join(rep.read(lines), cmd.Wait())
	if _, printed := r.Out.Write(told.Bytes()); printed != nil {
		return printed
	}
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		var exit *exec.ExitError
		if errors.As(err, &exit) && len(rep.failures) > 0 {
			return ErrFailed
		}
		return fmt.Errorf("go test %s: %w", strings.Join(args, " "), err)
	}
	return nil
}

// limit is how long the tests of one package may take before go test ends them with a trace of what they wait for.
const limit = "-timeout=15m"

// All runs what the test command runs: everything under the race detector, then what is walked whole and the program
// from outside without it. It needs the real servers' addresses in the environment. Both runs are made, whatever fails.
func (r *Runner) All(ctx context.Context) error {
	tests, err := Plan(r.Root)
	if err != nil {
		return err
	}
	race := packagesOf(chosen(tests, func(t Test) bool { return t.Stage == Race && t.Package != outside }))
	whole := chosen(tests, func(t Test) bool { return t.Stage == Whole && t.Package != outside })
	rep := newReport(r.Out)
	defer rep.end()
	// Two packages at a time: the servers need room too, and a slow machine must not fail by the clock.
	first := r.stage(ctx, rep, "under the race detector", slices.Concat([]string{"-race", "-p=2", limit}, race)...)
	if ctx.Err() != nil {
		return first
	}
	second := r.stage(ctx, rep, "what is walked whole, without it", slices.Concat(
		[]string{"-tags=" + Whole.String(), "-p=2", limit, "-run=" + pattern(whole)}, packagesOf(whole))...)
	if ctx.Err() != nil {
		return second
	}
	return errors.Join(first, second, r.stage(ctx, rep, "the program from outside", "-tags="+Whole.String(), limit, outside))
}

func (r *Runner) stage(ctx context.Context, rep *report, title string, args ...string) error {
	began := time.Now()
	fmt.Fprintf(r.Out, "\n%s:\n", title)
	err := r.goTest(ctx, rep, args...)
	fmt.Fprintf(r.Out, "took %s\n", time.Since(began).Round(time.Second))
	return err
}

// Unit runs the tests of the packages that need no server, without the detector: seconds, for while one works. The
// choice is for go test -run; "" is all.
func (r *Runner) Unit(ctx context.Context, choice string) error {
	tests, err := Plan(r.Root)
	if err != nil {
		return err
	}
	rep := newReport(r.Out)
	defer rep.end()
	return r.goTest(ctx, rep, slices.Concat([]string{limit, "-run=" + choice}, packagesOf(chosen(tests, isUnit)))...)
}

func isUnit(t Test) bool {
	return t.Stage == Race && !slices.ContainsFunc(withServers, func(p string) bool { return t.Package == p || strings.HasPrefix(t.Package, p+"/") })
}

// List prints every test and where it runs.
func (r *Runner) List() error {
	tests, err := Plan(r.Root)
	for _, t := range tests {
		unit := ""
		if isUnit(t) {
			unit = "unit"
		}
		fmt.Fprintf(r.Out, "%-6s %-4s %s\n", t.Stage, unit, t)
	}
	return err
}

// withServers are the packages whose tests talk to real servers, with all below them.
var withServers = []string{
	module + "/events/kafka", module + "/projections/blobs/cassandra", module + "/projections/index/postgres", module + "/infra",
}
