package infra

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"golang.org/x/sync/errgroup"

	"binnacle/events"
	"binnacle/functions"
	"binnacle/functions/project"
	"binnacle/functions/write"
	"binnacle/infra/node"
	"binnacle/infra/parts"
	"binnacle/infra/terminal"
	"binnacle/projections"
)

// quarantineCommand is what an operator does about records that could not be projected.
type quarantineCommand struct {
	List    quarantineList    `cmd:"" group:"Commands:" help:"List the records that nobody has handled."`
	Show    quarantineShow    `cmd:"" group:"Commands:" help:"Show one record: why it is there, what it asked for, its bytes."`
	Replay  quarantineReplay  `cmd:"" group:"Commands:" help:"Ask for what a record asks for again, as a new event."`
	Discard quarantineDiscard `cmd:"" group:"Commands:" help:"Give a record up."`
}

func (*quarantineCommand) Help() string {
	return `A record that can't be decoded or projected goes to quarantine, and the line goes on without it. "replay" asks for it
again, at the end of the log, when this program can read it now; it is refused when what the record changes was
changed since. "discard" notes that somebody has looked at it and that it stays without effect. Both are events in
the log: they hold on all nodes and survive a rebuild. A server must be running to decide them.`
}

// quarantineLine is what list prints of a record.
type quarantineLine struct {
	Position string             `json:"position"`
	Time     time.Time          `json:"time"`
	Key      string             `json:"key"` // of the record: its tenant, where it has one
	Bytes    int                `json:"bytes"`
	Asks     string             `json:"asks"`
	Reason   string             `json:"reason"`
	Settled  *quarantineSettled `json:"settled,omitempty"`
}

type quarantineSettled struct {
	By      string    `json:"by"` // the position of the event that decided
	Time    time.Time `json:"time"`
	Discard bool      `json:"discard"`
	Reason  string    `json:"reason,omitempty"`
}

func lineOf(q projections.Quarantined) quarantineLine {
	line := quarantineLine{Position: q.Record.Position.String(), Time: q.Record.Time.UTC(), Key: strings.ToValidUTF8(string(q.Record.Key), "\uFFFD"), Bytes: len(q.Record.Value),
		Asks: functions.Describe(q.Record), Reason: strings.ToValidUTF8(q.Reason, "\uFFFD")}
	if s := q.Settled; s != nil {
		line.Settled = &quarantineSettled{By: s.By.String(), Time: s.Time.UTC(), Discard: s.Discard, Reason: s.Reason}
	}
	return line
}

// shortText is how much of what a stranger has written a line has, in characters; --json and show have all of it.
const shortText = 80

func shortened(text string) string {
	if runes := []rune(text); len(runes) > shortText {
		return string(runes[:shortText]) + "…"
	}
	return text
}

func (l quarantineLine) text() string {
	reason, _, _ := strings.Cut(l.Reason, "\n") // the rest is the stack of a panic
	text := fmt.Sprintf("%s  %s  %q  %s  %s\n    %s\n", l.Position, l.Time.Format("2006-01-02T15:04:05.000Z"), shortened(l.Key), humanize.IBytes(uint64(l.Bytes)), l.Asks, reason)
	if s := l.Settled; s != nil {
		done := "replayed"
		if s.Discard {
			done = "discarded"
		}
		text += fmt.Sprintf("    %s at %s, %s: %s\n", done, s.By, s.Time.Format(time.RFC3339), s.Reason)
	}
	return text
}

type quarantineList struct {
	All  bool `help:"Those that were handled too."`
	JSON bool `help:"Print one JSON object a record." name:"json"`
}

// Run is called by the command line.
func (c *quarantineList) Run(ctx context.Context, config *parts.Config, out *terminal.Output, logger *slog.Logger) error {
	return withQuarantine(ctx, config, logger, func(ctx context.Context, q *functions.Quarantine) error {
		none := true
		err := q.Each(ctx, c.All, func(found projections.Quarantined) error {
			none = false
			if c.JSON {
				return json.NewEncoder(out.Out).Encode(lineOf(found))
			}
			_, err := io.WriteString(out.Out, lineOf(found).text())
			return err
		})
		switch {
		case err != nil || !none:
		case c.All:
			fmt.Fprintln(out.Err, "no record is in quarantine, or ever was")
		default:
			fmt.Fprintln(out.Err, "no record in quarantine waits to be handled; --all lists those that were")
		}
		return err
	})
}

type quarantineShow struct {
	Position string `arg:"" help:"Position of the record, partition:offset."`
	Raw      bool   `help:"Print the bytes of the record's value and nothing else."`
}

