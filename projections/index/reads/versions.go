package reads

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"binnacle/events"
	"binnacle/projections"
	"binnacle/projections/index/keys"
	"binnacle/projections/index/rows"
	"binnacle/projections/index/sql"
)

// Versions returns a page of versions. Two orders are one: lastUpdated never goes back within a partition. So the index
// of a type's versions by lastUpdated has them by Sid, and a time is a Sid.
func (r Reads) Versions(ctx context.Context, span projections.Span) (projections.SpanPage, error) {
	x, err := r.reach(ctx, span)
	if err != nil {
		return projections.SpanPage{}, err
	}
	page := projections.SpanPage{Before: x.Before, Total: -1}
	if span.Count {
		page.Total = 0
	}
	if x.low >= x.high || len(x.ledgers) == 0 {
		return page, nil
	}
	switch {
	case span.Listed != nil:
		return x.listed(ctx, page)
	case span.Key != (projections.Key{}):
		return x.ofResource(ctx, page)
	}
	return x.ofTypes(ctx, page)
}

// stretch is a span whose times have become Sids.
type stretch struct {
	Reads
	projections.Span
	low, high int64            // Sids: [low,high)
	seen      int64            // at what snapshot the versions were current; 0: at any
	earliest  int64            // of the version at low, as of findTimes; microseconds
	latest    int64            // of the last one before high
	ledgers   []int64          // of the types that have versions
	types     map[int64]string // of the ledgers
}

// reach finds out between which Sids a span lies.
func (r Reads) reach(ctx context.Context, span projections.Span) (*stretch, error) {
	first := keys.FirstSid(span.Partition)
	x := &stretch{Reads: r, Span: span, low: max(first, span.From), types: map[int64]string{}}
	state, err := r.State(ctx, span.Partition)
	switch {
	case err != nil:
		return nil, err
	case x.Before == 0:
		x.Before = state.NextSid
	case x.Before > state.NextSid:
		return nil, events.Errorf(events.Transient, "index.Versions",
			"what the first page has shown is not projected any more; ask again in a moment")
	}
	if x.high = x.Before; span.To > 0 {
		x.high = min(x.high, span.To)
	}
	for _, bound := range []struct {
		counts bool
		at     int64
		take   func(sid int64)
	}{
		{!span.Since.IsZero(), span.Since.UnixMicro(), func(sid int64) { x.low = max(x.low, sid) }},
		{!span.Until.IsZero(), span.Until.UnixMicro(), func(sid int64) { x.high = min(x.high, sid) }},
		{!span.At.IsZero(), span.At.UnixMicro() + 1, func(sid int64) {
			if x.seen = sid - 1; span.Until.IsZero() {
				x.high = min(x.high, sid)
			}
		}},
	} {
		if !bound.counts {
			continue
		}
		sid, err := r.firstWith(ctx, first, max(first, x.Before), "at", bound.at)
		if err != nil {
			return nil, err
		}
		bound.take(sid)
	}
	return x, x.findLedgers(ctx)
}

// fewLedgers is up to how many types are asked without a look whether they have versions.
const fewLedgers = 4

// findLedgers finds the ledgers of the types.
func (x *stretch) findLedgers(ctx context.Context) error {
	for _, name := range x.Types {
		if ledger := keys.Ledger(x.Tenant, name); x.types[ledger] == "" {
			x.ledgers, x.types[ledger] = append(x.ledgers, ledger), name
		}
	}
	if len(x.ledgers) <= fewLedgers {
		return nil
	}
	s := x.statement()
	var there []int64
	err := x.query(ctx, s, "select l.key from "+s.Table("ledger")+" l where l.key "+s.In(x.ledgers),
		func(scan func(...any) error) error {
			there = append(there, 0)
			return scan(&there[len(there)-1])
		})
	x.ledgers = there
	return err
}

// direction is the word behind what the versions are sorted by.
func (x *stretch) direction() string {
	if x.Oldest {
		return ""
	}
	return " desc"
}

// within is the condition that a version, as v, lies between the Sids and was current then.
func (x *stretch) within(s *sql.Statement) string {
	return " and v.sid >= " + s.Arg(x.low) + " and v.sid < " + s.Arg(x.high) + x.current(s)
}

