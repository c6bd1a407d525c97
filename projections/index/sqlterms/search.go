package sqlterms

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strings"

	"binnacle/events"
	"binnacle/projections"
	"binnacle/projections/index/keys"
	"binnacle/projections/index/sql"
)

const op = "index.Search"

// search is one query under way.
type search struct {
	sql.At
	Engine
	keys.Hasher
	q         *projections.Query
	ledger    int64
	committed bool      // the snapshot is known to be
	horizon   int64     // the earliest snapshot that is whole, where the search began
	seen      *setView  // of the sets; see view
	given     []*access // what the clauses have become at first
	lookups   []lookup
	clauses   int // of all groups
	// afterLookups are what waits for the look-ups to have run.
	afterLookups []func() error
	dates        *dateOrder
	nothing      string // the parameter whose clause no row can answer
	tooMany      string
	plan         []string
	counted      bool  // the clauses
	living       int64 // current resources of the type now, for estimates; -1: not known
	byMain       bool  // the order is that of the main date
	byUpdated    bool  // or that of lastUpdated
	chosen       way
	reason       string         // of the choice
	mayWait      bool           // look-ups of chains to many; see access.late
	names        map[int64]bool // marks of the contained resources that there are of those that chains ask for
}

// ask is what one step of a search has to find. It is a value: a step that needs other clauses, or goes on at another place, makes an ask of
// its own, and what it was given stays as it is.
type ask struct {
	*search
	accesses []*access // the clauses that must hold
	after    place     // where the page before ended
	last     edge      // what after stands for
	budget   *interval // the main dates from which a walk goes on; nil: any
	reach    *spot     // up to which row a walk is tried, by main date and ref; nil: as far as it takes
	passing  bool      // a walk would meet many superseded versions first
}

// with is the same asked of other clauses.
func (x ask) with(accesses []*access) ask {
	x.accesses = accesses
	return x
}

// also is the same with one more clause.
func (x ask) also(a *access) ask { return x.with(append(slices.Clip(x.accesses), a)) }

// edge holds the sort values of the version that a page ended with.
type edge struct {
	main, at int64
	id       string
	start    int64  // of its earliest date
	head     []byte // of its smallest or largest string
}

