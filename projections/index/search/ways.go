package search

import (
	"binnacle/projections"
	"binnacle/projections/index/clause"
	"binnacle/projections/index/step"
)

// wayKind is what the ways to answer have in common, as explain tells it.
type wayKind uint8

const (
	noWay   wayKind = iota
	byWalk          // an order is walked, and each version asked for what no bound tells, until the page is full
	bySort          // all versions of a clause are read and sorted
	byMerge         // sets are combined, and the first of the matches picked
	wayKinds
)

func (k wayKind) words() string {
	return [...]string{"none", "walk the order", "read and sort", "combine sets"}[k]
}

// chooser is what is asked, and what was weighed to choose how to answer it.
type chooser struct {
	step.Ask
	*choice
}

// asking is the same where something else is asked.
func (x chooser) asking(other step.Ask) chooser {
	x.Ask = other
	return x
}

// plan is how one search is going to be answered. [plan.learn] says what it has learnt before a way is chosen.
type plan struct {
	chooser
	order  step.Order // that is asked for
	limit  int
	driver *clause.Access // the clause whose versions are all read and sorted; nil: none has few enough rows
	trial  trial          // the walk that has been tried so far
	sets   *helpfulSets
}

// way is one way to answer.
type way struct {
	kind wayKind
	why  string             // it is taken, unless run says it better
	may  func(p *plan) bool // whether it is taken
	run  func(p *plan) (found []step.Match, done bool, err error)
}

// ways are all ways to answer, in the order in which they are asked: the first that may be taken, and comes to an end,
// answers. Ways whose cost doesn't depend on how much matches come first. A walk is tried over a few rows before what
// takes longer: that is enough wherever matches are not rare, and what it has found is not lost. Estimates (costs.go)
// decide between sets, to sort and to walk.
var ways = []way{
	{byWalk, "an index has the versions in the order of the first key", (*plan).datesFirst, (*plan).walkOrder},
	{byWalk, "an index has the codings in order, and the versions of each by date", (*plan).codingsFirst,
		(*plan).walkOrder},
	{byWalk, "a clause bounds the walk", (*plan).bounded, (*plan).walkOrder},
	{byWalk, "", (*plan).mayTryBeforeRows, (*plan).tryBeforeRows},
	{byMerge, "", (*plan).maySieveAlone, (*plan).sieveAlone},
	{byWalk, "", (*plan).mayTryBeforeSets, (*plan).tryBeforeSets},
	{byMerge, "", (*plan).setsHelp, (*plan).combine},
	{byMerge, "the dates are in memory, in order", (*plan).mayPickByDate, (*plan).pickByDate},
	{byWalk, "to sort all versions of the rarest clause costs more than twice as much", (*plan).walkBeatsSort,
		(*plan).walkOrder},
	{bySort, "the versions are few enough to be sorted", (*plan).maySort, (*plan).sort},
	{byMerge, "", (*plan).mayPassOver, (*plan).passOver},
	{byWalk, "an index has the versions in the order, or in that of its first key", (*plan).always,
		(*plan).walkOrder},
}

// find chooses how to answer and returns up to limit matches in order.
func (x chooser) find(o step.Order, limit int) ([]step.Match, error) {
	p := &plan{chooser: x, order: o, limit: limit}
	if found, done, err := p.learn(); done || err != nil || x.Nothing != "" {
		return found, err
	}
	for _, w := range ways {
		if !w.may(p) {
			continue
		}
		if w.why != "" {
			x.choose(w.kind, "%s", w.why)
		}
		if found, done, err := w.run(p); done || err != nil {
			return found, err
		}
	}
	return nil, nil
}

func (*plan) always() bool { return true }

// walkedOrder is the order whose index is walked.
func (p *plan) walkedOrder() step.Order {
	o := p.order
	o.By = p.By
	return o
}

// inGroups tells whether an order by several keys is walked by the first of them.
func (p *plan) inGroups() bool {
	return p.order.By == step.OrderSeveral && p.Walkable(p.order.Keys[0])
}

