package projectionstest

import (
	"slices"
	"strings"
	"testing"
	"time"

	"binnacle/projections"
)

// ids searches for one clause and returns the ids found, sorted, as one string. The model has to agree.
func (w *world) ids(c projections.Clause) string {
	w.t.Helper()
	q := projections.Query{Tenant: "main", Type: "Observation", Limit: 1000, Clauses: []projections.Clause{c}}
	w.check(q)
	var list []string
	for _, v := range w.search(q).Versions {
		list = append(list, v.ID)
	}
	slices.Sort(list)
	return strings.Join(list, " ")
}

func (w *world) observation(id string, terms ...projections.Term) {
	w.put(key("Observation", id), projections.MinTime, terms...)
}

func (w *world) expectIDs(c projections.Clause, want string) {
	w.t.Helper()
	if got := w.ids(c); got != want {
		w.t.Errorf("%+v found %q, want %q", c, got, want)
	}
}

func dateTerm(start, end int64) projections.Term {
	return projections.Term{Param: "date", Kind: projections.Date, Start: start, End: end}
}

func datePrefixes(t *testing.T, g projections.Generations) {
	w := newWorld(t, g.Live(), 0)
	noon := day(2013, 1, 14) + aDay/2
	w.observation("before", dateTerm(day(2013, 1, 13), day(2013, 1, 14)))
	w.observation("day", dateTerm(day(2013, 1, 14), day(2013, 1, 15)))
	w.observation("noon", dateTerm(noon, noon+1_000))
	w.observation("after", dateTerm(day(2013, 1, 15), day(2013, 1, 16)))
	w.observation("year", dateTerm(day(2013, 1, 1), day(2014, 1, 1)))
	w.observation("since", dateTerm(noon, projections.MaxTime))
	w.observation("until", dateTerm(projections.MinTime, noon))
	w.observation("two", dateTerm(day(2012, 1, 1), day(2012, 1, 2)), dateTerm(day(2014, 1, 1), day(2014, 1, 2)))
	w.observation("none")
	w.commit()
	for prefix, want := range map[projections.Prefix]string{
		projections.Eq: "day noon",
		projections.Ne: "after before since two until year",
		projections.Gt: "after since two year",
		projections.Lt: "before two until year",
		projections.Ge: "after day noon since two year",
		projections.Le: "before day noon two until year",
		projections.Sa: "after two",
		projections.Eb: "before two",
		projections.Ap: "day noon since until year",
	} {
		w.expectIDs(projections.Clause{Param: "date", Kind: projections.Date,
			Values: []projections.Value{{Prefix: prefix, Start: day(2013, 1, 14), End: day(2013, 1, 15)}}}, want)
	}
	w.expectIDs(projections.Clause{Param: "date", Kind: projections.Date,
		Values: []projections.Value{{Start: day(2013, 1, 1), End: day(2014, 1, 1)}}}, "after before day noon year")
	w.expectIDs(projections.Clause{Param: "date", Kind: projections.Date,
		Values: []projections.Value{{Prefix: projections.Lt, Start: day(2013, 1, 1), End: day(2013, 1, 2)},
			{Prefix: projections.Sa, Start: day(2013, 12, 31), End: day(2014, 1, 1)}}}, "two until")
}

