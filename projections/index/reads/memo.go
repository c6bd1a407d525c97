package reads

import (
	"github.com/dustin/go-humanize"

	"binnacle/events"
	"binnacle/projections"
)

// MemoSweep is how many memos that have ended go with one that is new, at most: so they never grow, and no call waits
// for many.
const MemoSweep = 8

// CheckMemo refuses what no driver keeps.
func CheckMemo(op string, memo projections.Memo) error {
	switch {
	case memo.Kind == "" || memo.Name == "":
		return events.Errorf(events.Invalid, op, "a memo has a kind and a name")
	case len(memo.Value) > projections.MaxMemo:
		return events.Errorf(events.TooLarge, op, "the memo %s has %s, and %s are kept at most", memo.Name,
			humanize.IBytes(uint64(len(memo.Value))), humanize.IBytes(projections.MaxMemo))
	}
	return nil
}

// OneMemo is the memo of a name among those that were found under it; kind NotFound: it is not there.
func OneMemo(op string, name projections.MemoName, found []projections.Memo, err error) (projections.Memo, error) {
	if err == nil && len(found) == 0 {
		err = events.Errorf(events.NotFound, op, "there is no memo %s of kind %s, or it has ended", name.Name,
			name.Kind)
	}
	if err != nil {
		return projections.Memo{}, err
	}
	return found[0], nil
}

// OtherMemo says that a memo is another one than its user thought.
func OtherMemo(op string, name projections.MemoName) error {
	return events.Errorf(events.Conflict, op,
		"the memo %s of kind %s is not the one that was read: somebody has changed it, or it has ended; "+
			"read it again", name.Name, name.Kind)
}