// inParts tells whether the versions without the date that the order is by are found apart from those that have it.
func (p *plan) inParts() bool {
	return p.order.By == step.OrderDate && !p.Dates.Without.Empty() && !p.Dated()
}

// datesFirst tells whether the main date is the first of several keys, and no clause has so few rows that these are
// sorted.
func (p *plan) datesFirst() bool {
	inOrder := p.driver == nil || p.driver.Count > p.Bounds.Few && p.driver.WalkKeys() != nil
	return p.order.By == step.OrderSeveral && inOrder && p.Dates != nil && p.Dates.Aligned &&
		p.order.Keys[0].Kind == projections.Date
}

// codingsFirst tells whether an order is by a token, and where it is equal by the date that the main date comes from,
// so that the rows of each coding have it.
func (p *plan) codingsFirst() bool {
	keys := p.order.Keys
	return p.driver == nil && p.order.By == step.OrderSeveral && len(keys) == 2 &&
		keys[0].Kind == projections.Token && len(keys[0].Shares) < 2 && keys[0].Param != projections.ParamID &&
		keys[1].Kind == projections.Date &&
		p.Dates != nil && p.Dates.Aligned && (p.Dates.Without.Empty() || p.Dated())
}

func (p *plan) bounded() bool { return p.driver != nil && p.driver.Ordered }

// walkBeatsSort tells whether to walk an order takes less than to read and sort the clause with the fewest rows.
func (p *plan) walkBeatsSort() bool {
	return p.driver != nil && (p.inGroups() || p.By == step.OrderDate || p.By == step.OrderString) &&
		p.walkCostsLess(p.driver, p.limit)
}

// maySort tells whether versions may be read and sorted: those of a clause with few rows, or what sets leave of them;
// all of the type where no index has the order.
func (p *plan) maySort() bool {
	return p.driver != nil || p.order.By == step.OrderSeveral || p.By != step.OrderMain && p.By != step.OrderUpdated
}

// sort reads versions and sorts them. Done is false where there is an index to be walked, and too many versions to be
// sorted.
func (p *plan) sort() (found []step.Match, done bool, err error) {
	o, x, driver := p.order, p.chooser, p.driver
	if p.By != step.OrderMain && p.By != step.OrderUpdated {
		most := p.Bounds.Many
		if o.By == step.OrderSeveral && !p.inGroups() || o.By != step.OrderToken && anyNamed(p.Accesses) {
			most = p.Bounds.Sorted
		}
		if x, driver, err = p.fewMatches(driver, most); err != nil {
			return nil, false, err
		}
	}
	switch {
	case driver == nil && (o.By != step.OrderSeveral || p.inGroups()):
		return nil, false, nil
	case o.By == step.OrderSeveral, o.By == step.OrderToken:
		found, err = x.Gather(o, driver, p.limit)
	default:
		p.Say("all of %s, sorted", driver.Words)
		found, err = x.Collect(o, driver, p.limit)
	}
	return found, true, err
}

// walkOrder walks the index that has the order, or has it by its first key.
func (p *plan) walkOrder() (found []step.Match, done bool, err error) {
	o := p.order
	switch {
	case p.inGroups():
		found, err = p.WalkSeveral(o, p.limit)
	case o.By == step.OrderSeveral, o.By == step.OrderToken:
		found, err = p.WalkCodings(o, p.limit)
	case o.By == step.OrderDate && p.By == step.OrderMain:
		found, err = p.walkAligned()
	case o.By == step.OrderMain:
		found, err = p.walkOn()
	case o.By == step.OrderID:
		p.Say("in the order of _id%s", p.Checked(nil))
		found, err = p.WalkIDs(o, o.Beyond(), p.limit)
	case o.By == step.OrderUpdated:
		p.Say("in the order of _lastUpdated%s", p.Checked(nil))
		found, err = p.WalkUpdated(o, nil, step.ByValue, p.limit)
	default:
		found, err = p.WalkValues(o, p.limit)
	}
	return found, true, err
}
