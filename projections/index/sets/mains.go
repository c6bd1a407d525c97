package sets

import (
	"math"
	"slices"

	"binnacle/projections"
)

// BlockSids is how many versions' main dates lie in one block.
const BlockSids = 1 << 14

// Interval has both ends inside.
type Interval struct{ Low, High int64 }

// Block holds the main dates of versions that follow each other, exactly: as steps of a unit from the earliest of
// them where these fit 32 bits, which dates to the second do over 136 years.
type Block struct {
	low, unit int64
	steps     []uint32   // 0: none, MinTime
	whole     []int64    // in place of steps where those do not fit
	groups    []Interval // of the main dates of each GroupSids versions
	last      int64      // when it was used
}

// GroupSids is how many versions are a group. Of each group the earliest and the latest main date are known, so that
// most versions that come too early or too late for a page need not be looked at.
const GroupSids = 1 << 7

// units are the microseconds of a second, a millisecond.
var units = [...]int64{1_000_000, 1_000} //nolint:gochecknoglobals // a constant that Go can't write as one

func NewBlock(mains []int64) *Block {
	low, high := int64(math.MaxInt64), int64(math.MinInt64)
	for _, m := range mains {
		if m != projections.MinTime {
			low, high = min(low, m), max(high, m)
		}
	}
	if low > high {
		low, high = 0, 0
	}
	groups := make([]Interval, 0, len(mains)/GroupSids+1)
	for group := range slices.Chunk(mains, GroupSids) {
		groups = append(groups, Interval{slices.Min(group), slices.Max(group)})
	}
	for _, unit := range units {
		if (high-low)/unit >= math.MaxUint32 || slices.ContainsFunc(mains,
			func(m int64) bool { return m != projections.MinTime && (m-low)%unit != 0 }) {
			continue
		}
		b := &Block{low: low, unit: unit, groups: groups, steps: make([]uint32, len(mains))}
		for i, m := range mains {
			if m != projections.MinTime {
				b.steps[i] = uint32((m-low)/unit) + 1
			}
		}
		return b
	}
	return &Block{whole: slices.Clone(mains), groups: groups}
}

func (b *Block) bytes() int64 {
	return 100 + 4*int64(len(b.steps)) + 8*int64(len(b.whole)) + 16*int64(len(b.groups))
}

func (b *Block) len() int { return max(len(b.steps), len(b.whole)) }

func (b *Block) at(i int64) int64 {
	if b.whole != nil {
		return b.whole[i]
	}
	if step := b.steps[i]; step != 0 {
		return b.low + int64(step-1)*b.unit
	}
	return projections.MinTime
}

// Mains are main dates by the number of the block; nil: not those of any version.
type Mains []*Block

// Of is the main date of a version.
func (b Mains) Of(sid uint32) int64 { return b[sid/BlockSids].at(int64(sid % BlockSids)) }

// Group is between which main dates a version and those that share the group of GroupSids versions lie.
func (b Mains) Group(sid uint32) Interval {
	return b[sid/BlockSids].groups[sid%BlockSids/GroupSids]
}

// with is the block with more main dates at its end.
func (b *Block) with(mains []int64) *Block {
	all := make([]int64, 0, b.len()+len(mains))
	for i := range b.len() {
		all = append(all, b.at(int64(i)))
	}
	return NewBlock(append(all, mains...))
}

// Rest are, by block, the latest main date of the block and of those before it or, where the order does not descend,
// the earliest of the block and of those after it.
func (b Mains) Rest(descending bool) []int64 {
	rest := make([]int64, len(b))
	last := int64(math.MaxInt64)
	if descending {
		last = math.MinInt64
	}
	for i := range b {
		at := i
		if !descending {
			at = len(b) - 1 - i
		}
		if b[at] != nil {
			for _, group := range b[at].groups {
				if descending {
					last = max(last, group.High)
				} else {
					last = min(last, group.Low)
				}
			}
		}
		rest[at] = last
	}
	return rest
}

// readMainBlock reads the main dates of a block.
func readMainBlock(number int64) task {
	return one(wanted{what: wantedMains, name: Name{key: number}}, 0,
		func(v *View) (*Block, bool) {
			mains, err := v.readMains(number, 0)
			if err != nil || mains == nil {
				return nil, false
			}
			return NewBlock(mains), true
		},
		func(p *partition, block *Block) { p.putBlock(number, block) })
}

// readMains reads the main dates of a block from a place in it on; nil where versions are missing.
func (v *View) readMains(number, from int64) ([]int64, error) {
	start := number*BlockSids + from
	end := min((number+1)*BlockSids, v.Snapshot-v.Origin()+1)
	mains := make([]int64, 0, max(end-start, 0))
	if start == 0 {
		mains = append(mains, projections.MinTime) // there is no version 0
	}
	s := v.Statement()
	err := v.Query(s, "select "+s.List("y.main")+" from (select v.main from "+s.Table("version")+" v where v.sid >= "+
		s.Arg(v.Origin()+start)+" and v.sid < "+s.Arg(v.Origin()+end)+" order by v.sid) y",
		func(scan func(...any) error) error {
			list := s.Listed()
			if err := scan(list.Into()); err != nil {
				return err
			}
			list.Each(func(main int64) { mains = append(mains, main) })
			return nil
		})
	if err != nil || int64(len(mains)) != end-start {
		return nil, err
	}
	return mains, nil
}
