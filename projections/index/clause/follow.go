package clause

import (
	"strings"

	"binnacle/events"
	"binnacle/projections"
	"binnacle/projections/index/keys"
	"binnacle/projections/index/sql"
)

// followed is a clause that follows references. A version's row has the keys of the resources that it refers to. It
// also has the key of its own resource, which an index finds it by. A reference's own key is made of the parameter's
// and the resource's ([keys.Refer]). So a statement can go from either end: from the few resources described to what
// refers to them, or from a version under consideration to the other end, which is probed then.
type followed struct {
	Reverse bool
	Targets []*Target
}

// Target is one alternative of the other end.
type Target struct {
	*Group
	Param int64 // of the reference
	OnRow bool  // the reference has no term row; see keys.Places
}

// follow resolves a clause that follows references.
func (x scope) follow(c *projections.Clause, a *Access, depth int) error {
	switch {
	case c.Modifier != projections.NoModifier || len(c.Values) > 0 || len(c.Any) > 0:
		return events.Errorf(events.Invalid, searching,
			"the clause of %s follows references and has values or a modifier, too", c.Param)
	case len(c.Follow.Targets) == 0:
		return events.Errorf(events.Invalid, searching, "the clause of %s follows references to no type", c.Param)
	}
	a.Follow = &followed{Reverse: c.Follow.Reverse}
	var words []string
	for i := range c.Follow.Targets {
		t := &c.Follow.Targets[i]
		other := scope{x.Resolver, x.LedgerOf(x.Wanted.Tenant, t.Type), t.Type}
		g, err := other.group(t.Clauses, depth+1)
		if err != nil {
			return err
		}
		end := Target{g, x.KeptFor(x.ledger, c.Param, t.Shares, t.Type), x.RefersOnRow(t.Type)}
		if c.Follow.Reverse {
			end = Target{g, x.KeptFor(other.ledger, c.Param, t.Shares, x.name), x.RefersOnRow(x.name)}
		} else if err := x.contained(t, a, depth); err != nil {
			return err
		}
		a.Follow.Targets = append(a.Follow.Targets, &end)
		words = append(words, t.Type+g.words())
	}
	described := strings.Join(words, " or ")
	if c.Follow.Reverse {
		a.Words = "what " + described + " refers to as " + c.Param
	} else {
		a.Words = c.Param + " of " + described
	}
	if a.inner {
		a.Words += ", contained or not"
	}
	return nil
}

// words names the parameters of a group's clauses.
func (g *Group) words() string {
	if len(g.Accesses) == 0 {
		return ""
	}
	var words []string
	for _, a := range g.Accesses {
		words = append(words, a.Words)
	}
	return "(" + strings.Join(words, ", ") + ")"
}

// any resolves a choice among clauses. Plain ones are several forms of one access.
func (x scope) any(clauses []projections.Clause, a *Access, depth int) error {
	plain := true
	var words []string
	for i := range clauses {
		c := &clauses[i]
		own := c.Param == projections.ParamID || c.Param == projections.ParamLastUpdated
		plain = plain && c.Modifier != projections.Not && c.Follow == nil && len(c.Any) == 0 && !own
		words = append(words, c.Param)
	}
	a.Words = strings.Join(words, " or ")
	if plain {
		for i := range clauses {
			if err := x.clause(&clauses[i], a); err != nil {
				return err
			}
		}
		a.Words, a.Aligned, a.Dated = strings.Join(words, " or "), false, 0
		x.after = append(x.after, func() error {
			a.Keys, a.OnRow, a.shapes = distinct(a.Keys), distinct(a.OnRow), distinct(a.shapes)
			return nil
		})
		return nil
	}
	for i := range clauses {
		g, err := x.group(clauses[i:i+1], depth+1)
		if err != nil {
			return err
		}
		a.Choice = append(a.Choice, g)
	}
	return nil
}

// settleInside settles the groups inside an access and drops those that nothing can answer. It tells whether the
// access always holds.
func (a *Access) settleInside() (always bool, err error) {
	choice := a.Choice[:0]
	for _, g := range a.Choice {
		if err := g.settle(); err != nil {
			return false, err
		}
		always = always || g.Nothing == "" && len(g.Accesses) == 0
		if g.Nothing == "" {
			choice = append(choice, g)
		}
	}
	a.Choice = choice
	if a.Follow == nil {
		return always, nil
	}
	targets := a.Follow.Targets[:0]
	for _, t := range a.Follow.Targets {
		if err := t.settle(); err != nil {
			return false, err
		}
		if t.Nothing == "" {
			targets = append(targets, t)
		}
	}
	a.Follow.Targets = targets
	if len(targets) == 0 {
		a.Follow = nil
	}
	return false, nil
}

// Driver is the clause with the fewest rows; nil when none has been counted.
func (g *Group) Driver() *Access {
	var least *Access
	for _, a := range g.Accesses {
		if !a.Negate && a.Count >= 0 && (least == nil || a.Count < least.Count) {
			least = a
		}
	}
	return least
}

// Few tells whether the versions that the group speaks of are few enough to be read.
func (g *Group) Few() bool {
	driver := g.Driver()
	return driver != nil && driver.Count <= g.Many
}