// Search answers a query with the tables of a generation. Errors are *events.Error: Invalid for a page token that is not of this
// query, Unsupported for what the index does not hold, TooCostly for what is beyond its bounds.
func (e Engine) Search(ctx context.Context, db sql.DB, dialect sql.Dialect, q projections.Query) (projections.Page, error) {
	x := &search{At: sql.At{Ctx: ctx, Db: db, Dialect: dialect}, Engine: e, q: &q, ledger: keys.Ledger(q.Tenant, q.Type), living: -1}
	if q.Limit < 0 {
		return projections.Page{}, events.Errorf(events.Invalid, op, "a page cannot have %d versions", q.Limit)
	}
	after, err := parsePlace(&q)
	if err != nil {
		return projections.Page{}, err
	}
	page := projections.Page{Total: -1}
	counted, err := x.begin(after)
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
	x.resolveOrder(order)
	if err := x.resolve(); err != nil {
		return projections.Page{}, err
	}
	whole := ask{search: x, accesses: x.given, after: after}
	var found []match
	if x.nothing != "" {
		x.say("no version can match %s", x.nothing)
	} else if q.Limit > 0 {
		if whole.last, err = x.locate(after); err != nil {
			return projections.Page{}, err
		}
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
	page.Plan = strings.Join(append(x.plan, how), "; ")
	return page, nil
}

func (x *search) say(format string, args ...any) {
	x.plan = append(x.plan, fmt.Sprintf(format, args...))
}

// begin fixes the snapshot. It returns the number of current resources of the type at the snapshot that is committed now, which one
// statement reads together with it; -1 when the snapshot was given. Versions that are there tell the partition of their tenant; the one
// that the query names counts where there are none.
func (x *search) begin(after place) (int64, error) {
	living, partition := int64(-1), int64(x.q.Partition)
	marks, marked := x.insideMarks(false), int64(1)
	if after.phase != start && x.q.Snapshot != 0 {
		partition = after.sid >> projections.SidBits // locate makes sure that it is a version of the tenant
	} else {
		s := x.Statement()
		next, counted := keys.FirstSid(x.q.Partition), int64(0)
		ledger, given := s.Arg(x.ledger), s.Arg(partition)
		sql := "select p.partition, p.next_sid, coalesce((select n.living from " + s.Table("counter") + " n where n.ledger = " + ledger + "), 0), p.horizon, " + anyMark(s, marks) + " from " + s.Table("position") +
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
		return living, x.readInside()
	}
	return living, nil
}

// locate looks up the sort values of the version that the page before ended with.
func (x *search) locate(after place) (last edge, err error) {
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
func (x ask) findNext(o order, page *projections.Page) ([]match, error) {
	page.After = x.q.After
	found, err := x.find(o, x.q.Limit+1)
	if len(found) > x.q.Limit {
		found = found[:x.q.Limit]
		page.Next = found[len(found)-1].place().token(x.q)
	}
	return found, err
}

// elsewhere tells whether the place is that of a version of another type.
func (x *search) elsewhere() bool { return x.q.Beyond != nil && x.q.Beyond.Type != x.q.Type }

// findBack finds the page that ends at a place, with the version that stands there where it is one of the type: it walks the order from its end.
func (x ask) findBack(o order, page *projections.Page) ([]match, error) {
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

// find chooses how to answer and returns up to limit matches in order.
func (x ask) find(o order, limit int) ([]match, error) {
	x.order(o)
	walk := o
	if o.by == orderDate && x.dates.aligned { // its order is that of the main date
		walk.by = orderMain
	}
	x.byMain, x.byUpdated = walk.by == orderMain, walk.by == orderUpdated
	x.mayWait = walk.by == orderMain && (o.by == orderMain || x.after.phase != byMissing && (x.dates.without.empty() || x.dated()))
	if err := x.readManyKeys(walk); err != nil {
		return nil, err
	}
	further, err := x.countFirst(walk)
	if err != nil || x.nothing != "" {
		return nil, err
	}
	current, err := x.onlyCurrent(walk)
	if err != nil {
		return nil, err
	}
	if current != nil {
		if x, err = x.askCurrent(current, walk); err != nil {
			return nil, err
		}
		if further = further && current.count > x.Bounds.Few; !further {
			x.assumeMany(walk)
		}
	}
	if further {
		if x.mayWait && !x.heldInMemory(x.counting(walk)) {
			if found, done, err := x.tryRanges(o, x.counting(walk), limit); done || err != nil {
				return found, err
			}
		}
		if err := x.countFurther(walk); err != nil {
			return nil, err
		}
	}
	if found, done, err := x.tryPostponed(o, walk, limit); done || err != nil || x.nothing != "" {
		return found, err
	}
	if err := x.orderTexts(o, walk); err != nil {
		return nil, err
	}
	driver := x.driver(walk)
	inOrder := driver == nil || driver.count > x.Bounds.Few && driver.walkKeys() != nil
	x.choose(byWalk, "an index has the versions in the order, or in that of its first key")
	if o.by == orderSeveral && inOrder && x.dates != nil && x.dates.aligned && o.keys[0].Kind == projections.Date {
		return x.walkSeveral(o, limit)
	}
	if o.by == orderSeveral && driver == nil && x.byTokenAndDate(o) {
		return x.walkCodings(o, limit)
	}
	inGroups := o.by == orderSeveral && x.walkable(o.keys[0])
	if driver != nil && driver.ordered {
		x.choose(byWalk, "%s bounds the walk", driver.words)
		if inGroups {
			return x.walkSeveral(o, limit)
		}
		return x.walkValues(o, limit)
	}
	if found, done, err := x.combine(o, walk, driver, limit); done || err != nil {
		return found, err
	}
	if found, done, err := x.pickByDate(o, driver, limit); done || err != nil {
		return found, err
	}
	if driver != nil && (inGroups || walk.by == orderDate || walk.by == orderString) && x.walkCostsLess(driver, limit) {
		x.choose(byWalk, "to sort all of %s costs more than twice as much", driver.words)
		driver = nil
	} else if walk.by != orderMain && walk.by != orderUpdated {
		most := x.Bounds.Many
		if o.by == orderSeveral && !inGroups || o.by != orderToken && slices.ContainsFunc(x.accesses, (*access).named) {
			most = x.Bounds.Sorted
		}
		if x, driver, err = x.narrow(driver, most); err != nil {
			return nil, err
		}
	}
	if inGroups && driver == nil {
		return x.walkSeveral(o, limit)
	}
	if driver != nil || o.by == orderSeveral {
		x.choose(bySort, "the versions are few enough to be sorted")
	}
	if o.by == orderSeveral || o.by == orderToken && driver != nil {
		return x.gather(o, driver, limit)
	}
	if driver != nil {
		x.say("all of %s, sorted", driver.words)
		return x.collect(o, driver, limit)
	}
	if walk.by == orderMain {
		if found, done, err := x.walkPast(o, walk, limit); done || err != nil {
			return found, err
		}
	}
	switch {
	case o.by == orderDate && walk.by == orderMain:
		return x.walkAligned(o, limit)
	case o.by == orderMain:
		return x.walkMain(o, limit)
	case o.by == orderToken:
		return x.walkCodings(o, limit)
	case o.by == orderID:
		return x.walkIDs(o, o.beyond(), limit)
	case o.by == orderUpdated:
		x.say("in the order of _lastUpdated%s", x.checked(nil))
		return x.walkUpdated(o, nil, byValue, limit)
	}
	return x.walkValues(o, limit)
}

// byTokenAndDate tells whether an order is by a token, and where it is equal by the date that the main date comes from, so that the rows of
// each coding have it.
func (x ask) byTokenAndDate(o order) bool {
	return len(o.keys) == 2 && o.keys[0].Kind == projections.Token && len(o.keys[0].Shares) < 2 && o.keys[0].Param != projections.ParamID && o.keys[1].Kind == projections.Date &&
		x.dates != nil && x.dates.aligned && (x.dates.without.empty() || x.dated())
}

// checked says which clauses are probed.
func (x ask) checked(but ...*access) string {
	return x.checkedFor(slices.DeleteFunc(slices.Clone(x.accesses), func(a *access) bool { return slices.Contains(but, a) }))
}

func (*search) checkedFor(accesses []*access) string {
	var words []string
	for _, a := range rarestFirst(accesses) {
		words = append(words, a.words)
	}
	if len(words) == 0 {
		return ""
	}
	return ", each checked for " + strings.Join(words, ", ")
}

func (x ask) positive() []*access { return positive(x.accesses) }

// counting are the clauses whose rows may be read as a whole. Where the order is that of the main date, those about it only bound it.
func (x ask) counting(o order) []*access {
	found := x.positive()
	if o.by == orderMain {
		found = slices.DeleteFunc(found, func(a *access) bool { return a.aligned })
	}
	return found
}

func positive(accesses []*access) []*access {
	var found []*access
	for _, a := range accesses {
		if !a.negate {
			found = append(found, a)
		}
	}
	return found
}

func (x *search) least(accesses []*access) *access {
	var least *access
	for _, a := range accesses {
		if least == nil || a.count < least.count {
			least = a
		}
	}
	return least
}

// driver is the clause whose versions are all read and sorted; nil when the order is walked.
func (x ask) driver(o order) *access {
	least := x.least(x.counting(o))
	if least == nil || least.count < 0 || least.count > x.Bounds.Many || o.by == orderMain && least.inOrder() {
		return nil
	}
	if o.by == orderMain && least.count > x.Bounds.Few && least.walkKeys() != nil {
		return nil
	}
	return least
}

// probes are the conditions of all clauses but one, the rarest first.
func (x ask) probes(s *sql.Statement, but *access, sid, ref, main string) string {
	return x.all().probes(s, but, sid, ref, main, x.Before())
}

// all is the query's own group.
func (x ask) all() *group {
	return &group{ledger: x.ledger, many: x.Bounds.Many, accesses: x.accesses}
}

func rarestFirst(accesses []*access) []*access {
	weight := func(a *access) int {
		switch {
		case a.negate || a.count < 0:
			return math.MaxInt - 1
		case a.inside():
			return math.MaxInt
		}
		return a.count
	}
	return slices.SortedStableFunc(slices.Values(accesses), func(a, b *access) int { return cmp.Compare(weight(a), weight(b)) })
}

// swept is the refusal of a snapshot that lies before what is kept.
func swept(snapshot, horizon int64) error {
	if snapshot >= horizon || horizon == 0 {
		return nil
	}
	return events.Errorf(events.Gone, op, "the snapshot of this search is not kept any more: what has been superseded since is swept; start the search again")
}
