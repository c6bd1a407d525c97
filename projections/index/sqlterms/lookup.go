package sqlterms

import (
	"fmt"
	"slices"
	"strings"

	"binnacle/projections/index/keys"
	"binnacle/projections/index/sets"
	"binnacle/projections/index/sql"
)

// resolvedTo is up to how many resources the other end of a chain is looked up before the search: the chain is a reference with that
// many alternatives then, whose rows the index has in order.
const resolvedTo = 1_000

// lookUp reads what a clause finds before the search, where that is little: of a chain the keys of the references to the other end, of
// what others refer to the versions themselves.
func (x ask) lookUp(a *access) error {
	f := a.follow
	if f == nil || a.resolved {
		return nil
	}
	if slices.Contains(x.given, a) {
		if held, err := x.holdFollowed(a); held || err != nil {
			return err
		}
	}
	for _, t := range f.targets {
		if !t.few() || !f.reverse && t.driver().count > resolvedTo {
			return nil
		}
	}
	if f.reverse {
		return x.lookUpVersions(a)
	}
	if a.late = x.mayWait && slices.Contains(x.given, a) && slices.ContainsFunc(f.targets, func(t *target) bool { return t.driver().count > x.Bounds.Few/4 }); a.late {
		return nil
	}
	a.ownKeys, a.ownOnRow = len(a.keys), len(a.onRow)
	s := x.Statement()
	parts := make([]string, len(f.targets))
	for i, t := range f.targets {
		parts[i] = fmt.Sprintf("select %d as n, y.resource from (%s) y", i, t.versions(s, "distinct v.resource", x.Before()))
	}
	var n, resource int64
	err := x.Query(s, strings.Join(parts, " union all "), func(scan func(...any) error) error {
		if err := scan(&n, &resource); err != nil {
			return err
		}
		a.addKeyOn(keys.Refer(f.targets[n].param, resource), f.targets[n].onRow)
		return nil
	})
	if a.resolved = err == nil; a.resolved {
		a.linked, a.few = true, len(a.keys)+len(a.onRow) <= sql.Inline
	}
	return err
}

func (x *search) lookUpVersions(a *access) error {
	s := x.Statement()
	var sids []int64
	var sid int64
	err := x.Query(s, "select distinct y.sid from ("+strings.Join(a.follow.rows(s, x.Before()), " union all ")+fmt.Sprintf(") y limit %d", x.Bounds.Many+1), func(scan func(...any) error) error {
		err := scan(&sid)
		sids = append(sids, sid)
		return err
	})
	if a.common = len(sids) > x.Bounds.Many; err == nil && !a.common {
		a.sids, a.byID, a.resolved, a.few = sids, true, true, true
	}
	return err
}

// holdFollowed finds, in memory, the versions that a clause finds which follows references; held is false where it can't. What is asked for again is read in
// the background.
func (x *search) holdFollowed(a *access) (held bool, err error) {
	v := x.view()
	if a.held != nil || v == nil || len(a.choice) > 0 || !a.follow.holdable(x.Bounds) {
		return a.held != nil, nil
	}
	name := sets.Kind{Table: sets.FollowTable}.Name(int64(mark(x.Dialect, a)))
	k, again := v.SetOrAsk(name)
	if k != nil && (k.Large || k.UpTo > x.Snapshot) {
		return false, nil
	}
	f := a.heldFollow(x.ledger)
	if k != nil && k.UpTo < x.Snapshot {
		if k, err = x.laterFollowed(f, k); err != nil {
			return false, err
		}
		if k != nil {
			v.KeepSet(name, k)
		}
	}
	if k == nil {
		if again {
			frozen := f.frozen()
			v.AskForSet(name, frozen.bytes(), frozen.read)
		}
		return false, nil
	}
	a.held, a.exact = k.Has, true
	a.counts(k.Count, false)
	return true, nil
}

// laterFollowed brings the versions that a clause finds up to the snapshot; nil where that takes more than to read them. Those of whom it may find others now are asked.
func (x *search) laterFollowed(f heldFollow, before *sets.Set) (*sets.Set, error) {
	if x.Snapshot-before.UpTo > int64(x.Bounds.Many) || before.UpTo < x.horizon { // what has been superseded since then may be swept
		return nil, nil
	}
	s := x.Statement()
	parts := f.touched(s, before.UpTo, x.Snapshot)
	touched, err := x.ReadNumbers(s, "select "+s.List("y.sid")+" from (select distinct sid from ("+strings.Join(parts, " union all ")+") z"+fmt.Sprintf(" limit %d) y", x.Bounds.Many+1))
	if err != nil || len(touched) > x.Bounds.Many {
		return nil, err
	}
	has := before.Has
	if len(touched) > 0 {
		sids := make([]int64, len(touched))
		for i, n := range touched {
			sids[i] = x.Origin() + int64(n)
		}
		s := x.Statement()
		from, sid := s.Unnested(sids, "k")
		found, err := x.ReadNumbers(s, "select "+s.List("v.sid")+" from "+from+s.Versions(sid)+" and ("+strings.Join(f.probe(s, x.Before()), " or ")+")")
		if err != nil {
			return nil, err
		}
		has = has.Clone()
		has.AndNot(sets.BitmapOf(touched))
		has.Or(sets.BitmapOf(found))
	}
	return sets.NewSet(has, x.Snapshot), nil
}