// Probes are the conditions of all clauses but one, the rarest first.
func (g *Group) Probes(s *sql.Statement, but *Access, sid, ref, main string, before int64) string {
	var sql strings.Builder
	for _, a := range RarestFirst(g.Accesses) {
		if a != but {
			sql.WriteString(" and " + a.Probe(s, sid, ref, main, before))
		}
	}
	return sql.String()
}

// probe is the condition that a version answers all clauses.
func (g *Group) probe(s *sql.Statement, sid, ref, main string, before int64) string {
	return "(" + strings.TrimPrefix(g.Probes(s, nil, sid, ref, main, before), " and ") + ")"
}

// Versions is a SELECT of columns of the versions, as v, that answer the group at the snapshot.
func (g *Group) Versions(s *sql.Statement, columns string, before int64) string {
	driver := g.Driver()
	most := s.Most
	s.Most = 0 // some of the driver's rows may not answer the other clauses
	defer func() { s.Most = most }()
	var from string
	if driver == nil {
		from = "select (t.ref >> 2) as sid from " + s.Table("term") + " t where t.key = " + s.Arg(g.Ledger) +
			" and t.ref < " + s.Arg(before)
	} else {
		from = "select distinct sid from (" + driver.Rows(s, before) + ") y"
	}
	return "select " + columns + " from (" + from + ") d" + s.Versions("d.sid") + " and v.ledger = " + s.Arg(g.Ledger) +
		" and v.deleted = 0 and " + s.Visible("v.sid", keys.SnapshotOf(before)) +
		g.Probes(s, driver, "v.sid", "(v.sid << 2)", "v.main", before)
}

// rows is a SELECT of the Sids of the versions that answer the group; those of one clause alone need not be current.
func (g *Group) rows(s *sql.Statement, before int64) string {
	if len(g.Accesses) == 1 && !g.Accesses[0].Negate {
		return g.Accesses[0].Rows(s, before)
	}
	return g.Versions(s, "v.sid as sid", before)
}

// Rows are SELECTs of the Sids that it finds, one for each target.
func (f *followed) Rows(s *sql.Statement, before int64) []string {
	parts := make([]string, len(f.Targets))
	for i, t := range f.Targets {
		if !f.Reverse && t.OnRow {
			parts[i] = "select t.sid as sid from (" + t.Versions(s, "distinct v.resource", before) +
				") o cross join lateral " + s.WithKeys("array["+s.Refer(t.Param, "o.resource")+"]", before) + " t"
			continue
		}
		if !f.Reverse {
			parts[i] = "select (t.ref >> 2) as sid from (" + t.Versions(s, "distinct v.resource", before) +
				") o cross join " + s.Table("term") + " t where t.key = " +
				s.Refer(t.Param, "o.resource") + " and t.ref < " + s.Arg(before)
			continue
		}
		placed, key := s.KeysOf("o", "l") // many versions refer to the same resources: each of these is looked up once
		parts[i] = "select t.sid as sid from (select distinct " + key + " as key from (" +
			t.Versions(s, "v.keys", before) + ") o cross join " + placed + ") r cross join " + s.Table("version") +
			" t where t.resource = " + s.Refer(t.Param, "r.key") + " and t.sid <= " + s.Arg(keys.SnapshotOf(before))
	}
	return parts
}

// probe are conditions, one for each target, that a version answers it.
func (f *followed) probe(s *sql.Statement, sid string, before int64) []string {
	parts := make([]string, len(f.Targets))
	for i, t := range f.Targets {
		own, other := s.Alias("c"), s.Alias("o")
		begin := "exists (select 1 from " + s.Table("version") + " " + own + " cross join "
		of := " where " + own + ".sid = " + sid + " and "
		switch {
		case !f.Reverse:
			placed, key := s.KeysOf(own, s.Alias("l"))
			parts[i] = begin + placed + " cross join " + s.Table("version") + " " + other + of + other +
				".resource = " + s.Refer(t.Param, key) + " and " + other + ".ledger = " + s.Arg(t.Ledger) +
				" and " + other + ".deleted = 0 and " + other + ".sid <= " + s.Arg(keys.SnapshotOf(before)) +
				t.current(s, other, before) + sql.Once + ")"
		case t.OnRow:
			found := s.Alias("r")
			parts[i] = begin + "lateral " + s.WithKeys("array["+s.Refer(t.Param, own+".resource")+"]", before) + " " +
				found + " cross join " + s.Table("version") + " " + other + of +
				other + ".sid = " + found + ".sid" + t.current(s, other, before) + sql.Once + ")"
		default:
			parts[i] = begin + s.Table("term") + " " + other + of + other + ".key = " +
				s.Refer(t.Param, own+".resource") + " and " + other + ".ref < " + s.Arg(before) +
				" and " + s.Visible("("+other+".ref >> 2)", keys.SnapshotOf(before)) +
				t.Probes(s, nil, "("+other+".ref >> 2)", "("+other+".ref - ("+other+".ref & 3))", other+".sort",
					before) + sql.Once + ")"
		}
	}
	return parts
}

// current is the condition that a version up to the snapshot, in a row as named, is current and answers the group.
func (g *Group) current(s *sql.Statement, row string, before int64) string {
	return " and " + s.Visible(row+".sid", keys.SnapshotOf(before)) +
		g.Probes(s, nil, row+".sid", "("+row+".sid << 2)", row+".main", before)
}
