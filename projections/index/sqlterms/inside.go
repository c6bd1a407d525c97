package sqlterms

import "binnacle/projections"

// What versions contain has terms under names of its own (see projections.Inside): they are rows like those of other parameters. The names that versions of a type have had stand in a
// dictionary, so that a chain asks of no other; that there are none for the types of a query is read together with its snapshot.

// inside adds to the dictionary the name of contained resources, where a parameter is the one that marks it.
func (m *Maker) inside(ledger int64, code string) {
	if name, marks := projections.InsideOf(code); marks {
		m.coding(m.of(ledger, roleInside), name, "", 0)
	}
}

// looksInside are the dictionaries of the types of whose versions chains ask what they contain.
func (x *search) looksInside() []int64 {
	seen := map[int64]bool{}
	var ledgers []int64
	var look func(resourceType string, clauses []projections.Clause)
	look = func(resourceType string, clauses []projections.Clause) {
		for i := range clauses {
			look(resourceType, clauses[i].Any)
			if clauses[i].Follow == nil {
				continue
			}
			for j := range clauses[i].Follow.Targets {
				t := &clauses[i].Follow.Targets[j]
				if ledger := x.ledgerOf(x.q.Tenant, resourceType); t.Inside != "" && !clauses[i].Follow.Reverse && !seen[ledger] {
					seen[ledger] = true
					ledgers = append(ledgers, x.of(ledger, roleInside))
				}
				look(t.Type, t.Clauses)
			}
		}
	}
	look(x.q.Type, x.q.Clauses)
	return ledgers
}

// anyInside is a SELECT of one number: how many of up to one name there are in dictionaries.
func (s *statement) anyInside(dictionaries []int64) string {
	if len(dictionaries) == 0 {
		return "0"
	}
	return "(select count(*) from (select 1 from " + s.table("coding") + " d where d.param " + s.in(dictionaries) + " limit 1) i)"
}

// readInside reads the names that versions of types have had.
func (x *search) readInside(dictionaries []int64) error {
	if len(dictionaries) == 0 {
		return nil
	}
	x.names = map[insideName]bool{}
	s := x.statement()
	var name insideName
	var code []byte
	return x.query(s, "select d.param, d.code from "+s.table("coding")+" d where d.param "+s.in(dictionaries), func(scan func(...any) error) error {
		if err := scan(&name.dictionary, &code); err != nil {
			return err
		}
		name.name = string(code)
		x.names[name] = true
		return nil
	})
}

// insideName is a name in the dictionary of a type, as projections.OrderCode has it.
type insideName struct {
	dictionary int64
	name       string
}

// contained adds to an access that follows references the versions that contain what is described. Plain clauses are more forms of it.
func (x scope) contained(t *projections.Target, a *access, depth int) error {
	if len(x.names) == 0 {
		return nil
	}
	dictionary := x.of(x.ledger, roleInside)
	for _, name := range t.Insides() {
		clauses, possible := t.In(name)
		if !possible || !x.names[insideName{dictionary, projections.OrderCode(name)}] {
			continue
		}
		a.inner = true
		if c := &clauses[0]; len(clauses) == 1 && c.Modifier != projections.Not && c.Follow == nil && len(c.Any) == 0 {
			words := a.words
			if err := x.clause(c, a); err != nil {
				return err
			}
			a.words, a.aligned, a.dated = words, false, 0
			continue
		}
		g, err := x.group(clauses, depth+1)
		if err != nil {
			return err
		}
		a.choice = append(a.choice, g)
	}
	return nil
}
