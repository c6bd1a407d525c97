package project

import (
	"errors"
	"maps"
	"slices"
	"time"

	"binnacle/events"
)

// troubleFresh is how long a failure counts when it does not come again: the partition may have gone to another node meanwhile.
const troubleFresh = 15 * time.Second

// trouble is why a partition is not projected on.
type trouble struct {
	err         error
	since, last time.Time
}

// troubled notes that the records of a partition could not be projected.
func (p *Projector) troubled(partition int32, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.troubles == nil {
		p.troubles = map[int32]trouble{}
	}
	now := time.Now()
	t, known := p.troubles[partition]
	if !known || now.Sub(t.last) > troubleFresh {
		t.since = now
	}
	t.err, t.last = err, now
	p.troubles[partition] = t
}

// untroubled notes that records of a partition were projected.
func (p *Projector) untroubled(partition int32) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.troubles, partition)
}

// Trouble is why records that this projector has are not projected, as its last tries have told, and since when. Of several partitions it tells
// of the first.
func (p *Projector) Trouble() (since time.Time, err error) {
	p.mu.Lock()
	partitions := slices.Sorted(maps.Keys(p.troubles))
	p.mu.Unlock()
	for _, partition := range partitions {
		if since, err = p.TroubleOf(partition); err != nil {
			break
		}
	}
	return since, err
}

// TroubleOf is [Projector.Trouble] of one partition.
func (p *Projector) TroubleOf(partition int32) (since time.Time, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if t, known := p.troubles[partition]; known && time.Since(t.last) < troubleFresh {
		return t.since, events.Wrap(events.Transient, "project.Projector", t.err, "partition %d can't be projected on: %s", partition, reason(t.err))
	}
	return time.Time{}, nil
}

// reason is what anybody may read of an error.
func reason(err error) string {
	var told *events.Error
	if errors.As(err, &told) && told.Kind != events.Internal && told.Text != "" {
		return told.Text
	}
	return "the node's log tells why"
}
