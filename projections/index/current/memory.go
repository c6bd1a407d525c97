package current

import (
	"context"
	"maps"
	"sync"

	"github.com/maypok86/otter/v2"

	"binnacle/events"
	"binnacle/projections"
)

// memory holds current versions, each as of its partition's mark or newer. A partition's mark moves only together
// with what was committed up to it.
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

// recall brings the memory up to date, answers what it holds, and returns the rest. Where that fails the index is to
// answer.
func (r *Reader) recall(ctx context.Context, batch []*question) (rest []*question) {
	followed := map[int32]bool{}
	for _, q := range batch {
		partition := events.PartitionOf(q.key.Tenant, r.config.Partitions)
		fresh, asked := followed[partition]
		if !asked {
			fresh = r.memory.follow(ctx, r.Reader, partition) == nil
			followed[partition] = fresh
		}
		if fresh {
			if version, found := r.memory.entries.GetIfPresent(q.key); found {
				q.version = version
				close(q.done)
				continue
			}
		}
		rest = append(rest, q)
	}
	return rest
}

// follow takes over what was committed to a partition since its mark. There is one call at a time.
func (m *memory) follow(ctx context.Context, index projections.Reader, partition int32) error {
	m.mu.Lock()
	before := m.marks[partition]
	m.mu.Unlock()
	changes, err := index.Since(ctx, partition, before, changed)
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if changes.Known && before.Generation == changes.Mark.Generation {
		m.take(changes.Versions)
	} else { // nobody can tell what of all that is remembered was replaced
		m.entries.InvalidateAll()
		clear(m.marks)
	}
	m.marks[partition] = changes.Mark
	return nil
}

// take replaces what is remembered by what is newer.
func (m *memory) take(versions []projections.Version) {
	for _, v := range versions {
		if have, found := m.entries.GetIfPresent(v.Key); found && v.Sid > have.Sid {
			m.entries.Set(v.Key, v)
		}
	}
}

// marks are those of all partitions now, to be held against later ones; nil without a memory.
func (r *Reader) marks() map[int32]projections.Mark {
	if r.memory == nil {
		return nil
	}
	r.memory.mu.Lock()
	defer r.memory.mu.Unlock()
	return maps.Clone(r.memory.marks)
}

// remember keeps what the index has answered, unless the mark has moved since before it was asked: one of the
// versions might be what a change has replaced that was taken over meanwhile.
func (r *Reader) remember(before map[int32]projections.Mark, keys []projections.Key, versions []projections.Version) {
	if r.memory == nil {
		return
	}
	m := r.memory
	m.mu.Lock()
	defer m.mu.Unlock()
	for i, key := range keys {
		partition := events.PartitionOf(key.Tenant, r.config.Partitions)
		if mark := before[partition]; mark == m.marks[partition] && mark.Generation != 0 {
			m.entries.Set(key, versions[i])
		}
	}
}
