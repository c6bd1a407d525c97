package projections

import "context"

// Sweeper removes from the live generation what no search sees any more. A superseded version keeps its row, so
// histories stay whole. The rows by which searches find it are needed as long as somebody may ask for a snapshot at
// which it was current.
//
// A sweep reads the index from end to end. So it is worth its price when it removes much; see Waste. A commit never
// waits for it longer than a portion takes, some ten milliseconds.
type Sweeper interface {
	// Horizon says that nobody needs the snapshots of a partition before this one. From now on they are refused with
	// kind Gone. A horizon never goes back: an earlier one changes nothing. One that is not projected yet changes
	// nothing either.
	Horizon(ctx context.Context, partition int32, snapshot int64) error

	// Waste tells what a sweep would find.
	Waste(ctx context.Context) (Waste, error)

	// Sweep begins to sweep what lies before the horizons as they are now. It goes on with a sweep that did not come
	// to its end, whichever process began it. Searches may have begun before: wait for as long as one may take before
	// the first portion. Kind Conflict: another process is sweeping.
	Sweep(ctx context.Context) (Sweep, error)
}

// Waste is what a sweep would find.
type Waste struct {
	Superseded int64 // versions that still have rows and that no snapshot from the horizons on sees, about
	Living     int64 // current resources
	Begun      bool  // a sweep has begun and did not come to its end
}

// Sweep is a sweep under way.
type Sweep interface {
	// Portion removes some rows in a transaction of its own, in which the place is kept where the next one goes on.
	Portion(ctx context.Context) (SweepPortion, error)

	// Release ends this process's part; what is not swept yet is left for another sweep.
	Release() error
}

// SweepPortion is what one portion did.
type SweepPortion struct {
	Removed int64 // rows
	Done    bool  // nothing is left of what the sweep began with
}
