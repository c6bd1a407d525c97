package search

import (
	"fmt"
	"slices"
	"strings"

	"binnacle/projections/index/clause"
	"binnacle/projections/index/keys"
	"binnacle/projections/index/sets"
	"binnacle/projections/index/sql"
	"binnacle/projections/index/step"
)

// resolvedTo is up to how many resources the other end of a chain may have to be looked up before the search. The
// chain then is a reference with that many alternatives, whose rows the index has in order.
const resolvedTo = 1_000

// lookUp reads what a clause finds before the search, where that is little: of a chain the keys of the references to
// the other end, of what others refer to the versions themselves.
func (x chooser) lookUp(a *clause.Access) error {
	f := a.Follow
	if f == nil || a.Resolved {
		return nil
	}
	if slices.Contains(x.Given, a) {
		if held, err := x.holdFollowed(a); held || err != nil {
			return err
		}
	}
	for _, t := range f.Targets {
		if !t.Few() || !f.Reverse && t.Driver().Count > resolvedTo {
			return nil
		}
	}
	if f.Reverse {
		return x.lookUpVersions(a)
	}
	if a.Late = x.MayWait && slices.Contains(x.Given, a) && slices.ContainsFunc(f.Targets,
		func(t *clause.Target) bool { return t.Driver().Count > x.Bounds.Few/4 }); a.Late {
		return nil
	}
	a.OwnKeys, a.OwnOnRow = len(a.Keys), len(a.OnRow)
	s := x.Statement()
	parts := make([]string, len(f.Targets))
	for i, t := range f.Targets {
		parts[i] = fmt.Sprintf("select %d as n, y.resource from (%s) y", i,
			t.Versions(s, "distinct v.resource", x.Before()))
	}
	var n, resource int64
	err := x.Query(s, strings.Join(parts, " union all "), func(scan func(...any) error) error {
		if err := scan(&n, &resource); err != nil {
			return err
		}
		a.AddKeyOn(keys.Refer(f.Targets[n].Param, resource), f.Targets[n].OnRow)
		return nil
	})
	if a.Resolved = err == nil; a.Resolved {
		a.Linked, a.Few = true, len(a.Keys)+len(a.OnRow) <= sql.Inline
	}
	return err
}

func (x chooser) lookUpVersions(a *clause.Access) error {
	s := x.Statement()
	var sids []int64
	var sid int64
	err := x.Query(s, "select distinct y.sid from ("+strings.Join(a.Follow.Rows(s, x.Before()),
		" union all ")+fmt.Sprintf(") y limit %d", x.Bounds.Many+1), func(scan func(...any) error) error {
		err := scan(&sid)
		sids = append(sids, sid)
		return err
	})
	if a.Common = len(sids) > x.Bounds.Many; err == nil && !a.Common {
		a.Sids, a.ByID, a.Resolved, a.Few = sids, true, true, true
	}
	return err
}

// holdFollowed takes from memory the versions that a clause finds by following references. held is false where they
// are not there; when they have been asked for before, they are now read in the background.
func (x chooser) holdFollowed(a *clause.Access) (held bool, err error) {
	v := x.View()
	if a.Held != nil || v == nil || len(a.Choice) > 0 || !a.Follow.Holdable(x.Bounds) {
		return a.Held != nil, nil
	}
	name := sets.Kind{Table: sets.FollowTable}.Name(int64(step.Mark(x.Dialect, a)))
	k, again := v.SetOrAsk(name)
	if k != nil && (k.Large || k.UpTo > x.Snapshot) {
		return false, nil
	}
	f := a.HeldFollow(x.Ledger)
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
			frozen := f.Frozen()
			v.AskForSet(name, frozen.Bytes(), frozen.Read)
		}
		return false, nil
	}
	a.Held, a.Exact = k.Has, true
	a.Counts(k.Count, false)
	return true, nil
}

// laterFollowed brings the versions that such a clause finds up to the snapshot: each version about which the clause
// may say something else since then is asked again. It is nil where that takes more than to read them all anew.
func (x chooser) laterFollowed(f clause.HeldFollow, before *sets.Set) (*sets.Set, error) {
	// what has been superseded since then may be swept
	if x.Snapshot-before.UpTo > int64(x.Bounds.Many) || before.UpTo < x.Horizon {
		return nil, nil
	}
	s := x.Statement()
	parts := f.Touched(s, before.UpTo, x.Snapshot)
	touched, err := x.ReadNumbers(s, "select "+s.List("y.sid")+" from (select distinct sid from ("+strings.Join(parts,
		" union all ")+") z"+fmt.Sprintf(" limit %d) y", x.Bounds.Many+1))
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
		found, err := x.ReadNumbers(s, "select "+s.List("v.sid")+" from "+from+s.Versions(sid)+" and ("+
			strings.Join(f.Probe(s, x.Before()), " or ")+")")
		if err != nil {
			return nil, err
		}
		has = has.Clone()
		has.AndNot(sets.BitmapOf(touched))
		has.Or(sets.BitmapOf(found))
	}
	return sets.NewSet(has, x.Snapshot), nil
}
