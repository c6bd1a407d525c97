package projectionstest

import (
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"

	"binnacle/projections"
)

// maker makes random terms and queries from small pools, so that values meet.
type maker struct{ *rand.Rand }

func pick[T any](m maker, from ...T) T { return from[m.IntN(len(from))] }

func (m maker) code() string {
	return pick(m, "a", "b", "c", "final", "Final", "", "85354-9", "a|b", strings.Repeat("long", 60)+pick(m, "1", "2"),
		"é", "\x00x", "z")
}

func (m maker) system() string {
	return pick(m, "", "", "http://loinc.org", "http://snomed.info/sct", "urn:oid:1.2", strings.Repeat("s", 200))
}

func (m maker) text() string {
	return pick(m, "Anna", "anna ", "Ánna", "ANNABEL", "Bea", "", "Müller", "muller", "Straße", "a\x00b", "\xff\xfe",
		"日本", "Nora"+strings.Repeat("h", 130), "nora"+strings.Repeat("H", 130)+"x", "%_'\"\\")
}

func (m maker) uri() string {
	return pick(m, "http://a.org", "http://a.org/", "http://a.org/x", "http://a.org/x/y", "http://a.orgx", "urn:uuid:1",
		"", "http://a.org/"+strings.Repeat("x", 150), "http://a.org/"+strings.Repeat("x", 150)+"/y")
}

func (m maker) target() (system, code string) {
	switch m.IntN(5) {
	case 0:
		return "", pick(m, "http://far.org/Patient/1", "urn:uuid:7")
	case 1:
		return pick(m, "", "1.0", "2.0"), "http://far.org/Library/1"
	}
	return pick(m, "Patient", "Patient", "Observation", "Organization", "Group", ""),
		pick(m, "1", "2", "3", fmt.Sprint(m.IntN(20)))
}

// dates are few days around 2020, with ranges from an instant to years.
func (m maker) dates() (start, end int64) {
	start = day(2020, 1, 1) + int64(m.IntN(40)-20)*aDay/2
	switch m.IntN(8) {
	case 0:
		return start, start + 1_000
	case 1:
		return start, start + aDay
	case 2:
		return start, start + aDay + 1
	case 3:
		return start, start + int64(1+m.IntN(900))*aDay
	case 4:
		return projections.MinTime, start
	case 5:
		return start, projections.MaxTime
	}
	return start, start + int64(m.IntN(5))*aDay/4
}

func (m maker) numbers() (low, high float64) {
	low = pick(m, -1.5, 0, math.Copysign(0, -1), 1, 2, 2.5, 99.5, 100, 1e300, -1e-300, 5.4)
	switch m.IntN(6) {
	case 0:
		return low, low + 3
	case 1:
		return low, math.Inf(1)
	case 2:
		return math.Inf(-1), low
	}
	return low, low
}

func (m maker) unit() (system, code, printed string) {
	return pick(m, "", "http://unitsofmeasure.org"), pick(m, "", "mg", "g", "kg"), pick(m, "", "mg", "milligram", "g")
}

// kinds are the parameters that the random versions have.
var kinds = map[string]projections.Kind{
	"status": projections.Token, "code": projections.Token, "subject": projections.Reference,
	"name": projections.String, "url": projections.URI,
	"date": projections.Date, "period": projections.Date, "born": projections.Date, "begun": projections.Date,
	"probability": projections.Number, "value-quantity": projections.Quantity,
	"focus": projections.Reference, "code-quantity": projections.Composite, "code-concept": projections.Composite,
	"code-date": projections.Composite,
	"phonetic":  projections.String, "when": projections.Date, "combo-code": projections.Token,
	"combo-quantity": projections.Quantity,
	"other-quantity": projections.Quantity, "combo-code-quantity": projections.Composite,
	"patient": projections.Reference,
	"related": projections.Composite, "code-string": projections.Composite, "variant": projections.Composite,
}

// shares are the parameters that repeat others, as the catalog tells them: whole ones, the union of two, and what
// refers to a Patient.
var shares = map[string][]projections.Share{
	"phonetic": {{Param: "name"}}, "when": {{Param: "date"}}, "combo-code": {{Param: "status"}, {Param: "code"}},
	"combo-quantity":      {{Param: "value-quantity"}, {Param: "other-quantity"}},
	"combo-code-quantity": {{Param: "code-quantity"}}, "patient": {{Param: "subject", Types: []string{"Patient"}}},
}

// repeated adds the terms of the parameters that repeat those of others.
func repeated(terms []projections.Term) []projections.Term {
	for _, t := range terms {
		for _, param := range slices.Sorted(maps.Keys(shares)) {
			for _, share := range shares[param] {
				patient := t.Kind == projections.Reference && t.System == "Patient" && !t.Identifier
				if t.Param != share.Param || share.Types != nil && !patient && !t.Identifier {
					continue
				}
				same := t
				same.Param, same.Shared = param, share.Types == nil || patient
				terms = append(terms, same)
			}
		}
	}
	return terms
}

