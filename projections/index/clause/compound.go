package clause

import (
	"binnacle/events"
	"binnacle/projections"
	"binnacle/projections/index/keys"
	"binnacle/projections/index/sql"
)

// compositeValue finds the rows of a composite value. Its components stand for one or several keys each, some of
// which only the dictionaries tell, so the rest is worked out when the look-ups have run.
func (x scope) compositeValue(param int64, c *projections.Clause, v projections.Value, a *Access) error {
	if len(v.Parts) != len(c.Components) || len(v.Parts) < 2 {
		return events.Errorf(events.Invalid, searching, "a value of %s has %d components in place of %d", c.Param,
			len(v.Parts), len(c.Components))
	}
	base := x.CompositeOf(param, c.Components)
	p := &compound{scope: x, access: a, base: base, value: v, kinds: c.Components,
		alternatives: make([][]int64, len(v.Parts))}
	left := 0
	for i, kind := range c.Components {
		add := func(key int64) { p.alternatives[i] = append(p.alternatives[i], key) }
		part, one := x.Part(param, i), v.Parts[i]
		switch kind {
		case projections.Token:
			x.tokenValue(part, one, a.Words, add, nil)
			continue
		case projections.Reference:
			if one.AnyCode {
				return needsTarget(c.Param)
			}
			x.targets(part, one, add, func(target, id string) { add(x.Value(part, keys.RoleValue, target, id)) })
			continue
		case projections.Quantity:
			x.quantityValue(part, one, a.Words, add)
		case projections.String, projections.URI, projections.Date, projections.Number:
		default:
			return events.Errorf(events.Unsupported, searching,
				"the parameter %s has a component of kind %s, which the index does not answer", c.Param, kind)
		}
		p.units = append(p.units, part)
		left++
	}
	if left > 1 {
		x.lookups = append(x.lookups, lookup{
			sql: func(s *sql.Statement) string {
				return "select d.key, " + s.NoBytes() + ", 0 from " + s.Table("coding") + " d where d.param = " +
					s.Arg(x.Of(base, keys.RoleSlot))
			},
			take: func(slot int64, _ string, _ int64) { p.slots = append(p.slots, int(slot)) },
		})
	}
	x.after = append(x.after, p.finish)
	return nil
}

// compound is a composite value whose look-ups are under way.
type compound struct {
	scope
	access       *Access
	base         int64
	value        projections.Value
	kinds        []projections.Kind
	alternatives [][]int64 // by component: the keys of tokens and references, the units of quantities
	units        []int64   // of the components that are left: the keys that stand for any unit
	slots        []int     // that versions have values in
}

// finish adds the rows to the access.
func (p *compound) finish() error {
	combined := []int64{p.base}
	var left []int
	for i, kind := range p.kinds {
		if !keys.IsEquality(kind) {
			left = append(left, i)
			continue
		}
		if len(combined)*len(p.alternatives[i]) > maxAlternatives {
			return events.Errorf(events.TooCostly, searching,
				"the components of %s stand for more than %d pairs of codes; name the systems", p.access.Words,
				maxAlternatives)
		}
		var next []int64
		for _, key := range combined {
			for _, part := range p.alternatives[i] {
				next = append(next, p.With(key, part))
			}
		}
		combined = next
	}
	for _, key := range combined {
		switch {
		case len(left) == 0:
			p.access.AddKey(key)
		case len(left) == 1:
			p.left(left[0], p.units[0], key, p.access)
		case len(p.slots) > keys.Slots:
			return events.Errorf(events.TooCostly, searching,
				"some resource has more than %d values of %s, too many to be told apart", keys.Slots, p.access.Words)
		default:
			for _, slot := range p.slots {
				whole := p.newGroup()
				for n, at := range left {
					one := New(p.access.Words)
					p.left(at, p.units[n], p.Slot(key, at, slot), one)
					whole.Accesses = append(whole.Accesses, one)
				}
				p.access.Choice = append(p.access.Choice, whole)
			}
		}
	}
	return nil
}

// left adds the stretches of a component that is compared, under the key of what it belongs to.
func (p *compound) left(at int, anyUnit, key int64, a *Access) {
	v := p.value.Parts[at]
	switch p.kinds[at] {
	case projections.String:
		if !projections.IsBlank(v.Text) {
			a.Texts = append(a.Texts, TextScan{Key: p.Of(key, keys.RoleText), Form: TextBegins,
				Text: projections.Fold(v.Text)})
		}
	case projections.URI:
		a.Texts = append(a.Texts, TextScan{Key: p.Of(key, keys.RoleText), Form: textIs, Text: v.Text})
	case projections.Date:
		a.Scans = appendScans(a.Scans, dateScans(&p.Hasher, key, v))
	case projections.Number:
		a.Scans = appendScans(a.Scans, numberScans(&p.Hasher, key, v))
	case projections.Quantity:
		for _, unit := range p.alternatives[at] {
			if unit == anyUnit {
				a.Scans = appendScans(a.Scans, numberScans(&p.Hasher, key, v))
			} else {
				a.Scans = appendScans(a.Scans, quantityScans(&p.Hasher, key, p.With(key, unit), unit, v))
			}
		}
	}
}
