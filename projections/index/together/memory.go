package together

import (
	"context"
	"sync"

	"github.com/maypok86/otter/v2"

	"binnacle/events"
	"binnacle/projections"
)

// memory holds current versions, each as of its partition's mark or newer. A partition's mark moves only together with what was committed up
// to it.
type memory struct {
	entries *otter.Cache[projections.Key, projections.Version]

	mu    sync.Mutex
	marks map[int32]projections.Mark
}

// overhead is what an entry holds beside its texts, in bytes.
const overhead = 300

func newMemory(bytes int64) *memory {
	return &memory{
		marks: map[int32]projections.Mark{},
		entries: otter.Must(&otter.Options[projections.Key, projections.Version]{
			MaximumWeight: uint64(bytes),
			Weigher: func(key projections.Key, v projections.Version) uint32 {
				return uint32(len(key.Tenant)+len(key.Type)+len(key.ID)+len(v.ID)) + overhead
			},
		}),
	}
}

// asked is a batch after memory has answered what it could.
type asked struct {
	rest  []*question                // not answered yet
	marks map[int32]projections.Mark // of the partitions of rest, as they were before the index is asked for it
}

// recall brings the memory up to date and answers what it holds. Where that fails the index is to answer.
func (r *Reader) recall(ctx context.Context, batch []*question) asked {
	if r.memory == nil {
		return asked{rest: batch}
	}
	a := asked{marks: map[int32]projections.Mark{}}
	failed := map[int32]bool{}
	for _, q := range batch {
		partition := events.PartitionOf(q.key.Tenant, r.config.Partitions)
		if _, known := a.marks[partition]; !known && !failed[partition] {
			mark, err := r.memory.follow(ctx, r.Reader, partition)
			if err != nil {
				failed[partition] = true
			} else {
				a.marks[partition] = mark
			}
		}
		if !failed[partition] {
			if version, found := r.memory.entries.GetIfPresent(q.key); found {
				q.version = version
				close(q.done)
				continue
			}
		}
		a.rest = append(a.rest, q)
	}
	return a
}

// follow takes over what was committed to a partition since its mark, and returns the new one.
func (m *memory) follow(ctx context.Context, index projections.Reader, partition int32) (projections.Mark, error) {
	m.mu.Lock()
	before := m.marks[partition]
	m.mu.Unlock()
	changes, err := index.Since(ctx, partition, before, changed)
	if err != nil {
		return projections.Mark{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	now, mark := m.marks[partition], changes.Mark
	switch {
	case now.Generation == mark.Generation && now.Sid >= mark.Sid && now != before:
		return now, nil // another lane has seen as much meanwhile
	case changes.Known && now.Generation == mark.Generation && before.Sid <= now.Sid:
		m.take(changes.Versions)
	default: // nobody can tell what of all that is remembered was replaced
		m.entries.InvalidateAll()
		clear(m.marks)
	}
	m.marks[partition] = mark
	return mark, nil
}

// take replaces what is remembered by what is newer.
func (m *memory) take(versions []projections.Version) {
	for _, v := range versions {
		if have, found := m.entries.GetIfPresent(v.Key); found && v.Sid > have.Sid {
			m.entries.Set(v.Key, v)
		}
	}
}

// remember keeps what the index has answered, unless the mark has moved since it was asked: one of the versions might be what a change has
// replaced that was taken over meanwhile.
func (r *Reader) remember(a asked, keys []projections.Key, versions []projections.Version) {
	if r.memory == nil {
		return
	}
	m := r.memory
	m.mu.Lock()
	defer m.mu.Unlock()
	for i, key := range keys {
		partition := events.PartitionOf(key.Tenant, r.config.Partitions)
		if mark, known := a.marks[partition]; known && mark == m.marks[partition] && mark.Generation != 0 {
			m.entries.Set(key, versions[i])
		}
	}
}