// components are the kinds of what the composite parameters consist of.
var components = map[string][]projections.Kind{
	"code-quantity":       {projections.Token, projections.Quantity},
	"combo-code-quantity": {projections.Token, projections.Quantity},
	"code-concept":        {projections.Token, projections.Token}, "code-date": {projections.Token, projections.Date},
	"related": {projections.Reference, projections.Token}, "code-string": {projections.Token, projections.String},
	"variant": {projections.Token, projections.Number, projections.Number},
}

func (m maker) term(param string) projections.Term {
	t := m.termOf(kinds[param])
	if param == "status" {
		t.System, t.Code = "s", pick(m, "final", "draft")
	}
	for _, kind := range components[param] {
		part := m.termOf(kind)
		if kind == projections.Token && m.IntN(3) > 0 {
			part.System, part.Code = "s", pick(m, "final", "draft")
		}
		t.Parts = append(t.Parts, part)
	}
	t.Param = param
	return t
}

func (m maker) termOf(kind projections.Kind) projections.Term {
	t := projections.Term{Kind: kind}
	switch t.Kind {
	case projections.Token:
		t.System, t.Code = m.system(), m.code()
	case projections.Reference:
		t.System, t.Code = m.target()
		if m.IntN(5) == 0 {
			t.Identifier, t.System, t.Code = true, m.system(), pick(m, "1", "mrn", "http://far.org/Patient/1")
		}
	case projections.String:
		t.Text = m.text()
	case projections.URI:
		t.Text = m.uri()
	case projections.Date:
		t.Start, t.End = m.dates()
	case projections.Number:
		t.Low, t.High = m.numbers()
	case projections.Quantity:
		t.Low, t.High = m.numbers()
		t.System, t.Code, t.Text = m.unit()
	}
	return t
}

// terms are those of one version, and of what it contains, and its main date: that of "date", which is a single day
// then, unless wild.
func (m maker) terms(wild bool) (terms []projections.Term, main int64) {
	terms, main = m.ownTerms(wild)
	return append(terms, m.inside()...), main
}

func (m maker) ownTerms(wild bool) (terms []projections.Term, main int64) {
	main = projections.MinTime
	for _, param := range []string{"status", "code", "subject", "name", "url", "date", "period", "probability",
		"value-quantity",
		"focus", "code-quantity", "code-concept", "code-date", "related", "code-string", "variant", "other-quantity"} {
		if param == "date" && !wild {
			if m.IntN(4) > 0 {
				main = day(2020, 1, 1) + int64(m.IntN(30))*aDay
				terms = append(terms, projections.Term{Param: param, Kind: projections.Date, Start: main,
					End: main + pick(m, aDay, 1_000)})
			}
			continue
		}
		for range pick(m, 0, 1, 1, 2, 3) {
			terms = append(terms, m.term(param))
		}
	}
	if wild && m.IntN(3) > 0 {
		main = day(2020, 1, 1) + int64(m.IntN(10))*aDay
	}
	terms = repeated(terms)
	m.Shuffle(len(terms), func(i, j int) { terms[i], terms[j] = terms[j], terms[i] })
	return terms, main
}

// begun are terms whose earliest start is the main date, however long they are.
func (m maker) begun(main int64) (terms []projections.Term) {
	for start := main; m.IntN(3) > 0; start += int64(m.IntN(5)) * aDay {
		terms = append(terms, projections.Term{Param: "begun", Kind: projections.Date, Start: start,
			End: max(start, main+aDay) + pick(m, aDay, 1_000, 20*aDay)})
	}
	return terms
}

// insideName is what is contained and referred to by a parameter.
func (m maker) insideName(param, resourceType string) string {
	if param == "patient" && resourceType == "Patient" {
		param = shares[param][0].Param
	}
	return projections.Inside(param, resourceType)
}

// inside are the terms of what a version contains: seldom anything, at times several of a name, which may refer to each
// other and to other resources.
func (m maker) inside() (terms []projections.Term) {
	if m.IntN(3) > 0 {
		return nil
	}
	name := ""
	for m.IntN(3) > 0 && len(terms) < 100 {
		next := m.insideName(pick(m, "subject", "subject", "focus", "patient"),
			pick(m, "Patient", "Patient", "Observation", "Organization"))
		if name != "" && m.IntN(2) == 0 {
			next = projections.InsideParam(name, next)
		}
		name = next
		several := pick(m, 1, 1, 2, 3)
		for n := range several {
			one := []projections.Term{{Param: projections.ParamID, Kind: projections.Token, Code: fmt.Sprint(n)}}
			for m.IntN(4) > 0 {
				one = append(one, m.term(pick(m, "status", "code", "subject", "name", "url", "date", "period", "born",
					"probability", "value-quantity", "focus", "code-quantity", "code-string")))
			}
			names := []string{name}
			if several > 1 {
				names = append(names, projections.InsideOne(name, n+1))
			}
			for _, t := range repeated(one) {
				for _, name := range names {
					inside := t
					inside.Param = projections.InsideParam(name, t.Param)
					terms = append(terms, inside)
				}
			}
		}
	}
	return terms
}
