package search

import "binnacle/projections/index/sql"

// sievedAlone is of how many versions one has to match for sieveAlone.
const sievedAlone = 20

// maySieveAlone tells whether nothing is asked but one clause, whose sets are in memory.
func (p *plan) maySieveAlone() bool {
	return p.setsHelp() && p.driver == nil && p.sets.ready && p.by == orderMain && !p.inParts() && len(p.accesses) == 1
}

// sieveAlone finds the versions that have one of many keys, which nothing else is asked of, in the order of the main date. It makes no union of the keys' sets, which takes longer
// than to look up the few versions that have to be looked at for a page where many match. Enough is false where there are not so many, or sets are not at hand.
func (p *plan) sieveAlone() (found []match, enough bool, err error) {
	a := p.accesses[0]
	keys := a.AsSet()
	if len(keys) <= sql.Inline || p.living <= 0 {
		return nil, false, nil
	}
	v, err := p.view().AsOf(false)
	if v == nil || err != nil {
		return nil, false, err
	}
	t, rows := &intersection{sets: v, first: v.Origin()}, 0
	sets := v.SetsOf(a.Kind(), keys)
	for _, key := range keys {
		k := sets[key]
		if k == nil || k.UpTo < v.Snapshot {
			return nil, false, nil
		}
		t.any, rows = append(t.any, k.Has), rows+k.Count
	}
	if rows < int(p.living)/sievedAlone {
		return nil, false, nil
	}
	expected := int(float64(p.limit) * float64(p.living) / float64(max(rows, 1)))
	if found, enough, err = p.sieve(t, p.ledger, p.order, byValue, p.after.phase == byValue, 2*expected+p.limit, p.limit); enough {
		p.choose(byMerge, "so many match that a page is found in the order, each row held against the sets")
		p.say("versions by %s, found in the order of the main date, each row looked up in %d sets", a.Words, len(keys))
	}
	return found, enough, err
}

// sieve reads rows of a key in the order of the main date, four stretches of them at the most, and keeps what is in a set. It tells whether
// the page is full, or nothing lies beyond.
func (x ask) sieve(t *intersection, key int64, o order, phase phase, resume bool, rows, limit int) (page []match, enough bool, err error) {
	x = x.with(t.left)
	for range 4 {
		s := x.Statement()
		sql := "select t.sort, (t.ref >> 2) from " + s.Table("term") + " t where t.key = " + s.Arg(key) + x.stretch(s, "t", nil, o, resume) +
			" order by t.sort " + o.direction() + ", t.ref " + o.direction() + " limit " + s.Arg(int64(rows))
		read := 0
		var candidates []candidate
		err := x.Query(s, sql, func(scan func(...any) error) error {
			read++
			err := scan(&x.last.main, &x.after.sid)
			if t.contains(uint32(x.after.sid - t.first)) {
				candidates = append(candidates, candidate{sid: x.after.sid})
			}
			return err
		})
		if err != nil {
			return nil, false, err
		}
		for len(candidates) > 0 && len(page) < limit {
			some := candidates
			if len(t.left) == 0 { // nearly all of them are matches
				some = candidates[:min(len(candidates), limit)]
			}
			found, err := x.loadChecked(some)
			if err != nil {
				return nil, false, err
			}
			page, candidates = append(page, found...), candidates[len(some):]
		}
		if enough = len(page) >= limit || read < rows; enough {
			break
		}
		resume = true
	}
	page = page[:min(len(page), limit)]
	for i := range page {
		page[i].phase = phase
	}
	return page, enough, nil
}
