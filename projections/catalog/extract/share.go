package extract

import (
	"cmp"
	"slices"
	"strings"

	"binnacle/projections"
)

// Many parameters repeat others: patient is subject where it is a Patient; combo-code is code and component-code
// together. A parameter whose terms always are those of others shares them (see [projections.Share]), and an index
// keeps them once. The compiled expressions tell which parameters these are, so it is the same for the same
// definitions.

// sourceNode is where terms of a parameter come from: a node of the type's tree, which other parameters with the same
// path share.
type sourceNode struct {
	at        *node  // has the output
	of        *node  // is selected before the target's type is asked for
	target    string // of a branch that ends with where(resolve() is T); else ""
	composite string // what the components of a composite are made of
}

// origin is the part of a source node that is equal whenever the terms are equal.
type origin struct {
	of                *node
	target, composite string
}

func (s sourceNode) origin() origin { return origin{s.of, s.target, s.composite} }

// describe writes down what a composite's terms depend on, apart from the focus.
func (c *composite) describe() string {
	var text strings.Builder
	for _, part := range c.infos {
		text.WriteString(part.Kind.String() + "\x00" + part.Expression + "\x00")
	}
	return text.String()
}

// share finds which parameters of a type share the terms of others, and tells their outputs.
func (t *Type) share() {
	params := slices.Clone(t.Sorted)
	params = slices.DeleteFunc(params, func(p *Param) bool { return p.alone || len(p.selections) == 0 })
	slices.SortStableFunc(params, func(a, b *Param) int { return cmp.Compare(len(a.origins()), len(b.origins())) })
	for i, p := range params {
		p.Shares = p.sharesOf(params[:i])
	}
	for _, p := range params { // after those with other numbers of paths: what it restricts may have more
		if p.Shares == nil && p.Kind == projections.Reference {
			p.Shares = p.restricts(params)
		}
	}
	for _, p := range params {
		if p.Shares == nil {
			continue
		}
		for _, s := range p.selections {
			for i := range s.at.outputs {
				if o := &s.at.outputs[i]; o.param == p.Code {
					o.shared, o.sharedTypes = true, p.Shares[0].Types
				}
			}
		}
	}
}

// origins are those of the parameter's sources, each once.
func (p *Param) origins() []origin {
	var all []origin
	for _, s := range p.selections {
		if !slices.Contains(all, s.origin()) {
			all = append(all, s.origin())
		}
	}
	return all
}

// sharesOf finds parameters of the same kind whose terms together are those of p. It is one parameter, or several of a
// kind whose values need not be in one place to be sorted.
func (p *Param) sharesOf(others []*Param) []projections.Share {
	left := p.origins()
	var shares []projections.Share
	several := p.Kind == projections.Token || p.Kind == projections.Quantity || p.Kind == projections.Composite ||
		p.Kind == projections.Number
	for _, q := range slices.Backward(others) { // those with many paths first
		if q.Kind != p.Kind || q.Shares != nil {
			continue
		}
		own := q.origins()
		if slices.ContainsFunc(own, func(o origin) bool { return !slices.Contains(p.origins(), o) }) ||
			!several && len(own) < len(left) {
			continue
		}
		rest := slices.DeleteFunc(slices.Clone(left), func(o origin) bool { return slices.Contains(own, o) })
		if len(rest) < len(left) {
			left, shares = rest, append(shares, projections.Share{Param: q.Code})
		}
		if len(left) == 0 {
			return shares
		}
	}
	return nil
}

// restricts finds a reference parameter of which p has the references to some types.
func (p *Param) restricts(others []*Param) []projections.Share {
	var paths []*node
	targets := map[*node][]string{}
	for _, o := range p.origins() {
		if o.target == "" || o.of.at.Datatype != "Reference" {
			return nil
		}
		if targets[o.of] == nil {
			paths = append(paths, o.of)
		}
		targets[o.of] = union(targets[o.of], []string{o.target})
	}
	for _, path := range paths {
		if !slices.Equal(targets[path], targets[paths[0]]) {
			return nil
		}
	}
	for _, q := range others {
		own := q.origins()
		same := q.Kind == p.Kind && q.Shares == nil && len(own) == len(paths)
		for _, o := range own {
			same = same && o.target == "" && slices.Contains(paths, o.of)
		}
		if same {
			return []projections.Share{{Param: q.Code, Types: targets[paths[0]]}}
		}
	}
	return nil
}
