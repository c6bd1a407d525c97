package search

import (
	"binnacle/projections/index/sql"
	"binnacle/projections/index/step"
)

// sievedAlone: for sieveAlone one of so many versions has to match, at least.
const sievedAlone = 20

// maySieveAlone tells whether nothing is asked but one clause, whose sets are in memory.
func (p *plan) maySieveAlone() bool {
	return p.setsHelp() && p.driver == nil && p.sets.ready && p.By == step.OrderMain && !p.inParts() &&
		len(p.Accesses) == 1
}

// sieveAlone answers in the order of the main date when one clause of many keys is all that is asked. It makes no
// union of the keys' sets: where many versions match, to look up the few that a page takes is faster. enough is false
// where not so many match, or sets are not at hand.
func (p *plan) sieveAlone() (found []step.Match, enough bool, err error) {
	a := p.Accesses[0]
	keys := a.AsSet()
	if len(keys) <= sql.Inline || p.Living <= 0 {
		return nil, false, nil
	}
	v, err := p.View().AsOf(false)
	if v == nil || err != nil {
		return nil, false, err
	}
	t, rows := &step.Intersection{Sets: v, First: v.Origin()}, 0
	sets := v.SetsOf(a.Kind(), keys)
	for _, key := range keys {
		k := sets[key]
		if k == nil || k.UpTo < v.Snapshot {
			return nil, false, nil
		}
		t.Any, rows = append(t.Any, k.Has), rows+k.Count
	}
	if rows < int(p.Living)/sievedAlone {
		return nil, false, nil
	}
	expected := int(float64(p.limit) * float64(p.Living) / float64(max(rows, 1)))
	if found, enough, err = p.Sieve(t, p.Ledger, p.order, step.ByValue, p.After.Phase == step.ByValue,
		2*expected+p.limit, p.limit); enough {
		p.choose(byMerge, "so many match that a page is found in the order, each row held against the sets")
		p.Say("versions by %s, found in the order of the main date, each row looked up in %d sets", a.Words, len(keys))
	}
	return found, enough, err
}
