package search

import (
	"fmt"
	"strings"

	"binnacle/projections/index/keys"
	"binnacle/projections/index/sql"
)

// trial is a walk in the order of the main date that has been tried: what it has found, and where it stopped. A search goes on from there
// when it walks again, whichever clause's rows it walks then: up to that place all matches are found.
type trial struct {
	found []match
	rows  int
	edge  *spot // of its last row
}

// tryWalk walks the order of the main date over so many rows and no further, those of the trials before among them. It tells whether the
// page is full, or nothing lies beyond.
func (p *plan) tryWalk(rows int) (found []match, enough bool, err error) {
	keys := p.walkedKeys()
	if rows <= p.trial.rows || len(keys) > sql.Inline {
		return nil, false, nil
	}
	x, o := p.rest(), p.order
	s := x.Statement()
	parts := make([]string, len(keys))
	for i, key := range keys {
		parts[i] = "select * from (select t.sort, t.ref from " + s.Table("term") + " t where t.key = " + s.Arg(key) + x.stretch(s, "t", nil, o, x.after.phase == byValue) +
			fmt.Sprintf(" order by t.sort %s, t.ref %s limit 1 offset ", o.direction(), o.direction()) + s.Arg(int64((rows-p.trial.rows)/len(keys))) + ") y"
	}
	err = x.Query(s, strings.Join(parts, " union all "), func(scan func(...any) error) error {
		var at spot
		err := scan(&at.value, &at.sid)
		if x.reach == nil || (&topSpots{descending: o.descending}).before(at, *x.reach) { // the key that comes to so many rows first
			x.reach = &at
		}
		return err
	})
	if err != nil {
		return nil, false, err
	}
	more, err := x.walkMain(o, p.limit-len(p.trial.found))
	if err != nil {
		return nil, false, err
	}
	p.trial = trial{append(p.trial.found, more...), rows, x.reach}
	if len(p.trial.found) == p.limit || x.reach == nil {
		p.sayWalk()
		p.choose(byWalk, "the first %d rows fill the page, or are all", rows)
		return p.trial.found, true, nil
	}
	p.say("the first %d in the order of the main date do not fill the page", rows)
	return nil, false, nil
}

// rest is what is asked beyond the place where a trial stopped; all where none was made.
func (p *plan) rest() ask {
	x := p.ask
	if edge := p.trial.edge; edge != nil {
		x.after, x.last.main = place{phase: byValue, sid: edge.sid >> keys.RefBits}, edge.value
	}
	return x
}

// walkOn walks the order of the main date until the page is full, from where a trial stopped.
func (p *plan) walkOn() ([]match, error) {
	p.sayWalk()
	found, err := p.rest().walkMain(p.order, p.limit-len(p.trial.found))
	return append(p.trial.found, found...), err
}

// walkAligned answers an order by the date parameter that the main date comes from.
func (p *plan) walkAligned() ([]match, error) {
	all := !p.inParts()
	found, _, err := p.inPhases(p.limit, func(phase phase, limit int) (found []match, done bool, err error) {
		switch {
		case phase == byMissing && all:
		case phase == byMissing:
			found, err = p.walkUpdated(p.order, &p.dates.Without, byMissing, limit)
		case all:
			found, err = p.walkOn()
		default:
			x := p.also(&p.dates.With)
			x.sayWalk()
			found, err = x.walkMain(p.order, limit)
		}
		return found, true, err
	})
	return found, err
}