func (x *stretch) current(s *sql.Statement) string {
	if x.seen == 0 {
		return ""
	}
	return " and " + s.Visible("v.sid", x.seen)
}

// read takes the rows of a SELECT that begins with x.columns, and one row more than the page has tells that there are
// more.
func (x *stretch) read(ctx context.Context, page *projections.SpanPage, s *sql.Statement, text string) error {
	err := x.query(ctx, s, text, func(scan func(...any) error) error {
		var m rows.Stored
		var ledger, revives int64
		if err := scan(append(m.Fields(), &ledger, &revives)...); err != nil {
			return err
		}
		page.Versions = append(page.Versions,
			projections.Past{Version: m.Version(x.Tenant, x.types[ledger]), Revives: revives != 0})
		return nil
	})
	if len(page.Versions) > x.Limit {
		page.Versions, page.More = page.Versions[:x.Limit], true
	}
	return err
}

// columns are what read reads of a version, as v.
func columns(s *sql.Statement) string {
	return rows.StoredColumns + ", v.ledger, coalesce((select b.deleted from " + s.Table("version") +
		" b where b.sid = v.supersedes), 0)"
}

// more is a LIMIT by which it shows that there are more.
func (x *stretch) more() string { return fmt.Sprintf(" limit %d", max(x.Limit, 0)+1) }

// ofResource reads the versions of one resource. Their numbers have no gaps, whatever bounds them.
func (x *stretch) ofResource(ctx context.Context, page projections.SpanPage) (projections.SpanPage, error) {
	of := func(s *sql.Statement) string {
		return " from " + s.Table("version") + " v where v.ledger = " + s.Arg(keys.Ledger(x.Tenant, x.Key.Type)) +
			" and v.id = " + s.Arg(x.Key.ID) + x.within(s)
	}
	s := x.statement()
	err := x.read(ctx, &page, s, "select "+columns(s)+of(s)+" order by v.number"+x.direction()+x.more())
	if err != nil || !x.Count || len(page.Versions) == 0 && !page.More {
		return page, err
	}
	s = x.statement()
	last := "(select v.number" + of(s) + " order by v.number desc limit 1)"
	first := "(select v.number" + of(s) + " order by v.number limit 1)"
	err = x.query(ctx, s, "select "+last+" - "+first+" + 1",
		func(scan func(...any) error) error { return scan(&page.Total) })
	return page, err
}

// ofTypes reads the versions of some types, or of all.
func (x *stretch) ofTypes(ctx context.Context, page projections.SpanPage) (projections.SpanPage, error) {
	if x.Count {
		total, err := x.count(ctx)
		if err != nil || total == 0 || x.Limit == 0 {
			page.Total, page.More = total, total > 0
			return page, err
		}
		page.Total = total
	}
	if len(x.ledgers) > fewLedgers {
		found, enough, err := x.window(ctx, page)
		if err != nil || enough {
			return found, err
		}
	}
	return page, x.merged(ctx, &page)
}

// windowRows is how many rows are read for each version of a page before the versions of each type are asked for.
const windowRows = 4

// window reads the versions at the beginning of the span, whatever their types are. That is enough where most of what
// is in the partition is wanted. It tells whether they fill the page, or are all there are.
func (x *stretch) window(ctx context.Context, page projections.SpanPage) (projections.SpanPage, bool, error) {
	part := *x
	wide := windowRows * int64(x.Limit+1)
	if x.Oldest {
		part.high = min(x.high, x.low+wide)
	} else {
		part.low = max(x.low, x.high-wide)
	}
	s := x.statement()
	// + 0: of the index by type every row of each type would be read
	err := part.read(ctx, &page, s, "select "+columns(s)+" from "+s.Table("version")+" v where "+
		s.Among("(v.ledger + 0)", x.ledgers)+part.within(s)+" order by v.sid"+x.direction()+x.more())
	return page, page.More || part.low == x.low && part.high == x.high, err
}

