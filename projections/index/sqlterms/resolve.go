package sqlterms

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"binnacle/events"
	"binnacle/projections"
)

// A lookup asks the dictionaries for what a clause's values stand for. All lookups of a query are one statement.
type lookup struct {
	sql  func(s *statement) string // SELECT of three columns: integer, bytes, integer
	take func(first int64, text string, second int64)
}

// lookupsAtOnce is how many lookups one statement holds; SQLite takes 500 parts of a UNION.
const lookupsAtOnce = 200

// resolve turns the clauses into accesses.
func (x *search) resolve() error {
	for i := range x.q.Clauses {
		c := &x.q.Clauses[i]
		a := &access{words: c.Param, negate: c.Modifier == projections.Not, count: -1}
		if c.Modifier != projections.Missing && len(c.Values) == 0 {
			return events.Errorf(events.Invalid, op, "the clause of %s has no value", c.Param)
		}
		if err := x.clause(c, a); err != nil {
			return err
		}
		x.accesses = append(x.accesses, a)
	}
	if err := x.runLookups(); err != nil {
		return err
	}
	kept := x.accesses[:0]
	for _, a := range x.accesses {
		a.scans, a.texts = distinct(a.scans), distinct(a.texts)
		if len(a.scans)+len(a.texts) > maxStretches {
			return events.Errorf(events.TooCostly, op, "the clause of %s has too many alternatives; give fewer than %d", a.words, maxStretches/4)
		}
		switch {
		case !a.empty():
			kept = append(kept, a)
		case !a.negate:
			x.nothing = a.words
		}
	}
	x.accesses = kept
	return nil
}

func (x *search) clause(c *projections.Clause, a *access) error {
	param := x.param(x.ledger, c.Param)
	switch {
	case c.Param == projections.ParamID:
		return x.idClause(c, a)
	case c.Param == projections.ParamLastUpdated:
		return x.updatedClause(c, a)
	case c.Modifier == projections.Missing:
		a.words += ":missing"
		x.shapesWith(c.Param, !c.Missing, a)
		return nil
	}
	for _, v := range c.Values {
		var err error
		switch c.Kind {
		case projections.Token:
			x.tokenValue(param, c.Param, v, a)
		case projections.Reference:
			err = x.referenceValue(param, c, v, a)
		case projections.String:
			key := x.of(param, roleText)
			switch c.Modifier {
			case projections.Exact:
				a.texts = append(a.texts, textScan{key, textRaw, v.Text})
			case projections.Contains:
				a.texts = append(a.texts, textScan{key, textHolds, projections.Fold(v.Text)})
			default:
				a.texts = append(a.texts, textScan{key, textBegins, projections.Fold(v.Text)})
			}
		case projections.URI:
			var scans []textScan
			scans, err = x.uriScans(param, c.Modifier, v.Text)
			a.texts = append(a.texts, scans...)
		case projections.Date:
			a.scans = appendScans(a.scans, x.dateScans(param, v))
		case projections.Number:
			a.scans = appendScans(a.scans, x.numberScans(param, v))
		case projections.Quantity:
			x.quantityValue(param, v, a)
		default:
			err = events.Errorf(events.Unsupported, op, "the parameter %s is of kind %s, which the index does not answer", c.Param, c.Kind)
		}
		if err != nil {
			return err
		}
	}
	if c.Kind == projections.Date && len(c.Values) == 1 && c.Modifier == projections.NoModifier {
		x.alignedDate(param, c.Values[0], a)
	}
	return nil
}

// distinct drops repeats and keeps the order.
func distinct[T comparable](list []T) []T {
	seen := make(map[T]bool, len(list))
	return slices.DeleteFunc(list, func(v T) bool {
		repeated := seen[v]
		seen[v] = true
		return repeated
	})
}

func appendScans(scans, more []scan) []scan {
	for _, sc := range more {
		if sc.min <= sc.max {
			scans = append(scans, sc)
		}
	}
	return scans
}

