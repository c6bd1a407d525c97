package clause

import (
	"slices"

	"binnacle/events"
	"binnacle/projections"
	"binnacle/projections/index/keys"
	"binnacle/projections/index/rows"
	"binnacle/projections/index/sets"
	"binnacle/projections/index/sql"
)

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
		return nil, events.Errorf(events.TooCostly, searching,
			"the search follows references over more than %d steps; ask with fewer", maxDepth)
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
		return nil, events.Errorf(events.TooCostly, searching, "the search has more than %d clauses; ask with fewer",
			maxClauses)
	}
	return g, nil
}

// settle drops clauses that always hold, and notes one that never does. The look-ups have run.
func (g *Group) settle() error {
	kept := g.Accesses[:0]
	for _, a := range g.Accesses {
		a.Scans, a.Texts = distinct(a.Scans), distinct(a.Texts)
		if len(a.Scans)+len(a.Texts) > maxStretches {
			return events.Errorf(events.TooCostly, searching,
				"the clause of %s has too many alternatives; give fewer than %d", a.Words, maxStretches/4)
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
			err = events.Errorf(events.Unsupported, searching,
				"the parameter %s is of kind %s, which the index does not answer", c.Param, c.Kind)
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
