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

  unit [-run REGEXP]            what needs no server, quickly
  all                           everything but the tests of faults
  faults [-run REGEXP] [-anew]  the tests of faults; goes on where an earlier run of the same code was interrupted
         [-plan]                says which these are, and runs none
  list                          every test and where it runs: race (under the race detector), whole (without it), faults; and unit, too

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
	var choice string
	var anew, plan bool
	if command == "unit" || command == "faults" {
		flags.StringVar(&choice, "run", "", "which tests, a regular expression")
	}
	if command == "faults" {
		flags.BoolVar(&anew, "anew", false, "begin again")
		flags.BoolVar(&plan, "plan", false, "run none")
	}
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("%s takes no %q: see go run ./infra/testrun/cmd -help", command, flags.Arg(0))
	}
	switch command {
	case "unit":
		return runner.Unit(ctx, choice)
	case "all":
		return runner.All(ctx)
	case "faults":
		return runner.Faults(ctx, testrun.Choice{Names: choice, State: filepath.Join(runner.Root, ".task"), Anew: anew, PlanOnly: plan})
	case "list":
		return runner.List()
	}
	flags.Usage()
	os.Exit(2)
	return nil
}
