package sqlterms

import (
	"strings"

	"binnacle/events"
	"binnacle/projections"
	"binnacle/projections/index/keys"
	"binnacle/projections/index/sql"
)

// followed is a clause that follows references. A version's row has the keys of the resources that it refers to, and that of the resource
// that it is a version of, which an index finds it by; a reference's own key is made of the parameter's and the resource's
// (see refer). So a statement can go from either end: from the few resources described to what refers to them, or from a version under
// consideration to the other end, which is probed then.
type followed struct {
	reverse bool
	targets []*target
}

// target is one alternative of the other end.
type target struct {
	*group
	param int64 // of the reference
	onRow bool  // the reference has no term row; see withKeys
}

// follow resolves a clause that follows references.
func (x scope) follow(c *projections.Clause, a *access, depth int) error {
	switch {
	case c.Modifier != projections.NoModifier || len(c.Values) > 0 || len(c.Any) > 0:
		return events.Errorf(events.Invalid, searching, "the clause of %s follows references and has values or a modifier, too", c.Param)
	case len(c.Follow.Targets) == 0:
		return events.Errorf(events.Invalid, searching, "the clause of %s follows references to no type", c.Param)
	}
	a.follow = &followed{reverse: c.Follow.Reverse}
	var words []string
	for i := range c.Follow.Targets {
		t := &c.Follow.Targets[i]
		other := scope{x.resolver, x.LedgerOf(x.q.Tenant, t.Type), t.Type}
		g, err := other.group(t.Clauses, depth+1)
		if err != nil {
			return err
		}
		end := target{g, x.KeptFor(x.ledger, c.Param, t.Shares, t.Type), x.RefersOnRow(t.Type)}
		if c.Follow.Reverse {
			end = target{g, x.KeptFor(other.ledger, c.Param, t.Shares, x.name), x.RefersOnRow(x.name)}
		} else if err := x.contained(t, a, depth); err != nil {
			return err
		}
		a.follow.targets = append(a.follow.targets, &end)
		words = append(words, t.Type+g.words())
	}
	described := strings.Join(words, " or ")
	if c.Follow.Reverse {
		a.words = "what " + described + " refers to as " + c.Param
	} else {
		a.words = c.Param + " of " + described
	}
	if a.inner {
		a.words += ", contained or not"
	}
	return nil
}

// words names the parameters of a group's clauses.
func (g *group) words() string {
	if len(g.accesses) == 0 {
		return ""
	}
	var words []string
	for _, a := range g.accesses {
		words = append(words, a.words)
	}
	return "(" + strings.Join(words, ", ") + ")"
}

// any resolves a choice among clauses. Plain ones are several forms of one access.
func (x scope) any(clauses []projections.Clause, a *access, depth int) error {
	plain := true
	var words []string
	for i := range clauses {
		c := &clauses[i]
		own := c.Param == projections.ParamID || c.Param == projections.ParamLastUpdated
		plain = plain && c.Modifier != projections.Not && c.Follow == nil && len(c.Any) == 0 && !own
		words = append(words, c.Param)
	}
	a.words = strings.Join(words, " or ")
	if plain {
		for i := range clauses {
			if err := x.clause(&clauses[i], a); err != nil {
				return err
			}
		}
		a.words, a.aligned, a.dated = strings.Join(words, " or "), false, 0
		x.after = append(x.after, func() error {
			a.keys, a.onRow, a.shapes = distinct(a.keys), distinct(a.onRow), distinct(a.shapes)
			return nil
		})
		return nil
	}
	for i := range clauses {
		g, err := x.group(clauses[i:i+1], depth+1)
		if err != nil {
			return err
		}
		a.choice = append(a.choice, g)
	}
	return nil
}

// settleInside settles the groups inside an access and drops those that nothing can answer. It tells whether the access always holds.
func (a *access) settleInside() (always bool, err error) {
	choice := a.choice[:0]
	for _, g := range a.choice {
		if err := g.settle(); err != nil {
			return false, err
		}
		always = always || g.nothing == "" && len(g.accesses) == 0
		if g.nothing == "" {
			choice = append(choice, g)
		}
	}
	a.choice = choice
	if a.follow == nil {
		return always, nil
	}
	targets := a.follow.targets[:0]
	for _, t := range a.follow.targets {
		if err := t.settle(); err != nil {
			return false, err
		}
		if t.nothing == "" {
			targets = append(targets, t)
		}
	}
	a.follow.targets = targets
	if len(targets) == 0 {
		a.follow = nil
	}
	return false, nil
}

// driver is the clause with the fewest rows; nil when none has been counted.
func (g *group) driver() *access {
	var least *access
	for _, a := range g.accesses {
		if !a.negate && a.count >= 0 && (least == nil || a.count < least.count) {
			least = a
		}
	}
	return least
}

// few tells whether the versions that the group speaks of are few enough to be read.
func (g *group) few() bool {
	driver := g.driver()
	return driver != nil && driver.count <= g.many
}

