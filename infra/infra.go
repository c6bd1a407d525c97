package infra

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"

	"github.com/alecthomas/kong"

	"binnacle/infra/bench"
	"binnacle/infra/parts"
	"binnacle/infra/terminal"
)

// commandLine is the whole of the program's commands and flags.
type commandLine struct {
	parts.Config
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
	Bench      bench.Command     `cmd:"" group:"More:" help:"Measure a FHIR server over HTTP; make test data of any size; measure the index."`
	Help       helpCommand       `cmd:"" group:"More:" help:"Show help of a command; of storage: the flags that say where everything is kept."`
	Version    versionCommand    `cmd:"" group:"More:" help:"Print the version."`
}

const description = `Binnacle is a log-first FHIR R4 server: every write is one event in a log, and everything that is read or
searched is a projection of that log, which can be rebuilt at any time.

"binnacle serve" runs it with one SQLite file and nothing else to install. The same program runs on Kafka,
Cassandra and Postgres with --variant distributed and three addresses.`

// Run is the whole program: it parses the arguments, runs the command and returns the exit code: 0 done, 1 failed, 2
// wrong usage.
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
		fmt.Fprintf(errOut, "binnacle: %s; %q tells more\n", terminal.Sentence(err), helpFor(err))
		return 2
	}
	logger := newLogger(&cli.Config, errOut)
	parsed.BindTo(ctx, (*context.Context)(nil))
	err = parsed.Run(&cli.Config, &terminal.Output{Out: out, Err: errOut, In: in}, logger)
	switch {
	case err == nil:
		return 0
	case errors.As(err, new(terminal.UsageError)):
		fmt.Fprintf(errOut, "binnacle: %v\n", err)
		return 2
	case !errors.Is(err, terminal.ErrQuiet):
		fmt.Fprintln(errOut, "binnacle:", terminal.Sentence(err))
	}
	return 1
}

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

func newLogger(c *parts.Config, w io.Writer) *slog.Logger {
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