func numberPrefixes(t *testing.T, g projections.Generations) {
	w := newWorld(t, g.Live(), 0)
	for id, v := range map[string]float64{"minus": -2.5, "zero": 0, "low": 99.4, "hundred": 100, "edge": 100.5,
		"high": 100.6} {
		w.observation(id, projections.Term{Param: "probability", Kind: projections.Number, Low: v, High: v})
	}
	w.observation("range", projections.Term{Param: "probability", Kind: projections.Number, Low: 100.2, High: 300})
	w.commit()
	for _, c := range []struct {
		v    projections.Value
		want string
	}{
		{projections.Value{Low: 99.5, High: 100.5}, "edge hundred"},
		{projections.Value{Prefix: projections.Ne, Low: 99.5, High: 100.5}, "high low minus range zero"},
		{projections.Value{Prefix: projections.Gt, Low: 100, High: 100}, "edge high range"},
		{projections.Value{Prefix: projections.Ge, Low: 100, High: 100}, "edge high hundred range"},
		{projections.Value{Prefix: projections.Lt, Low: 0, High: 0}, "minus"},
		{projections.Value{Prefix: projections.Le, Low: 0, High: 0}, "minus zero"},
		{projections.Value{Prefix: projections.Sa, Low: 100, High: 100}, "edge high range"},
		{projections.Value{Prefix: projections.Eb, Low: 100.5, High: 100.5}, "hundred low minus zero"},
		{projections.Value{Prefix: projections.Ap, Low: 90, High: 110}, "edge high hundred low range"},
		{projections.Value{Low: -1e-320, High: 1e-320}, "zero"},
	} {
		w.expectIDs(projections.Clause{Param: "probability", Kind: projections.Number,
			Values: []projections.Value{c.v}}, c.want)
	}
}

func stringModifiers(t *testing.T, g projections.Generations) {
	w := newWorld(t, g.Live(), 0)
	for id, text := range map[string]string{"1": "Müller", "2": "mueller", "3": "MULLER-Lüdenscheidt",
		"4": " von Muller ", "5": "a\x00b", "6": "Ångström", "7": " "} {
		w.observation(id, projections.Term{Param: "name", Kind: projections.String, Text: text})
	}
	w.commit()
	for _, c := range []struct {
		modifier   projections.Modifier
		text, want string
	}{
		{projections.NoModifier, "mul", "1 3"},
		{projections.NoModifier, "MÜLLER", "1 3"},
		{projections.NoModifier, " Mue ", "2"},
		{projections.NoModifier, "von", "4"},
		{projections.NoModifier, "ang", "6"},
		{projections.NoModifier, "A\x00", "5"},
		{projections.NoModifier, "b", ""},
		{projections.NoModifier, "", ""},
		{projections.NoModifier, " \t", ""},
		{projections.NoModifier, "\u0301", ""},
		{projections.NoModifier, " \u0301 \u0308", ""},
		{projections.Contains, "", ""},
		{projections.Contains, "\u00a0\u0301", ""},
		{projections.Exact, " ", ""},
		{projections.Contains, "muller", "1 3 4"},
		{projections.Contains, "luden", "3"},
		{projections.Contains, "\x00b", "5"},
		{projections.Contains, "%", ""},
		{projections.Exact, "Müller", "1"},
		{projections.Exact, "Muller", ""},
		{projections.Exact, " von Muller ", "4"},
		{projections.Exact, "von Muller", ""},
	} {
		w.expectIDs(projections.Clause{Param: "name", Kind: projections.String, Modifier: c.modifier,
			Values: []projections.Value{{Text: c.text}}}, c.want)
	}
}

func uriModifiers(t *testing.T, g projections.Generations) {
	w := newWorld(t, g.Live(), 0)
	for id, uri := range map[string]string{"1": "http://acme.org/fhir", "2": "http://acme.org/fhir/ValueSet/123",
		"3": "http://acme.org/fhirs", "4": "urn:oid:1.2.3", "5": "http://acme.org/", "6": "http://v|1",
		"7": "http://v|1.2.3", "8": "http://v|10"} {
		w.observation(id, projections.Term{Param: "url", Kind: projections.URI, Text: uri})
	}
	w.commit()
	for _, c := range []struct {
		modifier  projections.Modifier
		uri, want string
	}{
		{projections.NoModifier, "http://acme.org/fhir", "1"},
		{projections.NoModifier, "HTTP://acme.org/fhir", ""},
		{projections.Below, "http://acme.org/fhir", "1 2"},
		{projections.Below, "http://acme.org/fhir/", "2"},
		{projections.Below, "http://acme.org/", "1 2 3 5"},
		{projections.Above, "http://acme.org/fhir/ValueSet/123/_history/5", "1 2 5"},
		{projections.Above, "http://acme.org/fhirs", "3 5"},
		{projections.Above, "urn:oid:1.2.3", "4"},
		{projections.NoModifier, "http://v|1", "6"},
		{projections.Below, "http://v|1", "6 7"},
		{projections.Below, "http://v|1.2", "7"},
		{projections.Below, "http://v|2", ""},
		{projections.Above, "http://v|1.2.3", "6 7"},
		{projections.Above, "http://v|1.2", "6"},
	} {
		w.expectIDs(projections.Clause{Param: "url", Kind: projections.URI, Modifier: c.modifier,
			Values: []projections.Value{{Text: c.uri}}}, c.want)
	}
}

