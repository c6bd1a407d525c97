package functions_test

import (
	"context"
	"fmt"
	"testing"

	"binnacle/events"
	"binnacle/events/memory"
	"binnacle/functions"
	"binnacle/functions/functionstest"
)

// busyLog is one to which others write while it is looked at: what it tells of its end is old as soon as it is told.
type busyLog struct {
	events.Log
	told func()
}

func (l busyLog) Ends(ctx context.Context) ([]events.End, error) {
	ends, err := l.Log.Ends(ctx)
	l.told()
	return ends, err
}

func TestALogThatGrowsWhileItIsComparedFits(t *testing.T) {
	feed := memory.NewFeed()
	change, _ := functionstest.Publishing(feed)
	n := functionstest.NewNode(t, change)
	written := 0
	write := func() {
		written++
		n.Must(201, "PUT", fmt.Sprint("/Patient/p", written), functionstest.Patient(fmt.Sprint("p", written), "1"))
		ends, err := n.Log.Ends(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		n.Fed(feed, ends[0].Next)
	}
	write()
	fit := &functions.Fit{Log: busyLog{n.Log, write}, Feed: feed, Index: n.Index, Name: "the log",
		Logger: functionstest.Quiet}
	if err := fit.Handle(t.Context()); err != nil {
		t.Errorf("got %v", err)
	}
	if written < 3 {
		t.Errorf("%d writes: the log did not grow while it was compared", written)
	}
}
