package clause

import (
	"binnacle/projections"
	"binnacle/projections/index/sql"
)

// What versions contain has terms under names of its own (see projections.Inside): they are rows like those of other
// parameters. Each name that versions of a type have ever had has a mark in the dictionary of codings, and a chain
// asks of marked names alone. Whether there is any mark is read together with the snapshot.

// InsideMarks are the marks of names of contained resources that chains of the query ask for: of each step of a chain
// the first name. With further they are those of all names that a step may look into.
func (x *Resolver) InsideMarks(further bool) []int64 {
	var marks []int64
	var look func(resourceType string, clauses []projections.Clause)
	look = func(resourceType string, clauses []projections.Clause) {
		for i := range clauses {
			c := &clauses[i]
			look(resourceType, c.Any)
			if c.Follow == nil {
				continue
			}
			for j := range c.Follow.Targets {
				t := &c.Follow.Targets[j]
				look(t.Type, t.Clauses)
				if t.Inside == "" || c.Follow.Reverse {
					continue
				}
				ledger := x.LedgerOf(x.Wanted.Tenant, resourceType)
				if !further {
					marks = append(marks, x.InsideMark(ledger, t.Inside))
					continue
				}
				for _, name := range t.Insides() {
					marks = append(marks, x.InsideMark(ledger, name))
					if inside, possible := t.In(name); possible {
						look(resourceType, inside)
					}
				}
			}
		}
	}
	look(x.Wanted.Type, x.Wanted.Clauses)
	return distinct(marks)
}

// ReadInside reads which of the names there are that chains of the query ask for.
func (x *Resolver) ReadInside() error {
	marks := x.InsideMarks(true)
	if len(marks) == 0 {
		return nil
	}
	x.names = map[int64]bool{}
	s := x.Statement()
	return x.Query(s, "select d.param from "+s.Table("coding")+" d where d.param "+s.In(marks),
		func(scan func(...any) error) error {
			mark := int64(0)
			err := scan(&mark)
			x.names[mark] = true
			return err
		})
}

// contained adds to an access that follows references the versions that contain what is described. Plain clauses are
// more forms of it.
func (x scope) contained(t *projections.Target, a *Access, depth int) error {
	if len(x.names) == 0 {
		return nil
	}
	for _, name := range t.Insides() {
		clauses, possible := t.In(name)
		if !possible || !x.names[x.InsideMark(x.ledger, name)] {
			continue
		}
		a.inner = true
		if c := &clauses[0]; len(clauses) == 1 && c.Modifier != projections.Not && c.Follow == nil && len(c.Any) == 0 {
			words := a.Words
			if err := x.clause(c, a); err != nil {
				return err
			}
			a.Words, a.Aligned, a.Dated = words, false, 0
			continue
		}
		g, err := x.group(clauses, depth+1)
		if err != nil {
			return err
		}
		a.Choice = append(a.Choice, g)
	}
	return nil
}

// AnyMark is 1 where there is one of the marks, else 0.
func AnyMark(s *sql.Statement, marks []int64) string {
	if len(marks) == 0 {
		return "0"
	}
	return "case when exists (select 1 from " + s.Table("coding") + " d where d.param " + s.In(marks) +
		") then 1 else 0 end"
}
