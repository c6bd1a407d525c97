package projections

import (
	"slices"
	"strconv"
	"strings"
)

// A chain looks into contained resources, too (FHIR R4 search, "Contained Resources": a chained condition will be
// evaluated inside contained resources). These are no versions: what they say is said by the version that contains
// them, and their terms are among its terms. The Param of such a term is a name, a dot and the code that the contained
// resource's type knows: "medication:Medication.code". The name tells how references lead there from the version,
// step by step: "result:Observation.subject:Patient". Every contained resource has a term of "_id".
//
// A name stands for all contained resources together that the references lead to. Where they are several, each of the
// first [InsideMost] also has a name of its own. Its terms are those that [Not] and [Missing] ask for: references,
// tokens, and which parameters there are.

// InsideMost is how many of several contained resources at the end of the same references are told apart.
const InsideMost = 16

// Inside names the resources of a type that a version contains and refers to by a parameter.
func Inside(param, resourceType string) string { return param + ":" + resourceType }

// InsideOne names one of several of a name, counted from 1.
func InsideOne(name string, n int) string { return name + "#" + strconv.Itoa(n) }

// InsideParam is what a parameter of contained resources, or another name from there on, is called by the version
// that contains them.
func InsideParam(name, code string) string { return name + "." + code }

// InsideOf is the name of contained resources, as the parameter says by which every one of them has a term; false for
// any other parameter.
func InsideOf(param string) (name string, marks bool) { return strings.CutSuffix(param, "."+ParamID) }

// Insides are the names under which a chain looks for the target among what the version contains.
func (t *Target) Insides() []string {
	switch {
	case t.Inside == "":
		return nil
	case !t.Each:
		return []string{t.Inside}
	}
	names := []string{t.Inside}
	for n := range InsideMost {
		names = append(names, InsideOne(t.Inside, n+1))
	}
	return names
}

// In are the clauses about a version that say of the contained resources of a name what the target's clauses say of a
// resource; false where these find none that is contained: nothing refers to it from elsewhere.
func (t *Target) In(name string) (clauses []Clause, possible bool) {
	sure := false // that some term is asked for
	for i := range t.Clauses {
		c, possible := t.Clauses[i].in(name)
		if !possible {
			return nil, false
		}
		clauses = append(clauses, c)
		sure = sure || t.Clauses[i].asksForTerm()
	}
	if !sure {
		there := Clause{Param: InsideParam(name, ParamID), Kind: Token, Modifier: Missing}
		clauses = append([]Clause{there}, clauses...)
	}
	return clauses, true
}

// in is the clause about the contained resources of a name.
func (c Clause) in(name string) (inside Clause, possible bool) {
	// an id inside is a name in its container alone: whoever asks for one means a resource of the server
	if c.Param == ParamID {
		return c, false
	}
	c.Param, c.Shares = InsideParam(name, c.Param), sharesIn(name, c.Shares)
	switch {
	case len(c.Any) > 0:
		var any []Clause
		for _, one := range c.Any {
			if one, possible := one.in(name); possible {
				any = append(any, one)
			}
		}
		c.Any = any
		return c, len(any) > 0
	case c.Follow == nil:
		return c, true
	case c.Follow.Reverse:
		return c, false
	}
	follow := Follow{Targets: slices.Clone(c.Follow.Targets)}
	for i := range follow.Targets {
		t := &follow.Targets[i]
		t.Shares = sharesIn(name, t.Shares)
		if t.Inside != "" {
			t.Inside = InsideParam(name, t.Inside)
		}
	}
	c.Follow = &follow
	return c, true
}

func sharesIn(name string, shares []Share) []Share {
	inside := slices.Clone(shares)
	for i := range inside {
		inside[i].Param = InsideParam(name, inside[i].Param)
	}
	return inside
}

// asksForTerm tells whether the clause holds for nobody who has no term at all.
func (c *Clause) asksForTerm() bool {
	if len(c.Any) > 0 {
		return !slices.ContainsFunc(c.Any, func(one Clause) bool { return !one.asksForTerm() })
	}
	return c.Follow != nil || c.Modifier != Not && (c.Modifier != Missing || !c.Missing)
}
