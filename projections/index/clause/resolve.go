package clause

import (
	"fmt"
	"slices"
	"strings"

	"binnacle/events"
	"binnacle/projections"
	"binnacle/projections/index/keys"
	"binnacle/projections/index/rows"
	"binnacle/projections/index/sets"
	"binnacle/projections/index/sql"
)

// A lookup asks the dictionaries for what a clause's values stand for. All lookups of a query are one statement.
type lookup struct {
	sql  func(s *sql.Statement) string // SELECT of three columns: integer, bytes, integer
	take func(first int64, text string, second int64)
}

// scope is a type of the query's tenant, of whose versions clauses speak.
type scope struct {
	*Resolver
	ledger int64
	name   string // of the type
}

// Group is what the clauses about one type have become; all must hold.
type Group struct {
	Ledger   int64
	Many     int // up to how many rows are read
	Accesses []*Access
	Nothing  string // the parameter whose clause no row can answer
}

// searching is the operation that errors tell of.
const searching = "index.Search"

// Resolver turns the clauses of a query into accesses. What it has to look up in the dictionaries it asks with one
// statement, after all clauses have been read.
type Resolver struct {
	*sql.At
	keys.Hasher
	Wanted  *projections.Query
	Many    int            // rows up to which a clause is read as a whole
	Sets    *sets.View     // that may hold the strings of a parameter; nil: none do
	names   map[int64]bool // marks of the contained resources that there are of those that chains ask for
	lookups []lookup
	after   []func() error // what waits for the look-ups to have run
	clauses int            // of all groups
	tooMany string         // the parameter of which a value stands for too many codings
}

// Resolve turns the clauses into accesses of the group of the query's type.
func (x *Resolver) Resolve() (*Group, error) {
	all, err := scope{x, x.LedgerOf(x.Wanted.Tenant, x.Wanted.Type), x.Wanted.Type}.group(x.Wanted.Clauses, 0)
	if err != nil {
		return nil, err
	}
	if err := x.runLookups(); err != nil {
		return nil, err
	}
	for _, finish := range x.after {
		if err := finish(); err != nil {
			return nil, err
		}
	}
	return all, all.settle()
}

func (x scope) newGroup() *Group { return &Group{Ledger: x.ledger, Many: x.Many} }

func (x scope) group(clauses []projections.Clause, depth int) (*Group, error) {
	if depth > maxDepth {
		return nil, events.Errorf(events.TooCostly, searching, "the search follows references over more than %d steps; ask with fewer", maxDepth)
	}
	g := x.newGroup()
	for i := range clauses {
		c := &clauses[i]
		a := New(c.Param)
		a.Negate = c.Modifier == projections.Not
		var err error
		switch {
		case c.Follow != nil:
			err = x.follow(c, a, depth)
		case len(c.Any) > 0:
			err = x.any(c.Any, a, depth)
		default:
			err = x.clause(c, a)
		}
		if err != nil {
			return nil, err
		}
		g.Accesses = append(g.Accesses, a)
	}
	if x.clauses += len(clauses); x.clauses > maxClauses {
		return nil, events.Errorf(events.TooCostly, searching, "the search has more than %d clauses; ask with fewer", maxClauses)
	}
	return g, nil
}

// settle drops clauses that always hold, and notes one that never does. The look-ups have run.
func (g *Group) settle() error {
	kept := g.Accesses[:0]
	for _, a := range g.Accesses {
		a.Scans, a.Texts = distinct(a.Scans), distinct(a.Texts)
		if len(a.Scans)+len(a.Texts) > maxStretches {
			return events.Errorf(events.TooCostly, searching, "the clause of %s has too many alternatives; give fewer than %d", a.Words, maxStretches/4)
		}
		always, err := a.settleInside()
		if err != nil {
			return err
		}
		switch {
		case always:
		case !a.Empty():
			kept = append(kept, a)
		case !a.Negate:
			g.Nothing = a.Words
		}
	}
	g.Accesses = kept
	return nil
}

