// Command servers starts and stops the real Kafka, Cassandra and Postgres servers for development and tests.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"syscall"

	"binnacle/infra/servers"
)

const usage = `usage: go run ./infra/servers/cmd <command>

  up               start Kafka, Cassandra and Postgres, wait until each answers, write the addresses to .servers/env
  down [--purge]   stop them; with --purge remove their data too
  status           show what runs and where
  with -- command  start what isn't running, run a command with the addresses in its environment, stop what was started

The folder is .servers of the checkout, or $` + servers.EnvDir + `. Docker is used where an engine answers, else local processes from
Maven artifacts (needs a JDK 17 and Maven); $` + servers.EnvEngine + ` (docker or process) decides otherwise.
Postgres waits for the disk as in production; with $` + servers.EnvSync + `=off it doesn't, which tests use.
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run does one command and returns the exit code.
func run(ctx context.Context, args []string, out, progress io.Writer) int {
	cluster, err := servers.Open("")
	if err != nil {
		fmt.Fprintln(progress, err)
		return 1
	}
	say := func(line string) { fmt.Fprintln(progress, line) }
	command := ""
	if len(args) > 0 {
		command, args = args[0], args[1:]
	}
	switch command {
	case "up":
		err = cluster.Up(ctx, say)
	case "down":
		err = down(ctx, cluster, args)
	case "status":
		err = status(ctx, cluster, out)
	case "with":
		err = with(ctx, cluster, args, say)
	default:
		fmt.Fprint(progress, usage)
		return 2
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return max(1, exit.ExitCode())
	}
	if err != nil {
		say(err.Error())
		return 1
	}
	return 0
}

func down(ctx context.Context, cluster *servers.Cluster, args []string) error {
	flags := flag.NewFlagSet("down", flag.ContinueOnError)
	purge := flags.Bool("purge", false, "remove the data too")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *purge {
		return cluster.Purge(ctx)
	}
	return cluster.Down(ctx)
}

func status(ctx context.Context, cluster *servers.Cluster, out io.Writer) error {
	list, err := cluster.Status(ctx)
	if err != nil {
		return err
	}
	for _, s := range list {
		word := "stopped"
		switch {
		case s.Ready:
			word = "ready"
		case s.Running:
			word = "running, but it doesn't answer"
		}
		if _, err := fmt.Fprintf(out, "%-10s %-17s %-8s %s\n", s.Name, s.Address, s.Engine, word); err != nil {
			return err
		}
	}
	return nil
}

// with runs a command while the servers are up, and leaves them as they were before.
func with(ctx context.Context, cluster *servers.Cluster, args []string, say func(string)) (err error) {
	if len(args) > 0 && args[0] == "--" {
		args = args[1:]
	}
	if len(args) == 0 {
		return errors.New("with: the command to run is missing, as in: with -- go test -race")
	}
	before, err := cluster.Status(ctx)
	if err != nil {
		return err
	}
	if err := cluster.Up(ctx, say); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, restore(context.WithoutCancel(ctx), cluster, before)) }()
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = os.Environ()
	for name, value := range cluster.Env() {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	// The command may have to clean up; it is killed only when the whole program is.
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	return cmd.Run()
}

// restore stops the servers that didn't run before.
func restore(ctx context.Context, cluster *servers.Cluster, before []servers.Status) error {
	if !slices.ContainsFunc(before, func(s servers.Status) bool { return s.Running }) {
		return cluster.Down(ctx)
	}
	var errs []error
	for _, s := range before {
		if !s.Running {
			errs = append(errs, cluster.Stop(ctx, s.Name, false))
		}
	}
	return errors.Join(errs...)
}
