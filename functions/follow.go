package functions

import (
	"context"
	"fmt"
	"regexp"

	"binnacle/events"
	"binnacle/projections"
)

// cursorKind is the kind of the memos that cursors are.
const cursorKind = "cursor"

// cursorName is what a cursor may be called.
var cursorName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$`)

// Follow reads the feed for somebody who has a name, and remembers in a cursor how far they are. A cursor moves after a
// batch was handled, so a reader that dies gets that batch again: at least once. Whoever needs exactly once keeps the
// position in the transaction of their own work.
//
// A cursor is a memo: it is lost when the index's store is. Then the reader begins where they say, as the first time.
type Follow struct {
	Feed   events.Feed
	Memos  projections.Memos
	Cursor string // its name; "": nothing is remembered
	Owner  string // whoever moves it, for people
}

// CheckCursor refuses a name that no cursor can have.
func CheckCursor(name string) error {
	if !cursorName.MatchString(name) {
		return events.Errorf(events.Invalid, "functions.Follow", "%.60q can't be the name of a cursor; a name has "+
			"letters, digits, dots, dashes and underscores, 100 at most", name)
	}
	return nil
}

// Handle calls handle with the decisions of a partition, from the cursor on, or from start where there is none. With
// stay it goes on with those that come, until ctx ends; else it returns where the feed ends. Kind Conflict: another
// reader has moved the cursor meanwhile; its batch was handled here too.
func (f *Follow) Handle(
	ctx context.Context, partition int32, start int64, stay bool, handle func([]events.Decision) error,
) error {
	const op = "functions.Follow"
	from := events.Position{Partition: partition, Offset: start}
	cursor := projections.Memo{MemoName: f.memo(partition), Owner: f.Owner}
	if f.Cursor != "" {
		found, err := f.Memos.Memo(ctx, cursor.MemoName)
		switch {
		case err == nil:
			cursor.Revision = found.Revision
			if from, err = events.ParsePosition(string(found.Value)); err != nil {
				return events.Wrap(events.Internal, op, err, "the cursor %s can't be read", f.Cursor)
			}
		case events.KindOf(err) != events.NotFound:
			return err
		}
	}
	read := func(batch []events.Decision) error {
		if err := handle(batch); err != nil || f.Cursor == "" {
			return err
		}
		after := batch[len(batch)-1].Outcome.Position
		after.Offset++
		cursor.Value = []byte(after.String())
		revision, err := f.Memos.Keep(ctx, cursor, 0)
		if events.KindOf(err) == events.Conflict {
			return events.Wrap(events.Conflict, op, err,
				"another reader moves the cursor %s; give each reader a cursor of its own", f.Cursor)
		}
		cursor.Revision = revision
		return err
	}
	if stay {
		return f.Feed.Follow(ctx, from, read)
	}
	end, err := f.Feed.End(ctx, partition)
	if err != nil {
		return err
	}
	return f.Feed.Decisions(ctx, from, end, read)
}

// Set puts the cursor at a place: what is there and behind it is read next. Kind Conflict: another reader moved it at
// the same time.
func (f *Follow) Set(ctx context.Context, at events.Position) error {
	cursor, err := f.Memos.Memo(ctx, f.memo(at.Partition))
	if err != nil && events.KindOf(err) != events.NotFound {
		return err
	}
	cursor.MemoName, cursor.Owner, cursor.Value = f.memo(at.Partition), f.Owner, []byte(at.String())
	_, err = f.Memos.Keep(ctx, cursor, 0)
	return err
}

func (f *Follow) memo(partition int32) projections.MemoName {
	return projections.MemoName{Kind: cursorKind, Name: fmt.Sprintf("%s/%d", f.Cursor, partition)}
}
