package search

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"binnacle/events"
	"binnacle/projections"
	"binnacle/projections/index/clause"
	"binnacle/projections/index/keys"
	"binnacle/projections/index/sql"
	"binnacle/projections/index/step"
)

// Search answers a query with the tables of a generation. Errors are *events.Error: Invalid for a page token that is
// not of this query, Unsupported for what the index does not hold, TooCostly for what is beyond its bounds.
func (e Engine) Search(
	ctx context.Context, db sql.DB, dialect sql.Dialect, q projections.Query,
) (projections.Page, error) {
	x := &step.Whole{At: sql.At{Ctx: ctx, DB: db, Dialect: dialect}, Shared: e.Shared, Wanted: &q,
		Ledger: keys.Ledger(q.Tenant, q.Type), Living: -1}
	if q.Limit < 0 {
		return projections.Page{}, events.Errorf(events.Invalid, step.Op, "a page cannot have %d versions", q.Limit)
	}
	after, err := step.ParsePlace(&q)
	if err != nil {
		return projections.Page{}, err
	}
	page := projections.Page{Total: -1}
	r := x.Resolver()
	counted, err := begin(x, r, after)
	if err != nil {
		return projections.Page{}, err
	}
	page.Snapshot = x.Snapshot
	order, err := step.OrderOf(q.Sort)
	if err != nil {
		return projections.Page{}, err
	}
	if q.Back {
		order = order.Reversed()
	}
	r.Sets = x.View()
	x.ResolveOrder(r, order)
	all, err := r.Resolve()
	if err != nil {
		return projections.Page{}, err
	}
	x.Given, x.Nothing = all.Accesses, all.Nothing
	whole := chooser{step.Ask{Whole: x, Accesses: x.Given, After: after}, &choice{}}
	var found []step.Match
	if x.Nothing != "" {
		x.Say("no version can match %s", x.Nothing)
	} else if q.Limit > 0 {
		if whole.Last, err = locate(x, after); err != nil {
			return projections.Page{}, err
		}
		whole.By = whole.WalkedBy(order)
		if q.Back {
			found, err = whole.findBack(order, &page)
		} else {
			found, err = whole.findNext(order, &page)
		}
		if err != nil {
			return projections.Page{}, err
		}
	}
	page.Versions = make([]projections.Version, len(found))
	for i := range found {
		page.Versions[i] = found[i].Version(q.Tenant, q.Type)
	}
	if page.Total, err = whole.total(&page, counted); err != nil {
		return projections.Page{}, err
	}
	how := fmt.Sprintf("%d statements", x.Asked)
	if q.Explain {
		if how, err = whole.explain(q.Limit + 1); err != nil {
			return projections.Page{}, err
		}
	}
	page.Plan = strings.Join(append(x.Told, how), "; ")
	return page, nil
}

// begin fixes the snapshot. It returns the number of current resources of the type at the snapshot that is committed
// now, which one statement reads together with it; -1 when the snapshot was given. Versions that are there tell the
// partition of their tenant; the one that the query names counts where there are none.
func begin(x *step.Whole, r *clause.Resolver, after step.Place) (int64, error) {
	living, partition := int64(-1), int64(x.Wanted.Partition)
	marks, marked := r.InsideMarks(false), int64(1)
	if after.Phase != step.Start && x.Wanted.Snapshot != 0 {
		partition = after.Sid >> projections.SidBits // locate makes sure that it is a version of the tenant
	} else {
		s := x.Statement()
		next, counted := keys.FirstSid(x.Wanted.Partition), int64(0)
		ledger, given := s.Arg(x.Ledger), s.Arg(partition)
		sql := "select p.partition, p.next_sid, coalesce((select n.living from " + s.Table("counter") +
			" n where n.ledger = " + ledger + "), 0), p.horizon, " + clause.AnyMark(s, marks) + " from " +
			s.Table("position") +
			" p where p.partition = coalesce((select (v.sid >> " + fmt.Sprint(projections.SidBits) + ") from " +
			s.Table("version") + " v where v.ledger = " + ledger + " limit 1), " + given + ")"
		err := x.Query(s, sql, func(scan func(...any) error) error {
			return scan(&partition, &next, &counted,
				&x.Horizon, &marked)
		})
		if err != nil {
			return 0, err
		}
		x.Living = counted
		x.Committed = x.Wanted.Snapshot < next
		if x.Wanted.Snapshot == 0 {
			x.Snapshot, living = next-1, counted
		} else if err := swept(x.Wanted.Snapshot, x.Horizon); err != nil {
			return 0, err
		}
	}
	if x.Wanted.Snapshot != 0 {
		if x.Snapshot = x.Wanted.Snapshot; x.Snapshot>>projections.SidBits != partition &&
			x.Snapshot != projections.NoSnapshot {
			return 0, events.Errorf(events.Invalid, step.Op,
				"the snapshot %d is not one of partition %d; give back what the first page said", x.Snapshot, partition)
		}
	}
	x.Partition = partition
	if len(marks) > 0 && marked > 0 {
		return living, r.ReadInside()
	}
	return living, nil
}

