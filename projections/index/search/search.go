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
)

// Search answers a query with the tables of a generation. Errors are *events.Error: Invalid for a page token that is not of this
// query, Unsupported for what the index does not hold, TooCostly for what is beyond its bounds.
func (e Engine) Search(ctx context.Context, db sql.DB, dialect sql.Dialect, q projections.Query) (projections.Page, error) {
	x := &search{At: sql.At{Ctx: ctx, DB: db, Dialect: dialect}, Shared: e.Shared, q: &q, ledger: keys.Ledger(q.Tenant, q.Type), living: -1}
	if q.Limit < 0 {
		return projections.Page{}, events.Errorf(events.Invalid, op, "a page cannot have %d versions", q.Limit)
	}
	after, err := parsePlace(&q)
	if err != nil {
		return projections.Page{}, err
	}
	page := projections.Page{Total: -1}
	r := x.resolver()
	counted, err := begin(x, r, after)
	if err != nil {
		return projections.Page{}, err
	}
	page.Snapshot = x.Snapshot
	order, err := orderOf(q.Sort)
	if err != nil {
		return projections.Page{}, err
	}
	if q.Back {
		order = order.reversed()
	}
	r.Sets = x.view()
	x.resolveOrder(r, order)
	all, err := r.Resolve()
	if err != nil {
		return projections.Page{}, err
	}
	x.given, x.nothing = all.Accesses, all.Nothing
	whole := chooser{ask{search: x, accesses: x.given, after: after}, &choice{}}
	var found []match
	if x.nothing != "" {
		x.say("no version can match %s", x.nothing)
	} else if q.Limit > 0 {
		if whole.last, err = locate(x, after); err != nil {
			return projections.Page{}, err
		}
		whole.by = whole.walkedBy(order)
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
	page.Plan = strings.Join(append(x.told, how), "; ")
	return page, nil
}

// begin fixes the snapshot. It returns the number of current resources of the type at the snapshot that is committed now, which one
// statement reads together with it; -1 when the snapshot was given. Versions that are there tell the partition of their tenant; the one
// that the query names counts where there are none.
func begin(x *search, r *clause.Resolver, after place) (int64, error) {
	living, partition := int64(-1), int64(x.q.Partition)
	marks, marked := r.InsideMarks(false), int64(1)
	if after.phase != start && x.q.Snapshot != 0 {
		partition = after.sid >> projections.SidBits // locate makes sure that it is a version of the tenant
	} else {
		s := x.Statement()
		next, counted := keys.FirstSid(x.q.Partition), int64(0)
		ledger, given := s.Arg(x.ledger), s.Arg(partition)
		sql := "select p.partition, p.next_sid, coalesce((select n.living from " + s.Table("counter") + " n where n.ledger = " + ledger + "), 0), p.horizon, " + clause.AnyMark(s, marks) + " from " + s.Table("position") +
			" p where p.partition = coalesce((select (v.sid >> " + fmt.Sprint(projections.SidBits) + ") from " + s.Table("version") + " v where v.ledger = " + ledger + " limit 1), " + given + ")"
		err := x.Query(s, sql, func(scan func(...any) error) error { return scan(&partition, &next, &counted, &x.horizon, &marked) })
		if err != nil {
			return 0, err
		}
		x.living = counted
		x.committed = x.q.Snapshot < next
		if x.q.Snapshot == 0 {
			x.Snapshot, living = next-1, counted
		} else if err := swept(x.q.Snapshot, x.horizon); err != nil {
			return 0, err
		}
	}
	if x.q.Snapshot != 0 {
		if x.Snapshot = x.q.Snapshot; x.Snapshot>>projections.SidBits != partition && x.Snapshot != projections.NoSnapshot {
			return 0, events.Errorf(events.Invalid, op, "the snapshot %d is not one of partition %d; give back what the first page said", x.Snapshot, partition)
		}
	}
	x.Partition = partition
	if len(marks) > 0 && marked > 0 {
		return living, r.ReadInside()
	}
	return living, nil
}

// locate looks up the sort values of the version that the page before ended with.
func locate(x *search, after place) (last edge, err error) {
	if after.phase == start {
		return edge{}, nil
	}
	s := x.Statement()
	found, next, ledger := false, int64(0), x.ledger
	if x.elsewhere() {
		ledger = keys.Ledger(x.q.Tenant, x.q.Beyond.Type)
	}
	err = x.Query(s, "select v.main, v.at, v.id, coalesce(p.horizon, 0), coalesce(p.next_sid, 0), coalesce((select n.living from "+s.Table("counter")+" n where n.ledger = "+s.Arg(x.ledger)+"), 0) from "+s.Table("version")+" v left join "+s.Table("position")+" p on p.partition = "+s.Arg(x.Partition)+" where v.sid = "+s.Arg(after.sid)+" and v.ledger = "+s.Arg(ledger),
		func(scan func(...any) error) error {
			found = true
			return scan(&last.main, &last.at, &last.id, &x.horizon, &next, &x.living)
		})
	if err == nil && !found {
		err = events.Errorf(events.Invalid, op, "the page token names a version that is no longer kept; start the search again")
	}
	if err == nil {
		x.committed = x.Snapshot < next
		err = swept(x.Snapshot, x.horizon)
	}
	return last, err
}

// findNext finds the page that begins at a place.
func (x chooser) findNext(o order, page *projections.Page) ([]match, error) {
	page.After = x.q.After
	found, err := x.find(o, x.q.Limit+1)
	if len(found) > x.q.Limit {
		found = found[:x.q.Limit]
		page.Next = found[len(found)-1].place().token(x.q)
	}
	return found, err
}

// findBack finds the page that ends at a place, with the version that stands there where it is one of the type: it walks the order from its end.
func (x chooser) findBack(o order, page *projections.Page) ([]match, error) {
	page.Next = x.q.After
	var found []match
	limit := x.q.Limit + 1
	if x.after.phase != start && !x.elsewhere() {
		var err error
		if found, err = x.load([]candidate{{sid: x.after.sid}}); err != nil || len(found) == 0 {
			return nil, notOfSnapshot(err)
		}
		found[0].phase, found[0].coding = x.after.phase, x.after.coding
	}
	if rest := limit - len(found); rest > 0 {
		further, err := x.find(o, rest)
		if err != nil {
			return nil, err
		}
		found = append(found, further...)
	}
	if len(found) > x.q.Limit {
		page.After = found[x.q.Limit].place().token(x.q)
		found = found[:x.q.Limit]
	}
	slices.Reverse(found)
	return found, nil
}

// swept is the refusal of a snapshot that lies before what is kept.
func swept(snapshot, horizon int64) error {
	if snapshot >= horizon || horizon == 0 {
		return nil
	}
	return events.Errorf(events.Gone, op, "the snapshot of this search is not kept any more: what has been superseded since is swept; start the search again")
}
