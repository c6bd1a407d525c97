package clause

import (
	"fmt"

	"binnacle/events"
	"binnacle/projections"
	"binnacle/projections/index/keys"
	"binnacle/projections/index/sql"
)

// codings looks up the keys of the codings in a dictionary that have this code, or this system, or both. When a
// system has too many of them, wide is told; a nil wide refuses the search.
func (x *Resolver) codings(dictionary int64, code, system *string, words string, use func(key int64),
	wide func(wideCode)) {
	found := 0
	x.lookups = append(x.lookups, lookup{
		sql: func(s *sql.Statement) string {
			sql := "select d.key, " + s.NoBytes() + ", 0 from " + s.Table("coding") + " d where d.param = " +
				s.Arg(dictionary)
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
func (x *Resolver) tokenValue(param int64, v projections.Value, words string, add func(key int64),
	wide func(wideCode)) {
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
		a.AddKeyOn(keys.Refer(x.KeptFor(x.ledger, c.Param, c.Shares, target),
			x.Resource(x.LedgerOf(x.Wanted.Tenant, target), id)), x.RefersOnRow(target))
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
				return "select 0, d.system, 0 from " + s.Table("coding") + " d where d.param = " + s.Arg(param) +
					" and d.code = " + s.NoBytes() +
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