// codings looks up the keys of the codings in a dictionary that have this code, or this system, or both.
func (x *search) codings(dictionary int64, code, system *string, a *access, use func(key int64)) {
	found := 0
	x.lookups = append(x.lookups, lookup{
		sql: func(s *statement) string {
			sql := "select d.key, " + s.noBytes() + ", 0 from " + s.table("coding") + " d where d.param = " + s.arg(dictionary)
			if code != nil {
				sql += " and d.code = " + s.arg([]byte(projections.OrderCode(*code)))
			}
			if system != nil {
				sql += " and d.system = " + s.arg([]byte(projections.OrderCode(*system)))
			}
			return sql + fmt.Sprintf(" limit %d", maxAlternatives+1)
		},
		take: func(key int64, _ string, _ int64) {
			if found++; found <= maxAlternatives {
				use(key)
				return
			}
			if system == nil { // so many systems of one code: nobody has them
				x.tooMany = a.words
				return
			}
			if found == maxAlternatives+1 {
				a.wide = append(a.wide, wideCode{dictionary, projections.OrderCode(*system)})
			}
		},
	})
}

func (x *search) tokenValue(param int64, code string, v projections.Value, a *access) {
	add := func(key int64) { a.keys = append(a.keys, key) }
	switch {
	case v.AnySystem && v.AnyCode:
		x.shapesWith(code, true, a)
	case v.AnySystem:
		x.codings(param, &v.Code, nil, a, add)
	case v.AnyCode:
		x.codings(param, nil, &v.System, a, add)
	default:
		add(x.value(param, roleValue, v.System, v.Code))
	}
}

func (x *search) referenceValue(param int64, c *projections.Clause, v projections.Value, a *access) error {
	add := func(key int64) { a.keys = append(a.keys, key) }
	switch {
	case c.Modifier == projections.IdentifierModifier && v.AnySystem && v.AnyCode, c.Modifier != projections.IdentifierModifier && v.AnyCode:
		return events.Errorf(events.Unsupported, op, "the reference %s needs an id or a URL", c.Param)
	case c.Modifier == projections.IdentifierModifier && v.AnySystem:
		x.codings(x.of(param, roleIdentifiers), &v.Code, nil, a, add)
	case c.Modifier == projections.IdentifierModifier && v.AnyCode:
		x.codings(x.of(param, roleIdentifiers), nil, &v.System, a, add)
	case c.Modifier == projections.IdentifierModifier:
		add(x.value(param, roleIdentifier, v.System, v.Code))
	case !v.AnySystem:
		add(x.value(param, roleValue, v.System, v.Code))
	case !isID(v.Code):
		add(x.value(param, roleValue, "", v.Code))
		add(x.value(param, roleUnversioned, "", v.Code))
	default:
		add(x.value(param, roleValue, "", v.Code))
		x.lookups = append(x.lookups, lookup{
			sql: func(s *statement) string {
				return "select 0, d.system, 0 from " + s.table("coding") + " d where d.param = " + s.arg(param) + " and d.code = " + s.noBytes() +
					fmt.Sprintf(" limit %d", maxAlternatives)
			},
			take: func(_ int64, target string, _ int64) { add(x.value(param, roleValue, target, v.Code)) },
		})
	}
	return nil
}

func (x *search) quantityValue(param int64, v projections.Value, a *access) {
	add := func(unit int64) { a.scans = appendScans(a.scans, x.numberScans(unit, v)) }
	units := x.of(param, roleUnits)
	switch {
	case v.AnySystem && (v.AnyCode || v.Code == ""):
		add(param)
	case v.AnySystem:
		seen := map[int64]bool{}
		once := func(unit int64) {
			if !seen[unit] {
				seen[unit] = true
				add(unit)
			}
		}
		x.codings(units, &v.Code, nil, a, once)
		x.codings(x.of(param, rolePrinted), &v.Code, nil, a, once)
	case v.AnyCode:
		x.codings(units, nil, &v.System, a, add)
	default:
		x.codings(units, &v.Code, &v.System, a, add)
	}
}

// shapesWith finds the versions that have a parameter, or that lack it.
func (x *search) shapesWith(code string, has bool, a *access) {
	x.lookups = append(x.lookups, lookup{
		sql: func(s *statement) string {
			return "select h.key, h.params, 0 from " + s.table("shape") + " h where h.ledger = " + s.arg(x.ledger)
		},
		take: func(key int64, params string, _ int64) {
			if hasParam(params, code) == has {
				a.shapes = append(a.shapes, key)
			}
		},
	})
}

