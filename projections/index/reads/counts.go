package reads

import (
	"context"
	"slices"
	"sync"

	"github.com/cespare/xxhash/v2"

	"binnacle/projections"
	"binnacle/projections/index/keys"
)

// Counts remembers how many versions some types of a tenant had up to a Sid, for one generation. Versions are only
// ever added, so that stays true, and what came later is counted beside it. A nil Counts remembers nothing. Its methods
// are safe for concurrent use.
type Counts struct {
	mu sync.Mutex
	by map[uint64]counted
}

// counted are the versions of some ledgers before a Sid.
type counted struct{ to, versions int64 }

// countsKept bounds what is remembered; beyond it all is forgotten.
const countsKept = 1 << 14

// NewCounts remembers nothing yet.
func NewCounts() *Counts { return &Counts{by: map[uint64]counted{}} }

// known returns what is remembered of ledgers up to a Sid; none of an earlier one is worth it where the later ones are
// more than a quarter of all.
func (c *Counts) known(of uint64, to int64) (counted, bool) {
	if c == nil {
		return counted{}, false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	before, has := c.by[of]
	return before, has && before.to <= to && to-before.to <= before.versions/4+1_000
}

func (c *Counts) note(of uint64, now counted) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.by) >= countsKept {
		clear(c.by)
	}
	c.by[of] = now
}

// allVersions counts the versions of ledgers of a partition before a Sid.
func (r Reads) allVersions(ctx context.Context, partition int32, ledgers []int64, to int64) (int64, error) {
	of := setOf(partition, ledgers)
	before, known := r.Counts.known(of, to)
	s := r.statement()
	from := " v where v.ledger " + s.In(ledgers) + " and v.sid < " + s.Arg(to)
	switch {
	case known && before.to == to:
		return before.versions, nil
	case known:
		from += " and v.sid >= " + s.Arg(before.to)
	}
	now := counted{to: to}
	err := r.query(ctx, s, "select count(*) from "+s.Table("version")+from, func(scan func(...any) error) error {
		return scan(&now.versions)
	})
	if err != nil {
		return 0, err
	}
	if known {
		now.versions += before.versions
	}
	r.Counts.note(of, now)
	return now.versions, nil
}

// setOf is a key for ledgers of a partition, in whatever order.
func setOf(partition int32, ledgers []int64) uint64 {
	sorted := slices.Sorted(slices.Values(ledgers))
	h := keys.Hasher{Buffer: make([]byte, 0, 8*len(sorted)+8)}
	h.Key(int64(partition) << projections.SidBits)
	for _, ledger := range sorted {
		h.Key(ledger)
	}
	return xxhash.Sum64(h.Buffer)
}
