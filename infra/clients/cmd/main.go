// Command clients runs FHIR client programs against a node of Binnacle, and tells what of it went wrong.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"syscall"

	"binnacle/infra/clients"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx)
	stop()
	if err != nil {
		if !errors.Is(err, clients.ErrFailed) {
			fmt.Fprintln(os.Stderr, err)
		}
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	choice := flag.String("run", "", "run only the programs whose names match this regular expression")
	flag.Parse()
	pattern, err := regexp.Compile(*choice)
	if err != nil {
		return fmt.Errorf("-run: %w", err)
	}
	runner := clients.Runner{Out: os.Stdout, Choice: pattern}
	return runner.Run(ctx)
}