// idClause takes the ids' current versions; there are at most as many as ids.
func (x *search) idClause(c *projections.Clause, a *access) error {
	if c.Modifier == projections.Missing {
		a.negate = !c.Missing // every version has an id: no row has not
		return nil
	}
	ids := make([]string, 0, len(c.Values))
	for _, v := range c.Values {
		if isID(v.Code) {
			ids = append(ids, v.Code)
		}
	}
	if len(ids) > maxAlternatives {
		return events.Errorf(events.TooCostly, op, "_id has too many alternatives; give at most %d", maxAlternatives)
	}
	a.byID = true
	if len(ids) == 0 {
		return nil
	}
	x.lookups = append(x.lookups, lookup{
		sql: func(s *statement) string {
			return "select v.sid, " + s.noBytes() + ", 0 from " + s.table("version") + " v where v.ledger = " + s.arg(x.ledger) + " and v.id " + s.inTexts(ids) +
				" and v.deleted = 0 and v.sid <= " + s.arg(x.snapshot) + " and " + s.visible("v.sid", x.snapshot)
		},
		take: func(sid int64, _ string, _ int64) { a.sids = append(a.sids, sid) },
	})
	return nil
}

// updatedClause turns times into Sids: both ascend together within a partition.
func (x *search) updatedClause(c *projections.Clause, a *access) error {
	if c.Modifier == projections.Missing {
		a.negate = !c.Missing
		return nil
	}
	a.list = x.updated(x.ledger)
	for _, v := range c.Values {
		a.updated = append(a.updated, updatedIntervals(v)...)
	}
	if len(a.updated) > inline {
		return events.Errorf(events.TooCostly, op, "_lastUpdated has too many alternatives; give at most %d", inline/2)
	}
	for _, u := range a.updated {
		x.lookups = append(x.lookups, lookup{
			sql: func(s *statement) string {
				from := " from " + s.table("term") + " t where t.key = " + s.arg(a.list)
				return "select coalesce((select (t.ref >> 2)" + from + " and t.sort >= " + s.arg(u.low) + " order by t.sort, t.ref limit 1), -1), " + s.noBytes() +
					", coalesce((select (t.ref >> 2)" + from + " and t.sort <= " + s.arg(u.high) + " order by t.sort desc, t.ref desc limit 1), -1)"
			},
			take: func(first int64, _ string, last int64) {
				if first >= 0 && last >= first {
					a.spans = append(a.spans, interval{first, last})
				}
			},
		})
	}
	return nil
}

// alignedDate bounds the main date by a clause of the parameter that it comes from.
func (x *search) alignedDate(param int64, v projections.Value, a *access) {
	a.main = interval{math.MinInt64, math.MaxInt64}
	for _, sc := range a.scans {
		if sc.key == x.of(param, roleShort) {
			a.main = interval{sc.min, sc.max}
		}
	}
	a.aligned = true
	x.unaligned(param, func() { a.aligned = false })
}

// unaligned looks for the mark of a date parameter some of whose values are not the main date, or not alone.
func (x *search) unaligned(param int64, marked func()) {
	x.lookups = append(x.lookups, lookup{
		sql: func(s *statement) string {
			return "select d.key, " + s.noBytes() + ", 0 from " + s.table("coding") + " d where d.param = " + s.arg(x.of(param, roleUnaligned))
		},
		take: func(int64, string, int64) { marked() },
	})
}

// dateOrder is what an order by a date parameter needs to know of it.
type dateOrder struct {
	aligned       bool   // it is the main date of every version that has it
	with, without access // the versions that have it, that lack it
}

func (x *search) resolveOrder(o order) {
	if o.by != orderDate {
		return
	}
	code := o.keys[0].Param
	x.dates = &dateOrder{aligned: true, with: access{words: code, count: -1}, without: access{words: code + ":missing", count: -1}}
	x.unaligned(x.param(x.ledger, code), func() { x.dates.aligned = false })
	x.shapesWith(code, true, &x.dates.with)
	x.shapesWith(code, false, &x.dates.without)
}

func (x *search) runLookups() error {
	for len(x.lookups) > 0 {
		batch := x.lookups[:min(len(x.lookups), lookupsAtOnce)]
		x.lookups = x.lookups[len(batch):]
		s := x.statement()
		parts := make([]string, len(batch))
		for i, l := range batch {
			parts[i] = fmt.Sprintf("select %d as n, y.* from (%s) y", i, l.sql(s))
		}
		var n, first, second int64
		var text []byte
		err := x.query(s, strings.Join(parts, " union all "), func(scan func(...any) error) error {
			if err := scan(&n, &first, &text, &second); err != nil {
				return err
			}
			batch[n].take(first, string(text), second)
			return nil
		})
		if err != nil {
			return err
		}
	}
	if x.tooMany != "" {
		return events.Errorf(events.TooCostly, op, "the value of %s stands for too many codings; name the system", x.tooMany)
	}
	return nil
}