// merged asks each type for a page, and takes the first of them all.
func (x *stretch) merged(ctx context.Context, page *projections.SpanPage) error {
	if err := x.findTimes(ctx); err != nil {
		return err
	}
	s := x.statement()
	var union strings.Builder
	for i, ledger := range x.ledgers {
		if i > 0 {
			union.WriteString(" union all ")
		}
		name := s.Alias("u")
		fmt.Fprintf(&union, "select %s.sid from (select v.sid from %s v where v.ledger = %s%s order by v.at%s, v.sid%s%s) %s",
			name, s.Table("version"), s.Arg(ledger), x.times(s), x.direction(), x.direction(), x.more(), name)
	}
	first := "(select y.sid from (" + union.String() + ") y order by y.sid" + x.direction() + x.more() + ") k"
	return x.read(ctx, page, s, "select "+columns(s)+" from "+first+s.Versions("k.sid")+" order by k.sid"+
		x.direction())
}

// findTimes finds the times of the first and the last Sid. No Sid is missing.
func (x *stretch) findTimes(ctx context.Context) error {
	s := x.statement()
	at := func(sid int64) string {
		return "(select v.at from " + s.Table("version") + " v where v.sid = " + s.Arg(sid) + ")"
	}
	return x.query(ctx, s, "select "+at(x.low)+", "+at(x.high-1), func(scan func(...any) error) error {
		return scan(&x.earliest, &x.latest)
	})
}

// times is within, for the index of a type's versions by time.
func (x *stretch) times(s *sql.Statement) string {
	return " and (v.at, v.sid) >= (" + s.Arg(x.earliest) + ", " + s.Arg(x.low) + ") and (v.at, v.sid) <= (" +
		s.Arg(x.latest) + ", " + s.Arg(x.high-1) + ")" + x.current(s)
}

// count counts the versions of types.
func (x *stretch) count(ctx context.Context) (total int64, err error) {
	if x.low == keys.FirstSid(x.Partition) && x.seen == 0 {
		return x.allVersions(ctx, x.Partition, x.ledgers, x.high)
	}
	if err := x.findTimes(ctx); err != nil {
		return 0, err
	}
	s := x.statement()
	err = x.query(ctx, s, "select count(*) from "+s.Table("version")+" v where v.ledger "+s.In(x.ledgers)+x.times(s),
		func(scan func(...any) error) error { return scan(&total) })
	return total, err
}

// mostListed is how many versions the resources of a list may have in all: they are sorted in memory.
const mostListed = 100_000

// listed reads the versions of resources that are listed.
func (x *stretch) listed(ctx context.Context, page projections.SpanPage) (projections.SpanPage, error) {
	var h keys.Hasher
	wanted := map[projections.Listed]bool{}
	var resources []int64
	for _, l := range x.Listed {
		wanted[l] = true
		resources = append(resources, h.Resource(h.LedgerOf(x.Tenant, l.Type), l.ID))
	}
	slices.Sort(resources)
	resources = slices.Compact(resources)
	s := x.statement()
	list, resource := s.Unnested(resources, "k")
	var sids []int64
	read := 0
	err := x.query(ctx, s, "select v.sid, v.ledger, v.id, v.number from "+list+" cross join "+
		s.ForEach(s.Table("version"), "v", "v.*", "v.resource = "+resource)+x.within(s)+
		fmt.Sprintf(" limit %d", mostListed+1), func(scan func(...any) error) error {
		read++
		var sid, ledger int64
		var l projections.Listed
		if err := scan(&sid, &ledger, &l.ID, &l.Number); err != nil {
			return err
		}
		l.Type = x.types[ledger]
		one := l
		if l.Number = 0; wanted[l] || wanted[one] {
			sids = append(sids, sid)
		}
		return nil
	})
	switch {
	case err != nil:
		return page, err
	case read > mostListed:
		return page, events.Errorf(events.TooCostly, "index.Versions", "the resources of the list have more than %d "+
			"versions; ask for a shorter time, or use a shorter list", mostListed)
	case x.Count:
		page.Total = int64(len(sids))
	}
	if page.More = len(sids) > x.Limit; x.Limit == 0 || len(sids) == 0 {
		return page, nil
	}
	slices.Sort(sids)
	if !x.Oldest {
		slices.Reverse(sids)
	}
	sids = sids[:min(len(sids), x.Limit)]
	s = x.statement()
	list, sid := s.Unnested(sids, "k")
	more := page.More
	err = x.read(ctx, &page, s, "select "+columns(s)+" from "+list+s.Versions(sid)+" order by v.sid"+x.direction())
	page.More = more
	return page, err
}
