package infra

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"binnacle/infra/parts"
	"binnacle/infra/terminal"
)

// initCommand creates what the variant stores in.
type initCommand struct{}

func (*initCommand) Help() string {
	return `Creates what is missing of the log (Kafka topic), the blobs (Cassandra keyspace and table) and the index (Postgres
schemas), or checks that what is there can be used. What exists is never changed, so it may be run again.
"binnacle serve" does the same at its start unless --no-init is given.`
}

// Run is called by the command line.
func (*initCommand) Run(ctx context.Context, config *parts.Config, out *terminal.Output, logger *slog.Logger) error {
	p, err := parts.Open(ctx, config, logger, parts.Options{Create: true})
	if err != nil {
		return err
	}
	defer p.Close()
	fmt.Fprintf(out.Out, "the storage of the %s variant is ready (%d partitions)\n", config.Variant, p.Partitions)
	return nil
}

// dropCommand deletes everything.
type dropCommand struct {
	Yes  bool `help:"Don't ask."`
	Feed bool `help:"Delete the feed of decisions alone; init and serve make an empty one. The next rebuild decides all events anew."`
}

func (*dropCommand) Help() string {
	return `Deletes the log, the blobs and the index of this installation: on the distributed variant the topic, the keyspace and the
schemas that the flags name, else the SQLite file. There is no way back. Stop the servers first.`
}

// Run is called by the command line.
func (c *dropCommand) Run(ctx context.Context, config *parts.Config, out *terminal.Output, logger *slog.Logger) error {
	if c.Feed {
		return c.dropFeed(ctx, config, out, logger)
	}
	var what []string
	if config.Variant == "standalone" || config.Variant == "replica" {
		path := filepath.Join(config.Data, parts.DatabaseFile)
		if _, err := os.Stat(path); err == nil {
			what = append(what, "the SQLite file in "+config.Data)
		} else if config.Variant == "standalone" {
			_, err := fmt.Fprintf(out.Out, "nothing to delete: there is no %s\n", path)
			return err
		}
	}
	if config.Variant == "replica" || config.Variant == "distributed" {
		what = append(what, "the topic "+config.Kafka.Topic)
	}
	if config.Variant == "distributed" {
		what = append(what, "the keyspace "+config.Cassandra.Keyspace, "the schemas "+config.Postgres.Schema+"…")
	}
	if err := c.ask(out, strings.Join(what, ", ")); err != nil {
		return err
	}
	if err := parts.Drop(ctx, config, logger); err != nil {
		return err
	}
	return dropped(out, strings.Join(what, ", "))
}

// dropFeed deletes the feed alone.
func (c *dropCommand) dropFeed(ctx context.Context, config *parts.Config, out *terminal.Output, logger *slog.Logger) error {
	if err := c.ask(out, "the record of all decisions; a rebuild decides all events of the log anew"); err != nil {
		return err
	}
	if err := parts.DropFeed(ctx, config, logger); err != nil {
		return err
	}
	return dropped(out, "the record of all decisions")
}

// dropped says that it is done: a silent end looks like one that did nothing.
func dropped(out *terminal.Output, what string) error {
	if what == "" {
		what = "nothing: this variant stores nothing that outlives its process"
	}
	_, err := fmt.Fprintln(out.Out, "deleted:", what)
	return err
}

// ask asks whether to go on, unless --yes is given.
func (c *dropCommand) ask(out *terminal.Output, what string) error {
	if c.Yes {
		return nil
	}
	fmt.Fprintf(out.Err, "This deletes %s. Type yes to go on: ", what)
	if answer, _ := bufio.NewReader(out.In).ReadString('\n'); strings.TrimSpace(answer) != "yes" {
		fmt.Fprintln(out.Err, "nothing was deleted")
		return terminal.ErrQuiet
	}
	return nil
}
