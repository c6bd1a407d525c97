package step

import (
	"slices"
	"strings"

	"binnacle/events"
	"binnacle/projections"
	"binnacle/projections/index/clause"
)

// Order is what a query's sort keys have become.
type Order struct {
	By         OrderBy
	Descending bool
	Keys       []projections.SortKey
	crossed    bool // what shares a main date stands in the other direction
	back       bool // it is walked from its end: what has no value comes first
}

type OrderBy uint8

const (
	OrderMain OrderBy = iota
	OrderUpdated
	OrderID
	OrderDate
	OrderString
	OrderToken
	OrderSeveral
)

func OrderOf(sort []projections.SortKey) (Order, error) {
	if len(sort) == 0 {
		return Order{By: OrderMain, Descending: true}, nil
	}
	o := Order{Descending: sort[0].Descending, Keys: sort}
	for i, k := range sort {
		switch {
		case k.Param == projections.ParamID:
			o.By = OrderID
		case k.Param == projections.ParamLastUpdated:
			o.By = OrderUpdated
		case k.Kind == projections.Date:
			o.By = OrderDate
		case k.Kind == projections.String:
			o.By = OrderString
		case k.Kind == projections.Token && len(k.Shares) > 1: // no list has them all
			o.By = OrderSeveral
		case k.Kind == projections.Token:
			o.By = OrderToken
		default:
			return o, events.Errorf(events.Unsupported, Op, "a search cannot be sorted by %s, a parameter of kind "+
				"%s; sort by a date, string or token parameter, _id or _lastUpdated", k.Param, k.Kind)
		}
		if k.Param == projections.ParamID { // unique: what follows decides nothing
			o.Keys = sort[:i+1]
			break
		}
	}
	if len(o.Keys) > 1 {
		o.By = OrderSeveral
	}
	if len(o.Keys) > 8 {
		return o, events.Errorf(events.TooCostly, Op, "a search can be sorted by at most 8 parameters")
	}
	return o, nil
}

// Reversed is the order walked from its end. Which of several values a version is sorted by stays as it is; see
// [Whole.sortedByLargest].
func (o Order) Reversed() Order {
	o.Descending, o.back = !o.Descending, true
	o.Keys = slices.Clone(o.Keys)
	for i := range o.Keys {
		o.Keys[i].Descending = !o.Keys[i].Descending
	}
	return o
}

// sortedByLargest tells whether a direction in which an order is walked stands for one in which a version is sorted by
// its largest value.
func (x *Whole) sortedByLargest(descending bool) bool { return descending != x.Wanted.Back }

// InPhases answers with the versions that have a value to be sorted by and with those that lack it, which come last.
// done is false where a part could not be answered.
func (x Ask) InPhases(
	limit int, part func(phase Phase, limit int) (found []Match, done bool, err error),
) (found []Match, done bool, err error) {
	phases, begun := [2]Phase{ByValue, ByMissing}, x.After.Phase == ByMissing
	if x.Wanted.Back {
		phases, begun = [2]Phase{ByMissing, ByValue}, x.After.Phase == ByValue || x.After.Phase == byCoding
	}
	if !begun {
		if found, done, err = part(phases[0], limit); !done || err != nil || len(found) >= limit {
			return found, done, err
		}
	}
	rest, done, err := part(phases[1], limit-len(found))
	return append(found, rest...), done, err
}

// within is the order of the versions that share the first key, a token: by main date, in the direction of a second key
// that is the date it comes from.
func (o Order) within() Order {
	if len(o.Keys) < 2 {
		return o
	}
	o.crossed = o.Keys[1].Descending != o.Keys[0].Descending
	o.Descending = o.Keys[1].Descending
	return o
}

// Name says what an order by one number is by.
func (o Order) Name() string {
	if o.By == OrderUpdated {
		return "_lastUpdated"
	}
	return "main date"
}

// words name the keys.
func (o Order) words() string {
	var words []string
	for _, k := range o.Keys {
		words = append(words, k.Param)
	}
	return strings.Join(words, ", ")
}

func (o Order) opposite() Order {
	o.Descending = !o.Descending
	return o
}

// ties is the direction of what shares a main date.
func (o Order) ties() string {
	if o.crossed {
		return o.opposite().Direction()
	}
	return o.Direction()
}

func (o Order) Direction() string {
	if o.Descending {
		return "desc"
	}
	return "asc"
}

// Beyond compares with the end of the page before.
func (o Order) Beyond() string {
	if o.Descending {
		return "<"
	}
	return ">"
}

// ResolveOrder looks up what an order by dates needs to know.
func (x *Whole) ResolveOrder(r *clause.Resolver, o Order) {
	at := 0
	if len(o.Keys) > 1 && o.Keys[0].Kind == projections.Token && o.Keys[0].Param != projections.ParamID {
		at = 1
	}
	if o.By != OrderDate && (o.By != OrderSeveral || o.Keys[at].Kind != projections.Date ||
		o.Keys[at].Param == projections.ParamLastUpdated) {
		return
	}
	x.Dates = r.DateOrder(o.Keys[at])
}
