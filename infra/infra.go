package infra

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime/debug"
	"strings"

	"github.com/alecthomas/kong"

	"binnacle/events"
)

// commandLine is the whole of the program's commands and flags.
type commandLine struct {
	Config
	HelpStorage helpStorageFlag `help:"Show the flags of the storage."`
	VersionFlag versionFlag     `help:"Print the version." name:"version" short:"v"`

	Serve      serveCommand      `cmd:"" group:"Run it:" storage:"" help:"Run the server."`
	Import     importCommand     `cmd:"" group:"Run it:" storage:"" help:"Load files of FHIR resources into a running server."`
	Status     statusCommand     `cmd:"" group:"Look at it:" storage:"" help:"Show how far each part is."`
	Verify     verifyCommand     `cmd:"" group:"Look at it:" storage:"" help:"Check that log, blobs and index hold the same; exit code 1 when they don't."`
	Tail       tailCommand       `cmd:"" group:"Look at it:" storage:"" help:"Print the log, readable."`
	Init       initCommand       `cmd:"" group:"Care for the storage:" storage:"" help:"Create what the variant stores in: topic, keyspace, schema."`
	Rebuild    rebuildCommand    `cmd:"" group:"Care for the storage:" storage:"" help:"Make the search index anew from the log, beside the one that serves, and switch to it."`
	Quarantine quarantineCommand `cmd:"" group:"Care for the storage:" storage:"" help:"Show and settle records that could not be projected."`
	Drop       dropCommand       `cmd:"" group:"Care for the storage:" storage:"" help:"Delete everything that this installation has stored, the log included."`
	Bench      benchCommand      `cmd:"" group:"More:" help:"Measure a FHIR server over HTTP; make test data of any size; measure the index."`
	Help       helpCommand       `cmd:"" group:"More:" help:"Show help of a command; of storage: the flags that say where everything is kept."`
	Version    versionCommand    `cmd:"" group:"More:" help:"Print the version."`
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
		kong.Exit(func(c int) { exited, code = true, c }), kong.ConfigureHelp(helpOptions), kong.Help(printHelp))
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
		fmt.Fprintf(errOut, "binnacle: %s; %q tells more\n", sentence(err), helpFor(err))
		return 2
	}
	logger := newLogger(&cli.Config, errOut)
	parsed.BindTo(ctx, (*context.Context)(nil))
	err = parsed.Run(&cli.Config, &output{Out: out, Err: errOut, In: in}, logger)
	switch {
	case err == nil:
		return 0
	case errors.As(err, new(usageError)):
		fmt.Fprintf(errOut, "binnacle: %v\n", err)
		return 2
	case !errors.Is(err, errQuiet):
		fmt.Fprintln(errOut, "binnacle:", sentence(err))
	}
	return 1
}

// usageError is a wrong usage that the parser could not see.
type usageError string

func (e usageError) Error() string { return string(e) }

// helpFor is the help that whoever made an error of usage should read.
func helpFor(err error) string {
	var wrong *kong.ParseError
	if errors.As(err, &wrong) && wrong.Context != nil {
		if selected := wrong.Context.Selected(); selected != nil && selected.Name != "help" {
			return selected.FullPath() + " --help"
		}
	}
	return "binnacle --help"
}

// sentence is an error as an operator reads it: the causes are part of it, the places in the code are not.
func sentence(err error) string {
	text := err.Error()
	if e, is := err.(*events.Error); is { //nolint:errorlint // every link of the chain comes by
		text = strings.TrimPrefix(text, e.Op+": ")
	}
	for _, cause := range causes(err) {
		text = strings.Replace(text, cause.Error(), sentence(cause), 1)
	}
	return text
}

// causes are the errors that an error wraps.
func causes(err error) []error {
	if several, is := err.(interface{ Unwrap() []error }); is {
		return several.Unwrap()
	}
	if cause := errors.Unwrap(err); cause != nil {
		return []error{cause}
	}
	return nil
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