func tokenForms(t *testing.T, g projections.Generations) {
	w := newWorld(t, g.Live(), 0)
	token := func(system, code string) projections.Term {
		return projections.Term{Param: "code", Kind: projections.Token, System: system, Code: code, Text: "shown"}
	}
	w.observation("1", token("s1", "a"))
	w.observation("2", token("s2", "a"), token("s1", "b"))
	w.observation("3", token("", "a"))
	w.observation("4", token("", ""), projections.Term{Param: "other", Kind: projections.Token, System: "s1",
		Code: "a"})
	w.observation("5")
	w.commit()
	for _, c := range []struct {
		v    projections.Value
		want string
	}{
		{projections.Value{System: "s1", Code: "a"}, "1"},
		{projections.Value{Code: "a"}, "3"},
		{projections.Value{AnySystem: true, Code: "a"}, "1 2 3"},
		{projections.Value{AnySystem: true, Code: "A"}, ""},
		{projections.Value{System: "s1", AnyCode: true}, "1 2"},
		{projections.Value{System: "", AnyCode: true}, "3 4"},
		{projections.Value{AnySystem: true, AnyCode: true}, "1 2 3 4"},
		{projections.Value{System: "never", AnyCode: true}, ""},
	} {
		w.expectIDs(projections.Clause{Param: "code", Kind: projections.Token, Values: []projections.Value{c.v}},
			c.want)
	}
	w.expectIDs(projections.Clause{Param: "code", Kind: projections.Token,
		Values: []projections.Value{{System: "s2", Code: "a"}, {AnySystem: true, Code: "never"}, {Code: "a"}}}, "2 3")
}

func referenceForms(t *testing.T, g projections.Generations) {
	w := newWorld(t, g.Live(), 0)
	reference := func(system, code string) projections.Term {
		return projections.Term{Param: "subject", Kind: projections.Reference, System: system, Code: code}
	}
	w.observation("1", reference("Patient", "7"))
	w.observation("2", reference("Group", "7"))
	w.observation("3", reference("", "http://far.org/Patient/7"))
	w.observation("4", reference("2.0", "http://far.org/Library/7"))
	w.observation("5", reference("", "http://far.org/Library/7"))
	w.observation("6", projections.Term{Param: "subject", Kind: projections.Reference, Identifier: true, System: "mrn",
		Code: "7"})
	w.observation("bare", projections.Term{Param: "subject", Kind: projections.Reference, Identifier: true,
		System: "bare"})
	w.commit()
	for _, c := range []struct {
		modifier projections.Modifier
		v        projections.Value
		want     string
	}{
		{projections.NoModifier, projections.Value{System: "Patient", Code: "7"}, "1"},
		{projections.NoModifier, projections.Value{AnySystem: true, Code: "7"}, "1 2"},
		{projections.NoModifier, projections.Value{AnySystem: true, Code: "8"}, ""},
		{projections.NoModifier, projections.Value{Code: "http://far.org/Patient/7"}, "3"},
		{projections.NoModifier, projections.Value{AnySystem: true, Code: "http://far.org/Patient/7"}, "3"},
		{projections.NoModifier, projections.Value{AnySystem: true, Code: "http://far.org/Library/7"}, "4 5"},
		{projections.NoModifier, projections.Value{System: "2.0", Code: "http://far.org/Library/7"}, "4"},
		{projections.NoModifier, projections.Value{Code: "http://far.org/Library/7"}, "5"},
		{projections.Not, projections.Value{AnySystem: true, Code: "7"}, "3 4 5 6 bare"},
		{projections.IdentifierModifier, projections.Value{System: "mrn", Code: "7"}, "6"},
		{projections.IdentifierModifier, projections.Value{AnySystem: true, Code: "7"}, "6"},
		{projections.IdentifierModifier, projections.Value{System: "mrn", AnyCode: true}, "6"},
		{projections.IdentifierModifier, projections.Value{System: "Patient", Code: "7"}, ""},
		{projections.IdentifierModifier, projections.Value{System: "bare", AnyCode: true}, "bare"},
		{projections.IdentifierModifier, projections.Value{System: "bare", Code: "7"}, ""},
	} {
		w.expectIDs(projections.Clause{Param: "subject", Kind: projections.Reference, Modifier: c.modifier,
			Values: []projections.Value{c.v}}, c.want)
	}
}

