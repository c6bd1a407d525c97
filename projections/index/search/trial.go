package search

import (
	"fmt"
	"strings"

	"binnacle/projections/index/keys"
	"binnacle/projections/index/sql"
	"binnacle/projections/index/step"
)

// trial is a walk in the order of the main date that has been tried: what it has found, and where it stopped. A search
// goes on from there when it walks again, whichever clause's rows it walks then: up to that place all matches are
// found.
type trial struct {
	found []step.Match
	rows  int
	edge  *step.Spot // of its last row
}

// tryWalk walks the order of the main date over so many rows and no further, those of the trials before among them. It
// tells whether the page is full, or nothing lies beyond.
func (p *plan) tryWalk(rows int) (found []step.Match, enough bool, err error) {
	keys := p.WalkedKeys()
	if rows <= p.trial.rows || len(keys) > sql.Inline {
		return nil, false, nil
	}
	x, o := p.rest(), p.order
	s := x.Statement()
	parts := make([]string, len(keys))
	for i, key := range keys {
		parts[i] = "select * from (select t.sort, t.ref from " + s.Table("term") + " t where t.key = " + s.Arg(key) +
			x.Stretch(s, "t", nil, o, x.After.Phase == step.ByValue) +
			fmt.Sprintf(" order by t.sort %s, t.ref %s limit 1 offset ", o.Direction(), o.Direction()) +
			s.Arg(int64((rows-p.trial.rows)/len(keys))) + ") y"
	}
	err = x.Query(s, strings.Join(parts, " union all "), func(scan func(...any) error) error {
		var at step.Spot
		err := scan(&at.Value, &at.Sid)
		// the key that comes to so many rows first
		if x.Reach == nil || (&step.TopSpots{Descending: o.Descending}).Before(at, *x.Reach) {
			x.Reach = &at
		}
		return err
	})
	if err != nil {
		return nil, false, err
	}
	more, err := x.WalkMain(o, p.limit-len(p.trial.found))
	if err != nil {
		return nil, false, err
	}
	p.trial = trial{append(p.trial.found, more...), rows, x.Reach}
	if len(p.trial.found) == p.limit || x.Reach == nil {
		p.SayWalk()
		p.choose(byWalk, "the first %d rows fill the page, or are all", rows)
		return p.trial.found, true, nil
	}
	p.Say("the first %d in the order of the main date do not fill the page", rows)
	return nil, false, nil
}

// rest is what is asked beyond the place where a trial stopped; all where none was made.
func (p *plan) rest() step.Ask {
	x := p.Ask
	if edge := p.trial.edge; edge != nil {
		x.After, x.Last.Main = step.Place{Phase: step.ByValue, Sid: edge.Sid >> keys.RefBits}, edge.Value
	}
	return x
}

// walkOn walks the order of the main date until the page is full, from where a trial stopped.
func (p *plan) walkOn() ([]step.Match, error) {
	p.SayWalk()
	found, err := p.rest().WalkMain(p.order, p.limit-len(p.trial.found))
	return append(p.trial.found, found...), err
}

// walkAligned answers an order by the date parameter that the main date comes from.
func (p *plan) walkAligned() ([]step.Match, error) {
	all := !p.inParts()
	found, _, err := p.InPhases(p.limit, func(phase step.Phase, limit int) (found []step.Match, done bool, err error) {
		switch {
		case phase == step.ByMissing && all:
		case phase == step.ByMissing:
			found, err = p.WalkUpdated(p.order, &p.Dates.Without, step.ByMissing, limit)
		case all:
			found, err = p.walkOn()
		default:
			x := p.Also(&p.Dates.With)
			x.SayWalk()
			found, err = x.WalkMain(p.order, limit)
		}
		return found, true, err
	})
	return found, err
}
