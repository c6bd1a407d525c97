package infra

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/dustin/go-humanize"
	"golang.org/x/sync/errgroup"

	"binnacle/events"
	"binnacle/functions"
	"binnacle/infra/parts"
	"binnacle/infra/terminal"
)

// tailCommand prints the log.
type tailCommand struct {
	From      string `help:"Position of the first record to print, partition:offset; empty: the last ten records of each partition."`
	Follow    bool   `help:"Go on with records as they come, until interrupted." short:"f"`
	Content   bool   `help:"Print the documents too."`
	JSON      bool   `help:"Print one JSON object a record." name:"json"`
	Feed      bool   `help:"Print the feed instead of the log: what was decided about each record, one JSON object a line."`
	Cursor    string `help:"Name of a reader of the feed: what is printed goes on where it was the last time, from the beginning the first time; --from sets it anew. It moves past what --tenant leaves out, too: use it with the same flags each time." placeholder:"NAME"`
	Partition int32  `help:"Partition to print; -1: all." default:"-1"`
	Tenant    string `help:"Tenant whose records are printed, of those that the other flags select; empty: all."`
}

const tailHelp = `Prints records of the log, one a line: position, append time, tenant, event id and the changes. A record that
can't be decoded is printed with the reason; the server keeps such records in quarantine.
With --feed it prints the decisions on those records instead: what each change became, or why it was refused.
With --cursor NAME it remembers how far it has printed, beside the index: the next run with that name goes on there. After a crash some
decisions come again. A cursor belongs to one reader with one set of flags: it moves past the decisions that --tenant leaves out, and
they don't come again without it. Give each reader, and each set of flags, a name of its own.`

func (*tailCommand) Help() string { return tailHelp }

// tailLines is how many records of each partition are printed when no position is given.
const tailLines = 10

// Run is called by the command line.
func (c *tailCommand) Run(ctx context.Context, config *parts.Config, out *terminal.Output, logger *slog.Logger) error {
	if err := c.checkCursor(); err != nil {
		return err
	}
	p, err := parts.OpenLog(ctx, config, logger, c.Cursor != "")
	if err != nil {
		return err
	}
	defer p.Close()
	from := events.Position{Partition: -1}
	if c.From != "" {
		if from, err = events.ParsePosition(c.From); err != nil {
			return terminal.UsageError("--from: " + terminal.Sentence(err))
		}
	}
	if c.Feed {
		return endOfInterrupt(ctx, c.tailFeed(ctx, p, from, out.Out))
	}
	return endOfInterrupt(ctx, c.tailLog(ctx, p.Log, from, out.Out))
}