func quantityForms(t *testing.T, g projections.Generations) {
	w := newWorld(t, g.Live(), 0)
	const ucum = "http://unitsofmeasure.org"
	quantity := func(v float64, system, code, printed string) projections.Term {
		return projections.Term{Param: "value-quantity", Kind: projections.Quantity, Low: v, High: v, System: system,
			Code: code, Text: printed}
	}
	w.observation("1", quantity(5.4, ucum, "mg", "mg"))
	w.observation("2", quantity(5.4, ucum, "mg", "milligram"))
	w.observation("3", quantity(5.4, "", "", "mg"))
	w.observation("4", quantity(5.4, "http://other.org", "mg", ""))
	w.observation("5", quantity(5.4, ucum, "g", "g"))
	w.observation("6", quantity(7, ucum, "mg", "mg"))
	w.observation("7", quantity(5.4, "", "", ""))
	w.commit()
	for _, c := range []struct {
		v    projections.Value
		want string
	}{
		{projections.Value{AnySystem: true}, "1 2 3 4 5 7"},
		{projections.Value{AnySystem: true, Code: "mg"}, "1 2 3 4"},
		{projections.Value{AnySystem: true, Code: "milligram"}, "2"},
		{projections.Value{System: ucum, Code: "mg"}, "1 2"},
		{projections.Value{System: ucum, AnyCode: true}, "1 2 5"},
		{projections.Value{System: "", AnyCode: true}, "3 7"},
		{projections.Value{System: ucum, Code: "kg"}, ""},
	} {
		c.v.Low, c.v.High = 5.35, 5.45
		w.expectIDs(projections.Clause{Param: "value-quantity", Kind: projections.Quantity,
			Values: []projections.Value{c.v}}, c.want)
	}
	w.expectIDs(projections.Clause{Param: "value-quantity", Kind: projections.Quantity,
		Values: []projections.Value{{Prefix: projections.Gt, Low: 5.4, High: 5.4, AnySystem: true, Code: "mg"}}}, "6")
}