// locate looks up the sort values of the version that the page before ended with.
func locate(x *step.Whole, after step.Place) (last step.Edge, err error) {
	if after.Phase == step.Start {
		return step.Edge{}, nil
	}
	s := x.Statement()
	found, next, ledger := false, int64(0), x.Ledger
	if x.Elsewhere() {
		ledger = keys.Ledger(x.Wanted.Tenant, x.Wanted.Beyond.Type)
	}
	err = x.Query(s, "select v.main, v.at, v.id, coalesce(p.horizon, 0), coalesce(p.next_sid, 0), coalesce((select "+
		"n.living from "+s.Table("counter")+" n where n.ledger = "+s.Arg(x.Ledger)+"), 0) from "+
		s.Table("version")+" v left join "+s.Table("position")+" p on p.partition = "+s.Arg(
		x.Partition)+" where v.sid = "+s.Arg(after.Sid)+" and v.ledger = "+s.Arg(ledger),
		func(scan func(...any) error) error {
			found = true
			return scan(&last.Main, &last.At, &last.ID, &x.Horizon, &next, &x.Living)
		})
	if err == nil && !found {
		err = events.Errorf(events.Invalid, step.Op, "the page token names a version that is no longer kept; start "+
			"the search again")
	}
	if err == nil {
		x.Committed = x.Snapshot < next
		err = swept(x.Snapshot, x.Horizon)
	}
	return last, err
}

// findNext finds the page that begins at a place.
func (x chooser) findNext(o step.Order, page *projections.Page) ([]step.Match, error) {
	page.After = x.Wanted.After
	found, err := x.find(o, x.Wanted.Limit+1)
	if len(found) > x.Wanted.Limit {
		found = found[:x.Wanted.Limit]
		page.Next = found[len(found)-1].Place().Token(x.Wanted)
	}
	return found, err
}

// findBack finds the page that ends at a place, with the version that stands there where it is one of the type: it
// walks the order from its end.
func (x chooser) findBack(o step.Order, page *projections.Page) ([]step.Match, error) {
	page.Next = x.Wanted.After
	var found []step.Match
	limit := x.Wanted.Limit + 1
	if x.After.Phase != step.Start && !x.Elsewhere() {
		var err error
		if found, err = x.Load([]step.Candidate{{Sid: x.After.Sid}}); err != nil || len(found) == 0 {
			return nil, step.NotOfSnapshot(err)
		}
		found[0].Phase, found[0].Coding = x.After.Phase, x.After.Coding
	}
	if rest := limit - len(found); rest > 0 {
		further, err := x.find(o, rest)
		if err != nil {
			return nil, err
		}
		found = append(found, further...)
	}
	if len(found) > x.Wanted.Limit {
		page.After = found[x.Wanted.Limit].Place().Token(x.Wanted)
		found = found[:x.Wanted.Limit]
	}
	slices.Reverse(found)
	return found, nil
}

// swept is the refusal of a snapshot that lies before what is kept.
func swept(snapshot, horizon int64) error {
	if snapshot >= horizon || horizon == 0 {
		return nil
	}
	return events.Errorf(events.Gone, step.Op, "the snapshot of this search is not kept any more: what has been "+
		"superseded since is swept; start the search again")
}
