// Command testrun runs the project's tests: see Taskfile.yml.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"binnacle/infra/testrun"
)

const usage = `usage: go run ./infra/testrun/cmd <command>

  unit                          what needs no server, quickly
  all                           everything but the tests of faults
  faults [-run REGEXP] [-anew]  the tests of faults; goes on where an earlier run of the same code was interrupted
  list                          every test and where it runs: race (under the race detector), whole (without it), faults

all and faults want the addresses of real servers in the environment: ./task test and ./task test:faults start them.
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		if !errors.Is(err, testrun.ErrFailed) {
			fmt.Fprintln(os.Stderr, err)
		}
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	runner := &testrun.Runner{Root: ".", Out: os.Stdout}
	command := ""
	if len(args) > 0 {
		command, args = args[0], args[1:]
	}
	flags := flag.NewFlagSet(command, flag.ExitOnError)
	flags.Usage = func() { fmt.Fprint(os.Stderr, usage) }
	choice := flags.String("run", "", "which tests, a regular expression")
	anew := flags.Bool("anew", false, "begin again")
	if err := flags.Parse(args); err != nil {
		return err
	}
	switch command {
	case "unit":
		return runner.Unit(ctx)
	case "all":
		return runner.All(ctx)
	case "faults":
		return runner.Faults(ctx, *choice, filepath.Join(runner.Root, ".task"), *anew)
	case "list":
		tests, err := testrun.Plan(runner.Root)
		for _, t := range tests {
			fmt.Printf("%-6s %s\n", t.Stage, t)
		}
		return err
	}
	flags.Usage()
	os.Exit(2)
	return nil
}