func missingAndNot(t *testing.T, g projections.Generations) {
	w := newWorld(t, g.Live(), 0)
	gender := func(code string) projections.Term {
		return projections.Term{Param: "gender", Kind: projections.Token, Code: code}
	}
	birthday := projections.Term{Param: "birthdate", Kind: projections.Date, Start: 5, End: 6}
	w.observation("1", gender("male"))
	w.observation("2", gender("female"), birthday)
	w.observation("3", birthday)
	w.observation("4")
	w.observation("5", projections.Term{Param: "birth", Kind: projections.String, Text: "x"},
		projections.Term{Param: "date", Kind: projections.Composite})
	valueless := func(param string) projections.Term {
		return projections.Term{Param: param, Kind: projections.Special}
	}
	w.observation("6", valueless("gender"), valueless("birthdate"), valueless("birth"))
	w.observation("7", valueless("gender"), gender("male"), birthday, valueless("birthdate"))
	w.commit()
	missing := func(param string, missing bool) projections.Clause {
		return projections.Clause{Param: param, Kind: projections.Token, Modifier: projections.Missing,
			Missing: missing}
	}
	not := func(codes ...string) projections.Clause {
		c := projections.Clause{Param: "gender", Kind: projections.Token, Modifier: projections.Not}
		for _, code := range codes {
			c.Values = append(c.Values, projections.Value{AnySystem: true, Code: code})
		}
		return c
	}
	for _, c := range []struct {
		clause projections.Clause
		want   string
	}{
		{missing("gender", true), "3 4 5"}, {missing("gender", false), "1 2 6 7"},
		{missing("birthdate", true), "1 4 5"}, {missing("never", true), "1 2 3 4 5 6 7"},
		{missing("never", false), ""}, {missing("birth", false), "5 6"}, {missing("date", false), "5"},
		{missing(projections.ParamID, true), ""},
		{missing(projections.ParamLastUpdated, false), "1 2 3 4 5 6 7"}, {not("male"), "2 3 4 5 6"},
		{not("male", "female"), "3 4 5 6"}, {not("never"), "1 2 3 4 5 6 7"},
	} {
		w.expectIDs(c.clause, c.want)
	}
	for _, sort := range []projections.SortKey{{Param: "gender", Kind: projections.Token},
		{Param: "birthdate", Kind: projections.Date, Descending: true}, {Param: "birth", Kind: projections.String}} {
		for limit := range 8 {
			w.check(projections.Query{Tenant: "main", Type: "Observation", Limit: 1 + limit,
				Sort: []projections.SortKey{sort, {Param: projections.ParamID, Kind: projections.Token}}})
			w.check(projections.Query{Tenant: "main", Type: "Observation", Limit: 1 + limit,
				Sort: []projections.SortKey{sort}})
		}
	}
}

func idAndUpdated(t *testing.T, g projections.Generations) {
	w := newWorld(t, g.Live(), 3)
	var times []time.Time
	for _, id := range []string{"a", "b", "c", "d"} {
		w.observation(id)
		times = append(times, w.now)
		w.commit()
	}
	byID := func(modifier projections.Modifier, ids ...string) projections.Clause {
		c := projections.Clause{Param: projections.ParamID, Kind: projections.Token, Modifier: modifier}
		for _, id := range ids {
			c.Values = append(c.Values, projections.Value{AnySystem: true, Code: id})
		}
		return c
	}
	w.expectIDs(byID(projections.NoModifier, "c", "a", "never", "not an id", ""), "a c")
	w.expectIDs(byID(projections.NoModifier, "A"), "")
	w.expectIDs(byID(projections.Not, "c", "never"), "a b d")
	for prefix, want := range map[projections.Prefix]string{
		projections.Eq: "b", projections.Ne: "a c d", projections.Gt: "c d", projections.Ge: "b c d",
		projections.Lt: "a", projections.Le: "a b",
		projections.Sa: "c d", projections.Eb: "a", projections.Ap: "b",
	} {
		at := times[1].UnixMicro()
		w.expectIDs(projections.Clause{Param: projections.ParamLastUpdated, Kind: projections.Date,
			Values: []projections.Value{{Prefix: prefix, Start: at, End: at + 1_000}}}, want)
	}
	w.expectIDs(projections.Clause{Param: projections.ParamLastUpdated, Kind: projections.Date,
		Values: []projections.Value{{Prefix: projections.Ge, Start: projections.MinTime,
			End: projections.MinTime + 1}}}, "a b c d")
}