// clause adds to an access the rows that answer a clause.
func (x scope) clause(c *projections.Clause, a *Access) error {
	if c.Modifier != projections.Missing && len(c.Values) == 0 {
		return events.Errorf(events.Invalid, searching, "the clause of %s has no value", c.Param)
	}
	switch {
	case c.Param == projections.ParamID:
		return x.idClause(c, a)
	case c.Param == projections.ParamLastUpdated:
		return x.updatedClause(c, a)
	case c.Modifier == projections.Missing:
		a.Words += ":missing"
		x.shapes(func(params string) bool { return rows.HasElement(params, c.Param) != c.Missing }, a)
		return nil
	}
	params := x.Kept(x.ledger, c.Param, c.Shares)
	for _, param := range params {
		if err := x.values(c, param, a); err != nil {
			return err
		}
	}
	if len(params) == 1 && c.Kind == projections.Date && len(c.Values) == 1 && c.Modifier == projections.NoModifier {
		a.Dated = params[0]
	}
	return nil
}

// values adds to an access the rows of a parameter that answer a clause.
func (x scope) values(c *projections.Clause, param int64, a *Access) error {
	for _, v := range c.Values {
		var err error
		switch c.Kind {
		case projections.Token:
			if v.AnySystem && v.AnyCode {
				x.shapesWith(c.Param, true, a)
				continue
			}
			x.tokenValue(param, v, a.Words, a.AddKey, a.addWide)
		case projections.Reference:
			err = x.referenceValue(param, c, v, a)
		case projections.String:
			key := x.Of(param, keys.RoleText)
			switch {
			case projections.IsBlank(v.Text): // no row answers it
			case c.Modifier == projections.Exact:
				a.Texts = append(a.Texts, TextScan{Key: key, Form: textRaw, Text: v.Text})
			case c.Modifier == projections.Contains:
				err = x.holds(key, projections.Fold(v.Text), a)
			default:
				a.Texts = append(a.Texts, TextScan{Key: key, Form: TextBegins, Text: projections.Fold(v.Text)})
			}
		case projections.URI:
			err = x.uriValue(param, c.Modifier, v.Text, a)
		case projections.Date:
			a.Scans = appendScans(a.Scans, dateScans(&x.Hasher, param, v))
		case projections.Number:
			a.Scans = appendScans(a.Scans, numberScans(&x.Hasher, param, v))
		case projections.Quantity:
			x.quantityValue(param, v, a.Words, func(unit int64) {
				if unit == param {
					a.Scans = appendScans(a.Scans, numberScans(&x.Hasher, param, v))
				} else {
					a.Scans = appendScans(a.Scans, quantityScans(&x.Hasher, param, unit, unit, v))
				}
			})
		case projections.Composite:
			err = x.compositeValue(param, c, v, a)
		default:
			err = events.Errorf(events.Unsupported, searching, "the parameter %s is of kind %s, which the index does not answer", c.Param, c.Kind)
		}
		if err != nil {
			return err
		}
	}
	if c.Kind == projections.Date && len(c.Values) == 1 && c.Modifier == projections.NoModifier {
		x.alignedDate(param, c.Param, c.Values[0], a)
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

func appendScans(scans, more []Scan) []Scan {
	for _, sc := range more {
		if sc.Min <= sc.Max {
			scans = append(scans, sc)
		}
	}
	return scans
}

// codings looks up the keys of the codings in a dictionary that have this code, or this system, or both. When a system has too many of
// them, wide is told; a nil wide refuses the search.
func (x *Resolver) codings(dictionary int64, code, system *string, words string, use func(key int64), wide func(wideCode)) {
	found := 0
	x.lookups = append(x.lookups, lookup{
		sql: func(s *sql.Statement) string {
			sql := "select d.key, " + s.NoBytes() + ", 0 from " + s.Table("coding") + " d where d.param = " + s.Arg(dictionary)
			if code != nil {
				sql += " and d.code = " + s.Arg([]byte(projections.OrderCode(*code)))
			}
			if system != nil {
				sql += " and d.system = " + s.Arg([]byte(projections.OrderCode(*system)))
			}
			return sql + fmt.Sprintf(" limit %d", maxAlternatives+1)
		},
		take: func(key int64, _ string, _ int64) {
			if found++; found <= maxAlternatives {
				use(key)
				return
			}
			if system == nil || wide == nil { // so many systems of one code: nobody has them
				x.tooMany = words
				return
			}
			if found == maxAlternatives+1 {
				wide(wideCode{dictionary: dictionary, system: projections.OrderCode(*system)})
			}
		},
	})
}

// tokenValue finds the keys of what a token stands for.
func (x *Resolver) tokenValue(param int64, v projections.Value, words string, add func(key int64), wide func(wideCode)) {
	switch {
	case v.AnySystem && v.AnyCode:
		x.codings(param, nil, nil, words, add, nil)
	case v.AnySystem:
		x.codings(param, &v.Code, nil, words, add, nil)
	case v.AnyCode:
		x.codings(param, nil, &v.System, words, add, wide)
	default:
		add(x.Value(param, keys.RoleValue, v.System, v.Code))
	}
}

func (x scope) referenceValue(param int64, c *projections.Clause, v projections.Value, a *Access) error {
	if c.Modifier == projections.IdentifierModifier {
		if v.AnySystem && v.AnyCode {
			return needsTarget(c.Param)
		}
		identifiers := x.Of(param, keys.RoleIdentifiers)
		switch {
		case v.AnySystem:
			x.codings(identifiers, &v.Code, nil, a.Words, a.AddKey, nil)
		case v.AnyCode:
			x.codings(identifiers, nil, &v.System, a.Words, a.AddKey, a.addWide)
		default:
			a.AddKey(x.Value(param, keys.RoleIdentifier, v.System, v.Code))
		}
		return nil
	}
	if v.AnyCode {
		return needsTarget(c.Param)
	}
	x.targets(param, v, a.AddKey, func(target, id string) {
		a.AddKeyOn(keys.Refer(x.KeptFor(x.ledger, c.Param, c.Shares, target), x.Resource(x.LedgerOf(x.Wanted.Tenant, target), id)), x.RefersOnRow(target))
	})
	return nil
}

func needsTarget(param string) error {
	return events.Errorf(events.Unsupported, searching, "the reference %s needs an id or a URL", param)
}

// targets finds the keys of what a reference stands for; relative adds that of one by type and id.
func (x *Resolver) targets(param int64, v projections.Value, add func(key int64), relative func(target, id string)) {
	plain := func(role keys.Role) { add(x.Value(param, role, v.System, v.Code)) }
	switch {
	case !v.AnySystem && v.System != "" && keys.IsID(v.Code):
		relative(v.System, v.Code)
	case !v.AnySystem:
		plain(keys.RoleValue)
	default:
		v.System = ""
		plain(keys.RoleValue)
		if !keys.IsID(v.Code) {
			plain(keys.RoleUnversioned)
			return
		}
		x.lookups = append(x.lookups, lookup{
			sql: func(s *sql.Statement) string {
				return "select 0, d.system, 0 from " + s.Table("coding") + " d where d.param = " + s.Arg(param) + " and d.code = " + s.NoBytes() +
					fmt.Sprintf(" limit %d", maxAlternatives)
			},
			take: func(_ int64, target string, _ int64) { relative(target, v.Code) },
		})
	}
}

// quantityValue finds the keys of the units that a quantity may be in; the one of the parameter itself stands for any.
func (x *Resolver) quantityValue(param int64, v projections.Value, words string, add func(unit int64)) {
	units := x.Of(param, keys.RoleUnits)
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
		x.codings(units, &v.Code, nil, words, once, nil)
		x.codings(x.Of(param, keys.RolePrinted), &v.Code, nil, words, once, nil)
	case v.AnyCode:
		x.codings(units, nil, &v.System, words, add, nil)
	default:
		x.codings(units, &v.Code, &v.System, words, add, nil)
	}
}

// shapesWith finds the versions that have values of a parameter, or that lack them.
func (x scope) shapesWith(code string, has bool, a *Access) {
	x.shapes(func(params string) bool { return rows.HasParam(params, code) == has }, a)
}

// shapes finds the versions whose sets of parameters are wanted.
func (x scope) shapes(wanted func(params string) bool, a *Access) {
	x.lookups = append(x.lookups, lookup{
		sql: func(s *sql.Statement) string {
			return "select h.key, h.params, 0 from " + s.Table("shape") + " h where h.ledger = " + s.Arg(x.ledger)
		},
		take: func(key int64, params string, _ int64) {
			if wanted(params) {
				a.shapes = append(a.shapes, key)
			}
		},
	})
}

// idClause takes the ids' current versions; there are at most as many as ids.
func (x scope) idClause(c *projections.Clause, a *Access) error {
	if c.Modifier == projections.Missing {
		a.Negate = !c.Missing // every version has an id: no row has not
		return nil
	}
	ids := make([]string, 0, len(c.Values))
	for _, v := range c.Values {
		if keys.IsID(v.Code) {
			ids = append(ids, v.Code)
		}
	}
	if len(ids) > maxIDs {
		return events.Errorf(events.TooCostly, searching, "_id has too many alternatives; give at most %d", maxIDs)
	}
	a.ByID = true
	if len(ids) == 0 {
		return nil
	}
	x.lookups = append(x.lookups, lookup{
		sql: func(s *sql.Statement) string {
			return "select v.sid, " + s.NoBytes() + ", 0 from " + s.Table("version") + " v where v.ledger = " + s.Arg(x.ledger) + " and v.id " + s.InTexts(ids) +
				" and v.deleted = 0 and v.sid <= " + s.Arg(x.Snapshot) + " and " + s.Visible("v.sid", x.Snapshot)
		},
		take: func(sid int64, _ string, _ int64) { a.Sids = append(a.Sids, sid) },
	})
	return nil
}

// updatedClause turns times into Sids: both ascend together within a partition.
func (x scope) updatedClause(c *projections.Clause, a *Access) error {
	if c.Modifier == projections.Missing {
		a.Negate = !c.Missing
		return nil
	}
	a.Ledger = x.ledger
	for _, v := range c.Values {
		a.Updated = append(a.Updated, updatedIntervals(v)...)
	}
	if len(a.Updated) > sql.Inline {
		return events.Errorf(events.TooCostly, searching, "_lastUpdated has too many alternatives; give at most %d", sql.Inline/2)
	}
	for _, u := range a.Updated {
		x.lookups = append(x.lookups, lookup{
			sql: func(s *sql.Statement) string {
				from := "(select v.sid from " + s.Table("version") + " v where v.ledger = " + s.Arg(x.ledger)
				return "select coalesce(" + from + " and v.at >= " + s.Arg(u.Low) + " order by v.at, v.sid limit 1), -1), " + s.NoBytes() +
					", coalesce(" + from + " and v.at <= " + s.Arg(u.High) + " order by v.at desc, v.sid desc limit 1), -1)"
			},
			take: func(first int64, _ string, last int64) {
				if first >= 0 && last >= first {
					a.Spans = append(a.Spans, sets.Interval{Low: first, High: last})
				}
			},
		})
	}
	return nil
}

func (x *Resolver) runLookups() error {
	for len(x.lookups) > 0 {
		batch := x.lookups[:min(len(x.lookups), sql.UnionParts)]
		x.lookups = x.lookups[len(batch):]
		s := x.Statement()
		parts := make([]string, len(batch))
		for i, l := range batch {
			parts[i] = fmt.Sprintf("select %d as n, y.* from (%s) y", i, l.sql(s))
		}
		var n, first, second int64
		var text []byte
		err := x.Query(s, strings.Join(parts, " union all "), func(scan func(...any) error) error {
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
		return events.Errorf(events.TooCostly, searching, "the value of %s stands for too many codings; name the system", x.tooMany)
	}
	return nil
}