// tailLog prints records.
func (c *tailCommand) tailLog(ctx context.Context, log events.Log, from events.Position, out io.Writer) error {
	next := map[int32]int64{}
	for {
		ends, err := log.Ends(ctx)
		if err != nil {
			return err
		}
		if err := c.check(from, ends); err != nil {
			return err
		}
		for _, end := range ends {
			if c.leavesOut(end.Partition, from) {
				continue
			}
			start, known := next[end.Partition]
			if !known {
				start = max(end.First, c.start(end, from))
			}
			next[end.Partition] = max(start, end.Next)
			if start >= end.Next {
				continue
			}
			err := log.Replay(ctx, events.Position{Partition: end.Partition, Offset: start}, end.Next,
				func(records []events.RawRecord) error {
					for _, raw := range records {
						if c.Tenant != "" && c.Tenant != string(raw.Key) {
							continue
						}
						if err := c.print(out, raw); err != nil {
							return err
						}
					}
					return nil
				})
			if err != nil {
				return err
			}
		}
		if !c.Follow {
			return nil
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// leavesOut tells whether the flags leave a partition out.
func (c *tailCommand) leavesOut(partition int32, from events.Position) bool {
	return c.Partition >= 0 && partition != c.Partition || from.Partition >= 0 && partition != from.Partition
}

// start is where the first look at a partition begins.
func (c *tailCommand) start(end events.End, from events.Position) int64 {
	if from.Partition >= 0 {
		return from.Offset
	}
	return end.Next - tailLines
}

// checkCursor refuses a cursor that nothing would move, or that can't be named so.
func (c *tailCommand) checkCursor() error {
	if c.Cursor == "" {
		return nil
	}
	if !c.Feed {
		return terminal.UsageError("--cursor is for readers of the feed: add --feed")
	}
	if err := functions.CheckCursor(c.Cursor); err != nil {
		return terminal.UsageError("--cursor: " + terminal.Sentence(err))
	}
	return nil
}

// tailFeed prints decisions, of all partitions side by side when they are followed.
func (c *tailCommand) tailFeed(ctx context.Context, p *parts.Parts, from events.Position, out io.Writer) error {
	ends, err := p.Log.Ends(ctx)
	for i := range ends {
		if err == nil { // of decisions there are some up to where the feed ends
			ends[i].First = 0
			ends[i].Next, err = p.Feed.End(ctx, ends[i].Partition)
		}
	}
	if err == nil {
		err = c.check(from, ends)
	}
	if err != nil {
		return err
	}
	var mu sync.Mutex
	show := func(decisions []events.Decision) error {
		mu.Lock()
		defer mu.Unlock()
		return c.printDecisions(out, decisions)
	}
	reader := &functions.Follow{Feed: p.Feed, Memos: p.Memos, Cursor: c.Cursor, Owner: parts.Hostname()}
	readers, ctx := errgroup.WithContext(ctx)
	if !c.Follow {
		readers.SetLimit(1)
	}
	for _, end := range ends {
		if c.leavesOut(end.Partition, from) {
			continue
		}
		start := max(0, c.start(end, from))
		switch {
		case c.Cursor == "":
		case from.Partition < 0:
			start = 0 // where the cursor is not there yet
		default:
			if err := reader.Set(ctx, from); err != nil {
				return err
			}
		}
		readers.Go(func() error { return reader.Handle(ctx, end.Partition, start, c.Follow, show) })
	}
	return readers.Wait()
}

// check refuses a partition that the log does not have, and a position that another flag leaves out.
func (c *tailCommand) check(from events.Position, ends []events.End) error {
	for _, asked := range []struct {
		flag      string
		partition int32
	}{{"--partition", c.Partition}, {"--from", from.Partition}} {
		if asked.partition >= 0 && !slices.ContainsFunc(ends, func(end events.End) bool {
			return end.Partition == asked.partition
		}) {
			return terminal.UsageError(fmt.Sprintf("%s names partition %d, and the log has %d: 0 to %d", asked.flag,
				asked.partition, len(ends), len(ends)-1))
		}
	}
	if c.Partition >= 0 && from.Partition >= 0 && c.Partition != from.Partition {
		return terminal.UsageError(fmt.Sprintf("--partition %d leaves out the partition of --from %s; give one of them",
			c.Partition, from))
	}
	for _, end := range ends {
		if end.Partition == from.Partition && from.Offset > end.Next && !c.Follow {
			return terminal.UsageError(fmt.Sprintf("--from %s is beyond the end of partition %d, which is %d; "+
				"--follow waits for it", from, end.Partition, end.Next))
		}
	}
	return nil
}

// printDecisions prints the written forms of decisions, one a line.
func (c *tailCommand) printDecisions(w io.Writer, decisions []events.Decision) error {
	for i := range decisions {
		if c.Tenant != "" && c.Tenant != decisions[i].Outcome.Tenant {
			continue
		}
		_, value, err := events.EncodeDecision(decisions[i])
		if err == nil {
			_, err = w.Write(append(value, '\n'))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// endOfInterrupt makes no failure of an interruption by the user.
func endOfInterrupt(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil //nolint:nilerr // the user has seen enough: that is how following ends
	}
	return err
}

// tailRecord is the JSON form of a record.
type tailRecord struct {
	Position string       `json:"position"`
	Time     time.Time    `json:"time"`
	Tenant   string       `json:"tenant,omitempty"`
	Event    string       `json:"event,omitempty"`
	Dialect  string       `json:"dialect,omitempty"` // none: fhir
	Bytes    int          `json:"bytes"`
	Problem  string       `json:"problem,omitempty"`
	Changes  []tailChange `json:"changes,omitempty"`
}

type tailChange struct {
	Operation string          `json:"operation"`
	Type      string          `json:"type"`
	ID        string          `json:"id,omitempty"`
	Condition string          `json:"condition,omitempty"`
	IfMatch   int64           `json:"ifMatch,omitempty"`
	Bytes     int             `json:"bytes"`
	Content   json.RawMessage `json:"content,omitempty"`
	// of another dialect than FHIR's, whose contents need be no JSON
	Content64 []byte `json:"content64,omitempty"`
}

func (c *tailCommand) print(w io.Writer, raw events.RawRecord) error {
	line := tailRecord{Position: raw.Position.String(), Time: raw.Time.UTC(), Bytes: len(raw.Value)}
	record, err := events.Decode(raw)
	if err != nil {
		line.Problem = terminal.Sentence(err)
	} else {
		line.Tenant, line.Event, line.Dialect = record.Event.Tenant, record.Event.ID, record.Event.Dialect
	}
	for _, change := range record.Event.Changes {
		t := tailChange{Operation: change.Operation.String(), Type: change.Type, ID: change.ID,
			Condition: change.Condition, IfMatch: change.IfMatch, Bytes: len(change.Content)}
		switch {
		case !c.Content:
		case record.Event.Dialect == "":
			t.Content = change.Content
		default:
			t.Content64 = change.Content
		}
		line.Changes = append(line.Changes, t)
	}
	if c.JSON {
		return json.NewEncoder(w).Encode(line)
	}
	_, err = io.WriteString(w, line.text())
	return err
}

func (r tailRecord) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s  %s  ", r.Position, r.Time.Format("2006-01-02T15:04:05.000Z"))
	if r.Problem != "" {
		fmt.Fprintf(&b, "can't be decoded (%s): %s\n", humanize.IBytes(uint64(r.Bytes)), r.Problem)
		return b.String()
	}
	fmt.Fprintf(&b, "%s  %s ", r.Tenant, r.Event)
	if r.Dialect != "" {
		fmt.Fprintf(&b, " %s:", r.Dialect)
	}
	const most = 3
	for i, change := range r.Changes {
		if i == most && len(r.Changes) > most+1 {
			fmt.Fprintf(&b, ", … %d changes in all", len(r.Changes))
			break
		}
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, " %s %s", change.Operation, change.Type)
		if change.ID != "" {
			b.WriteString("/" + change.ID)
		}
		if change.Condition != "" {
			b.WriteString("?" + change.Condition)
		}
		if change.Bytes > 0 {
			fmt.Fprintf(&b, " (%s)", humanize.IBytes(uint64(change.Bytes)))
		}
	}
	b.WriteByte('\n')
	for _, change := range r.Changes {
		if change.Content != nil {
			fmt.Fprintf(&b, "    %s\n", change.Content)
		} else if change.Content64 != nil {
			fmt.Fprintf(&b, "    %q\n", change.Content64)
		}
	}
	return b.String()
}