// probes are the conditions of all clauses but one, the rarest first.
func (g *group) probes(s *sql.Statement, but *access, sid, ref, main string, before int64) string {
	var sql strings.Builder
	for _, a := range rarestFirst(g.accesses) {
		if a != but {
			sql.WriteString(" and " + a.probe(s, sid, ref, main, before))
		}
	}
	return sql.String()
}

// probe is the condition that a version answers all clauses.
func (g *group) probe(s *sql.Statement, sid, ref, main string, before int64) string {
	return "(" + strings.TrimPrefix(g.probes(s, nil, sid, ref, main, before), " and ") + ")"
}

// versions is a SELECT of columns of the versions, as v, that answer the group at the snapshot.
func (g *group) versions(s *sql.Statement, columns string, before int64) string {
	driver := g.driver()
	most := s.Most
	s.Most = 0 // some of the driver's rows may not answer the other clauses
	defer func() { s.Most = most }()
	var from string
	if driver == nil {
		from = "select (t.ref >> 2) as sid from " + s.Table("term") + " t where t.key = " + s.Arg(g.ledger) + " and t.ref < " + s.Arg(before)
	} else {
		from = "select distinct sid from (" + driver.rows(s, before) + ") y"
	}
	return "select " + columns + " from (" + from + ") d" + s.Versions("d.sid") + " and v.ledger = " + s.Arg(g.ledger) +
		" and v.deleted = 0 and " + s.Visible("v.sid", keys.SnapshotOf(before)) + g.probes(s, driver, "v.sid", "(v.sid << 2)", "v.main", before)
}

// rows is a SELECT of the Sids of the versions that answer the group; those of one clause alone need not be current.
func (g *group) rows(s *sql.Statement, before int64) string {
	if len(g.accesses) == 1 && !g.accesses[0].negate {
		return g.accesses[0].rows(s, before)
	}
	return g.versions(s, "v.sid as sid", before)
}

// rows are SELECTs of the Sids that it finds, one for each target.
func (f *followed) rows(s *sql.Statement, before int64) []string {
	parts := make([]string, len(f.targets))
	for i, t := range f.targets {
		if !f.reverse && t.onRow {
			parts[i] = "select t.sid as sid from (" + t.versions(s, "distinct v.resource", before) + ") o cross join lateral " + s.WithKeys("array["+s.Refer(t.param, "o.resource")+"]", before) + " t"
			continue
		}
		if !f.reverse {
			parts[i] = "select (t.ref >> 2) as sid from (" + t.versions(s, "distinct v.resource", before) + ") o cross join " + s.Table("term") + " t where t.key = " +
				s.Refer(t.param, "o.resource") + " and t.ref < " + s.Arg(before)
			continue
		}
		placed, key := s.KeysOf("o", "l") // many versions refer to the same resources: each of these is looked up once
		parts[i] = "select t.sid as sid from (select distinct " + key + " as key from (" + t.versions(s, "v.keys", before) + ") o cross join " + placed + ") r cross join " + s.Table("version") +
			" t where t.resource = " + s.Refer(t.param, "r.key") + " and t.sid <= " + s.Arg(keys.SnapshotOf(before))
	}
	return parts
}

// probe are conditions, one for each target, that a version answers it.
func (f *followed) probe(s *sql.Statement, sid string, before int64) []string {
	parts := make([]string, len(f.targets))
	for i, t := range f.targets {
		own, other := s.Alias("c"), s.Alias("o")
		begin := "exists (select 1 from " + s.Table("version") + " " + own + " cross join "
		of := " where " + own + ".sid = " + sid + " and "
		switch {
		case !f.reverse:
			placed, key := s.KeysOf(own, s.Alias("l"))
			parts[i] = begin + placed + " cross join " + s.Table("version") + " " + other + of + other + ".resource = " + s.Refer(t.param, key) + " and " + other + ".ledger = " + s.Arg(t.ledger) +
				" and " + other + ".deleted = 0 and " + other + ".sid <= " + s.Arg(keys.SnapshotOf(before)) + t.current(s, other, before) + sql.Once + ")"
		case t.onRow:
			found := s.Alias("r")
			parts[i] = begin + "lateral " + s.WithKeys("array["+s.Refer(t.param, own+".resource")+"]", before) + " " + found + " cross join " + s.Table("version") + " " + other + of +
				other + ".sid = " + found + ".sid" + t.current(s, other, before) + sql.Once + ")"
		default:
			parts[i] = begin + s.Table("term") + " " + other + of + other + ".key = " + s.Refer(t.param, own+".resource") + " and " + other + ".ref < " + s.Arg(before) +
				" and " + s.Visible("("+other+".ref >> 2)", keys.SnapshotOf(before)) + t.probes(s, nil, "("+other+".ref >> 2)", "("+other+".ref - ("+other+".ref & 3))", other+".sort", before) + sql.Once + ")"
		}
	}
	return parts
}

// current is the condition that a version up to the snapshot, in a row as named, is current and answers the group.
func (g *group) current(s *sql.Statement, row string, before int64) string {
	return " and " + s.Visible(row+".sid", keys.SnapshotOf(before)) + g.probes(s, nil, row+".sid", "("+row+".sid << 2)", row+".main", before)
}
