package sqlite

import (
	"context"
	"sync"
	"time"

	"binnacle/events"
	"binnacle/projections"
	"binnacle/projections/index/reads"
)

// Hold promises that commits to a partition may wait: until release is called no generation takes the place of the
// live one. It tells where the partition stands, and in which generation. Nobody else may commit, which holds for an
// exclusive index alone. Kind Conflict: the generation is another one than that of the last State. Kind Transient:
// nothing may be held now.
func (l *live) Hold(
	ctx context.Context, partition int32,
) (state projections.State, generation int, release func(), err error) {
	const op = "sqlite.Hold"
	if !l.exclusive {
		return state, 0, nil, events.Errorf(events.Transient, op, "other processes may commit to this index")
	}
	free, err := l.holds.Begin()
	if err != nil {
		return state, 0, nil, events.Wrap(events.Transient, op, err, "the files beside the index can't be locked")
	}
	if !free {
		return state, 0, nil, events.Errorf(events.Transient, op, "another generation is about to become live")
	}
	if state, generation, err = l.stands(ctx, partition); err != nil {
		l.holds.End()
		return projections.State{}, 0, nil, err
	}
	return state, generation, sync.OnceFunc(l.holds.End), nil
}

// Awaited tells whether somebody waits until nothing is held.
func (l *live) Awaited() bool { return l.holds.Awaited() }

// stands tells where a partition stands in the generation that its last State came from, unless that is not live.
func (l *live) stands(ctx context.Context, partition int32) (projections.State, int, error) {
	number, paused := int64(0), int64(0)
	if err := l.reader.Query(ctx, "select number, paused from index_pointer", nil,
		func(scan func(...any) error) error { return scan(&number, &paused) }); err != nil {
		return projections.State{}, 0, err
	}
	g, err := l.current(ctx)
	if err != nil {
		return projections.State{}, 0, err
	}
	l.mu.Lock()
	based, known := l.based[partition]
	l.mu.Unlock()
	if !known {
		based = g.number
	}
	if int64(based) != number || int64(g.number) != number {
		l.stale()
		return projections.State{}, 0, reads.Moved(based, int(number))
	}
	if paused > time.Now().UnixMicro() {
		return projections.State{}, 0, reads.Paused()
	}
	state, err := g.state(ctx, partition)
	return state, g.number, err
}
