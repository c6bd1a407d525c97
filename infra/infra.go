package infra

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime/debug"

	"github.com/alecthomas/kong"

	"binnacle/events"
)

// commandLine is the whole of the program's commands and flags.
type commandLine struct {
	Config

	Serve      serveCommand      `cmd:"" help:"Run the server."`
	Import     importCommand     `cmd:"" help:"Load files of FHIR resources into a running server."`
	Init       initCommand       `cmd:"" help:"Create what the variant stores in: topic, keyspace, schema."`
	Rebuild    rebuildCommand    `cmd:"" help:"Make the search index anew from the log, beside the one that serves, and switch to it."`
	Verify     verifyCommand     `cmd:"" help:"Check that log, blobs and index hold the same; exit code 1 when they don't."`
	Quarantine quarantineCommand `cmd:"" help:"Show and settle records that could not be projected."`
	Status     statusCommand     `cmd:"" help:"Show how far each part is."`
	Tail       tailCommand       `cmd:"" help:"Print the log, readable."`
	Bench      benchCommand      `cmd:"" help:"Measure a FHIR server over HTTP; make test data of any size; measure the index."`
	Drop       dropCommand       `cmd:"" help:"Delete everything that this installation has stored, the log included."`
	Version    versionCommand    `cmd:"" help:"Print the version."`
}

const description = `Binnacle is a log-first FHIR R4 server: every write is one event in a log, and everything that is read or
searched is a projection of that log, which can be rebuilt at any time.

"binnacle serve" runs it with one SQLite file and nothing else to install. The same program runs on Kafka,
Cassandra and Postgres with --variant distributed and three addresses.`

// Run is the whole program: it parses the arguments, runs the command and returns the exit code: 0 done, 1 failed, 2 wrong usage.
func Run(ctx context.Context, args []string, in io.Reader, out, errOut io.Writer) int {
	var cli commandLine
	exited, code := false, 0
	parser, err := kong.New(&cli, kong.Name("binnacle"), kong.Description(description), kong.Writers(out, errOut),
		kong.Exit(func(c int) { exited, code = true, c }), kong.UsageOnError(),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 110}))
	if err != nil {
		fmt.Fprintln(errOut, "binnacle:", err)
		return 1
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	parsed, err := parser.Parse(args)
	if exited {
		return code
	}
	if err != nil {
		fmt.Fprintf(errOut, "binnacle: %v\nTry: binnacle --help\n", err)
		return 2
	}
	logger := newLogger(&cli.Config, errOut)
	parsed.BindTo(ctx, (*context.Context)(nil))
	err = parsed.Run(&cli.Config, &output{Out: out, Err: errOut, In: in}, logger)
	switch {
	case err == nil:
		return 0
	case !errors.Is(err, errQuiet):
		fmt.Fprintln(errOut, "binnacle:", sentence(err))
	}
	return 1
}

// sentence is an error as an operator reads it: the cause is part of it, the place in the code is not.
func sentence(err error) string {
	var e *events.Error
	if !errors.As(err, &e) || e.Text == "" {
		return err.Error()
	}
	if e.Err != nil {
		return e.Text + ": " + e.Err.Error()
	}
	return e.Text
}

func newLogger(c *Config, w io.Writer) *slog.Logger {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.LogLevel)); err != nil {
		level = slog.LevelInfo // the command line's enum lets nothing else through
	}
	options := &slog.HandlerOptions{Level: level}
	if c.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}

type versionCommand struct{}

// Run is called by the command line.
func (versionCommand) Run(out *output) error {
	_, err := fmt.Fprintln(out.Out, "binnacle", version())
	return err
}

// version is the module's version, or the commit it was built from.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return s.Value[:min(12, len(s.Value))]
		}
	}
	return info.Main.Version
}

// hostname names this process to others: in the holder of an exclusive right, in logs.
func hostname() string {
	name, err := os.Hostname()
	if err != nil {
		name = "unknown"
	}
	return fmt.Sprintf("%s (process %d)", name, os.Getpid())
}
