package infra

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"binnacle/events"
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
	Partition int32  `help:"Partition to print; -1: all." default:"-1"`
	Tenant    string `help:"Tenant whose records are printed, of those that the other flags select; empty: all."`
}

const tailHelp = `Prints records of the log, one a line: position, append time, tenant, event id and the changes. A record that
can't be decoded is printed with the reason; the server keeps such records in quarantine.
With --feed it prints the decisions on those records instead: what each change became, or why it was refused.`

func (*tailCommand) Help() string { return tailHelp }

// tailLines is how many records of each partition are printed when no position is given.
const tailLines = 10

// Run is called by the command line.
func (c *tailCommand) Run(ctx context.Context, config *parts.Config, out *terminal.Output, logger *slog.Logger) error {
	log, feed, closeLog, err := parts.OpenLog(ctx, config, logger)
	if err != nil {
		return err
	}
	defer closeLog()
	next := map[int32]int64{}
	from := events.Position{Partition: -1}
	if c.From != "" {
		if from, err = events.ParsePosition(c.From); err != nil {
			return terminal.UsageError("--from: " + terminal.Sentence(err))
		}
	}
	show := func(from events.Position, to int64) error {
		return log.Replay(ctx, from, to, func(records []events.RawRecord) error {
			for _, raw := range records {
				if c.Tenant != "" && c.Tenant != string(raw.Key) {
					continue
				}
				if err := c.print(out.Out, raw); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if c.Feed {
		show = func(from events.Position, to int64) error {
			return feed.Decisions(ctx, from, to, func(decisions []events.Decision) error { return c.printDecisions(out.Out, decisions) })
		}
	}
	for {
		ends, err := log.Ends(ctx)
		for i := range ends {
			if c.Feed && err == nil { // of decisions there are some up to where the feed ends
				ends[i].First = 0
				ends[i].Next, err = feed.End(ctx, ends[i].Partition)
			}
		}
		if err != nil {
			return endOfInterrupt(ctx, err)
		}
		if err := c.check(from, ends); err != nil {
			return err
		}
		for _, end := range ends {
			if c.Partition >= 0 && end.Partition != c.Partition || from.Partition >= 0 && end.Partition != from.Partition {
				continue
			}
			start, known := next[end.Partition]
			if !known {
				start = max(end.First, end.Next-tailLines)
				if from.Partition >= 0 {
					start = max(end.First, from.Offset)
				}
			}
			next[end.Partition] = max(start, end.Next)
			if start >= end.Next {
				continue
			}
			if err := show(events.Position{Partition: end.Partition, Offset: start}, end.Next); err != nil {
				return endOfInterrupt(ctx, err)
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

// check refuses a partition that the log does not have, and a position that another flag leaves out.
func (c *tailCommand) check(from events.Position, ends []events.End) error {
	for _, asked := range []struct {
		flag      string
		partition int32
	}{{"--partition", c.Partition}, {"--from", from.Partition}} {
		if asked.partition >= 0 && !slices.ContainsFunc(ends, func(end events.End) bool { return end.Partition == asked.partition }) {
			return terminal.UsageError(fmt.Sprintf("%s names partition %d, and the log has %d: 0 to %d", asked.flag, asked.partition, len(ends), len(ends)-1))
		}
	}
	if c.Partition >= 0 && from.Partition >= 0 && c.Partition != from.Partition {
		return terminal.UsageError(fmt.Sprintf("--partition %d leaves out the partition of --from %s; give one of them", c.Partition, from))
	}
	for _, end := range ends {
		if end.Partition == from.Partition && from.Offset > end.Next && !c.Follow {
			return terminal.UsageError(fmt.Sprintf("--from %s is beyond the end of partition %d, which is %d; --follow waits for it", from, end.Partition, end.Next))
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
}

func (c *tailCommand) print(w io.Writer, raw events.RawRecord) error {
	line := tailRecord{Position: raw.Position.String(), Time: raw.Time.UTC(), Bytes: len(raw.Value)}
	record, err := events.Decode(raw)
	if err != nil {
		line.Problem = terminal.Sentence(err)
	} else {
		line.Tenant, line.Event = record.Event.Tenant, record.Event.ID
	}
	for _, change := range record.Event.Changes {
		t := tailChange{Operation: change.Operation.String(), Type: change.Type, ID: change.ID, Condition: change.Condition, IfMatch: change.IfMatch, Bytes: len(change.Content)}
		if c.Content {
			t.Content = change.Content
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
		}
	}
	return b.String()
}