// Run is called by the command line.
func (c *quarantineShow) Run(ctx context.Context, config *parts.Config, out *terminal.Output, logger *slog.Logger) error {
	return withQuarantine(ctx, config, logger, func(ctx context.Context, q *functions.Quarantine) error {
		found, err := at(ctx, q, c.Position)
		if err != nil {
			return err
		}
		if c.Raw {
			_, err := out.Out.Write(found.Record.Value)
			return err
		}
		line := lineOf(found)
		fmt.Fprintf(out.Out, "%s    %s\n", line.text(), line.Reason)
		for _, header := range found.Record.Headers {
			fmt.Fprintf(out.Out, "    %q: %q\n", header.Key, header.Value)
		}
		if decoded, err := events.Decode(found.Record); err == nil {
			for _, change := range decoded.Event.Changes {
				fmt.Fprintf(out.Out, "    %s %s/%s %s\n", change.Operation, change.Type, change.ID, change.Content)
			}
			return nil
		}
		_, err = io.WriteString(out.Out, hex.Dump(found.Record.Value))
		return err
	})
}

type quarantineReplay struct {
	Position string `arg:"" optional:"" help:"Position of the record, partition:offset."`
	All      bool   `help:"All records that nobody has handled, in their order."`
	Reason   string `help:"Why, for those who look at it later."`
}

// Run is called by the command line.
func (c *quarantineReplay) Run(ctx context.Context, config *parts.Config, out *terminal.Output, logger *slog.Logger) error {
	if c.All == (c.Position != "") {
		return terminal.UsageError("give the position of a record, or --all")
	}
	return withQuarantine(ctx, config, logger, func(ctx context.Context, q *functions.Quarantine) error {
		if !c.All {
			found, err := at(ctx, q, c.Position)
			if err != nil {
				return err
			}
			return c.replay(ctx, q, out, found)
		}
		failed := 0
		err := q.Each(ctx, false, func(found projections.Quarantined) error {
			err := c.replay(ctx, q, out, found)
			switch events.KindOf(err) {
			case events.Transient, events.Unknown:
				return err
			}
			if err != nil {
				fmt.Fprintln(out.Err, terminal.Sentence(err))
				failed++
			}
			return nil
		})
		if err == nil && failed > 0 {
			return fmt.Errorf("%d records stay in quarantine", failed)
		}
		return err
	})
}

func (c *quarantineReplay) replay(ctx context.Context, q *functions.Quarantine, out *terminal.Output, found projections.Quarantined) error {
	outcome, err := q.Replay(ctx, found, c.Reason)
	if err != nil {
		return err
	}
	if outcome.Repeats != "" {
		fmt.Fprintf(out.Out, "%s: its client has sent the request again meanwhile, decided at %s; nothing was changed\n", found.Record.Position, outcome.Position)
		return nil
	}
	fmt.Fprintf(out.Out, "%s: replayed at %s", found.Record.Position, outcome.Position)
	for _, result := range outcome.Results {
		if result.ID != "" || len(result.Removed) == 0 {
			fmt.Fprintf(out.Out, ", %s/%s %s", result.Type, result.ID, result.Disposition)
		}
		for _, removed := range result.Removed {
			fmt.Fprintf(out.Out, ", %s/%s %s", removed.Type, removed.ID, events.Deleted)
		}
	}
	fmt.Fprintln(out.Out)
	return nil
}

type quarantineDiscard struct {
	Position string `arg:"" help:"Position of the record, partition:offset."`
	Reason   string `help:"Why, for those who look at it later." required:""`
}

// Run is called by the command line.
func (c *quarantineDiscard) Run(ctx context.Context, config *parts.Config, out *terminal.Output, logger *slog.Logger) error {
	return withQuarantine(ctx, config, logger, func(ctx context.Context, q *functions.Quarantine) error {
		found, err := at(ctx, q, c.Position)
		if err != nil {
			return err
		}
		outcome, err := q.Discard(ctx, found, c.Reason)
		if err == nil {
			fmt.Fprintf(out.Out, "%s: discarded at %s\n", found.Record.Position, outcome.Position)
		}
		return err
	})
}

func at(ctx context.Context, q *functions.Quarantine, text string) (projections.Quarantined, error) {
	position, err := events.ParsePosition(text)
	if err != nil {
		return projections.Quarantined{}, terminal.UsageError(terminal.Sentence(err))
	}
	return q.At(ctx, position)
}

// withQuarantine opens the storage and runs a command over it, which hears of what servers decide.
func withQuarantine(ctx context.Context, config *parts.Config, logger *slog.Logger, run func(ctx context.Context, q *functions.Quarantine) error) error {
	p, err := parts.Open(ctx, config, logger, parts.Options{})
	if err != nil {
		return err
	}
	defer p.Close()
	live := p.Generations.Live()
	waiters := write.NewWaiters(live)
	writer := &write.Writer{Log: p.Log, Index: live, IndexReady: p.Generations.Ready, Blobs: p.Blobs, Dialects: p.Dialects, Waiters: waiters, Partitions: p.Partitions, Now: time.Now}
	try := func(record events.RawRecord) (events.Event, error) { return project.Try(p.Dialects, record) }
	q := &functions.Quarantine{Index: live, Ask: writer.Handle, Try: try, Partitions: p.Partitions, Now: time.Now, NewID: node.NewID}
	watching, stop := context.WithCancel(ctx)
	defer stop()
	var group errgroup.Group
	group.Go(func() error { return p.Generations.Watch(watching, func() { waiters.Progressed(watching) }) })
	err = run(ctx, q)
	stop()
	if watched := group.Wait(); err == nil {
		err = watched
	}
	return err
}
