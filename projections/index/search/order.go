package search

import (
	"slices"
	"strings"

	"binnacle/events"
	"binnacle/projections"
	"binnacle/projections/index/clause"
)

// order is what a query's sort keys have become.
type order struct {
	by         orderBy
	descending bool
	keys       []projections.SortKey
	crossed    bool // what shares a main date stands in the other direction
	back       bool // it is walked from its end: what has no value comes first
}

type orderBy uint8

const (
	orderMain orderBy = iota
	orderUpdated
	orderID
	orderDate
	orderString
	orderToken
	orderSeveral
)

func orderOf(sort []projections.SortKey) (order, error) {
	if len(sort) == 0 {
		return order{by: orderMain, descending: true}, nil
	}
	o := order{descending: sort[0].Descending, keys: sort}
	for i, k := range sort {
		switch {
		case k.Param == projections.ParamID:
			o.by = orderID
		case k.Param == projections.ParamLastUpdated:
			o.by = orderUpdated
		case k.Kind == projections.Date:
			o.by = orderDate
		case k.Kind == projections.String:
			o.by = orderString
		case k.Kind == projections.Token && len(k.Shares) > 1: // no list has them all
			o.by = orderSeveral
		case k.Kind == projections.Token:
			o.by = orderToken
		default:
			return o, events.Errorf(events.Unsupported, op, "a search cannot be sorted by %s, a parameter of kind %s; sort by a date, string or token parameter, _id or _lastUpdated", k.Param, k.Kind)
		}
		if k.Param == projections.ParamID { // unique: what follows decides nothing
			o.keys = sort[:i+1]
			break
		}
	}
	if len(o.keys) > 1 {
		o.by = orderSeveral
	}
	if len(o.keys) > 8 {
		return o, events.Errorf(events.TooCostly, op, "a search can be sorted by at most 8 parameters")
	}
	return o, nil
}

// reversed is the order walked from its end. Which of several values a version is sorted by stays as it is; see [search.sortedByLargest].
func (o order) reversed() order {
	o.descending, o.back = !o.descending, true
	o.keys = slices.Clone(o.keys)
	for i := range o.keys {
		o.keys[i].Descending = !o.keys[i].Descending
	}
	return o
}

// sortedByLargest tells whether a direction in which an order is walked stands for one in which a version is sorted by its largest value.
func (x *search) sortedByLargest(descending bool) bool { return descending != x.q.Back }

// inPhases answers with the versions that have a value to be sorted by and with those that lack it, which come last. done is false where a part could not be answered.
func (x ask) inPhases(limit int, part func(phase phase, limit int) (found []match, done bool, err error)) (found []match, done bool, err error) {
	phases, begun := [2]phase{byValue, byMissing}, x.after.phase == byMissing
	if x.q.Back {
		phases, begun = [2]phase{byMissing, byValue}, x.after.phase == byValue || x.after.phase == byCoding
	}
	if !begun {
		if found, done, err = part(phases[0], limit); !done || err != nil || len(found) >= limit {
			return found, done, err
		}
	}
	rest, done, err := part(phases[1], limit-len(found))
	return append(found, rest...), done, err
}

// within is the order of the versions that share the first key, a token: by main date, in the direction of a second key that is the date
// it comes from.
func (o order) within() order {
	if len(o.keys) < 2 {
		return o
	}
	o.crossed = o.keys[1].Descending != o.keys[0].Descending
	o.descending = o.keys[1].Descending
	return o
}

// name says what an order by one number is by.
func (o order) name() string {
	if o.by == orderUpdated {
		return "_lastUpdated"
	}
	return "main date"
}

// words name the keys.
func (o order) words() string {
	var words []string
	for _, k := range o.keys {
		words = append(words, k.Param)
	}
	return strings.Join(words, ", ")
}

func (o order) opposite() order {
	o.descending = !o.descending
	return o
}

// ties is the direction of what shares a main date.
func (o order) ties() string {
	if o.crossed {
		return o.opposite().direction()
	}
	return o.direction()
}

func (o order) direction() string {
	if o.descending {
		return "desc"
	}
	return "asc"
}

// beyond compares with the end of the page before.
func (o order) beyond() string {
	if o.descending {
		return "<"
	}
	return ">"
}

// resolveOrder looks up what an order by dates needs to know.
func (x *search) resolveOrder(r *clause.Resolver, o order) {
	at := 0
	if len(o.keys) > 1 && o.keys[0].Kind == projections.Token && o.keys[0].Param != projections.ParamID {
		at = 1
	}
	if o.by != orderDate && (o.by != orderSeveral || o.keys[at].Kind != projections.Date || o.keys[at].Param == projections.ParamLastUpdated) {
		return
	}
	x.dates = r.DateOrder(o.keys[at])
}
