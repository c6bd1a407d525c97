package catalog

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"binnacle/events"
	"binnacle/projections"
)

func showClauses(q projections.Query) string {
	var all []string
	for _, clause := range q.Clauses {
		all = append(all, showClause(clause))
	}
	return strings.Join(all, "; ")
}

func TestACompartmentIsAClause(t *testing.T) {
	c := defaultCatalog(t)
	for _, test := range []struct{ compartment, typ, want string }{
		{"Patient", "Observation", "any(performer reference [Patient|1] or subject reference [Patient|1])"},
		{"Patient", "Immunization", "patient reference [Patient|1]"},
		{"Patient", "Patient", "any(link reference [Patient|1] or _id token [*|1])"},
		{"Encounter", "Encounter", "_id token [*|1]"},
		{"Encounter", "Observation", "encounter reference [Encounter|1]"},
		{"Practitioner", "Patient", "general-practitioner reference [Practitioner|1]"},
		{"Device", "DeviceRequest", "any(device reference [Device|1] or performer reference [Device|1] or requester " +
			"reference [Device|1] or subject reference [Device|1])"},
	} {
		p, err := c.ParseQuery("_lastUpdated=gt2020", Options{Type: test.typ,
			Compartment: Compartment{test.compartment, "1"}})
		if err != nil {
			t.Errorf("%s of %s: %v", test.typ, test.compartment, err)
			continue
		}
		if got, _, _ := strings.Cut(showClauses(p.Query), "; "); got != test.want || len(p.Query.Clauses) != 2 {
			t.Errorf("%s of %s: got %s, want %s", test.typ, test.compartment, got, test.want)
		}
		if got := fmt.Sprint(p.Used); got != "[{_lastUpdated gt2020}]" {
			t.Errorf("used are %s; the compartment stands in the path", got)
		}
	}
	for _, test := range []struct {
		in   Compartment
		kind events.Kind
	}{{Compartment{"Group", "1"}, events.NotFound}, {Compartment{"Device", "1"}, events.Invalid},
		{Compartment{"Patient", "a_b"}, events.Invalid}, {Compartment{"Patient", ""}, events.Invalid}} {
		if _, err := c.ParseQuery("", Options{Type: "Immunization", Compartment: test.in}); err == nil ||
			events.KindOf(err) != test.kind {
			t.Errorf("%v: %v, want %v", test.in, err, test.kind)
		}
	}
}

func TestASearchOverTypesIsAQueryForEach(t *testing.T) {
	c := defaultCatalog(t)
	p, err := c.ParseSystem("_type=Patient,Observation,Patient&_count=7&_id=1,2&_total=accurate", Options{})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, q := range p.Types {
		got = append(got, fmt.Sprintf("%s %d %s %v", q.Type, q.Limit, showClauses(q), q.Sort))
	}
	if want := "Observation 7 _id token [*|1] [*|2] [{_lastUpdated date true [] false}] + Patient 7 _id token [*|1] " +
		"[*|2] [{_lastUpdated date true [] false}]"; strings.Join(got, " + ") != want {
		t.Errorf("got %s, want %s", strings.Join(got, " + "), want)
	}
	if got, want := fmt.Sprint(p.Used),
		"[{_type Observation,Patient} {_count 7} {_id 1,2} {_total accurate}]"; got != want {
		t.Errorf("used are %s, want %s", got, want)
	}
	if p, err = c.ParseSystem("", Options{}); err != nil || len(p.Types) != len(c.Types()) {
		t.Errorf("without _type %d types, %v", len(p.Types), err)
	}
	if p, err = c.ParseSystem("_type=Account,Basic,Flag,Goal&_has:Provenance:target:agent=1&_list=5",
		Options{}); err != nil || len(p.Types[0].Clauses) != 2 || p.Types[3].Clauses[0].Follow == nil {
		t.Errorf("_has over all types: %v", err)
	}
	if p, err = c.ParseSystem("_has:Observation:patient:code=a", Options{}); err != nil ||
		len(p.Types) != len(c.Types()) {
		t.Errorf("_has over types of which one is referred to: %v", err)
	}
	for _, q := range p.Types {
		if got, want := showClauses(q), "_id token [*|]"; got != want &&
			(q.Type != "Patient" || got != "patient <- Observation(code token [*|a])") {
			t.Errorf("_has over all types asks %s for %s", q.Type, got)
		}
	}
	if _, err = c.ParseSystem("_type=Account,Basic&_has:Observation:patient:code=a", Options{}); err == nil ||
		!strings.Contains(err.Error(), "never refers to Account") {
		t.Errorf("_has over types of which none is referred to: %v", err)
	}
	if p, err = c.ParseSystem("", Options{Compartment: Compartment{"Encounter", "1"}}); err != nil ||
		len(p.Types) != 25 || len(p.Types[7].Clauses) != 1 {
		t.Errorf("a whole compartment: %d types, %v", len(p.Types), err)
	}
	if p, err = c.ParseSystem("birthdate=2000&shade=red&_type=Person,Organization&name=x",
		Options{Lenient: true}); err != nil || len(p.Issues) != 2 || showClauses(p.Types[0]) != "name string [x]" ||
		showClauses(p.Types[1]) != "name string [x]" || len(p.Used) != 2 {
		t.Errorf("what one type lacks is dropped for all: %+v, %v", p, err)
	}
	if p, err = c.ParseSystem("_type=Patient,Person&_elements=resourceType,shade,birthDate", Options{}); err != nil ||
		len(p.Issues) != 1 || !strings.Contains(p.Issues[0].Text, "shade") || len(p.Elements) != 1 ||
		p.Used[1] != (KeyValue{"_elements", "resourceType,birthDate"}) {
		t.Errorf("a name that no type has beside others: %+v, %v", p, err)
	}
	for raw, want := range map[string]string{
		"birthdate=2000&_type=Person,Observation": "Observation has no such search parameter",
		"_type=Unicorn": "not a resource type", "_type=Person&_type=Patient": "stands twice",
		"_type=":                               "not a resource type",
		"_type=Basic,Person&_sort=created":     "",
		"_type=Patient,Observation&_sort=date": "Patient has no search parameter",
		"_type=Communication,Account&_sort=identifier,status,type": "",
		"_count=1&_count=2": "stands twice", "_type=MedicationRequest,Condition&_sort=code": "",
		"_include=Patient:shade": "no search parameter", "_type=Patient&_include=Observation:subject": ":iterate",
		"_elements=shade": "has no element", "_type=Patient,Observation&_elements=birthDate,status": "",
	} {
		_, err := c.ParseSystem(raw, Options{})
		if want == "" && err != nil && !strings.Contains(err.Error(), "no search parameter") ||
			want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v, want %q", raw, err, want)
		}
	}
	if _, err := c.ParseSystem("_type=Organization", Options{Compartment: Compartment{"Patient", "1"}}); events.KindOf(
		err) != events.Invalid || err == nil {
		t.Errorf("a type outside the compartment: %v", err)
	}
	if _, err := c.ParseSystem("", Options{Compartment: Compartment{"Group", "1"}}); events.KindOf(
		err) != events.NotFound || err == nil {
		t.Errorf("no compartment: %v", err)
	}
}

func TestIncludesAreRead(t *testing.T) {
	c := defaultCatalog(t)
	p, err := c.ParseQuery(
		"_include=Observation:subject&_include=Observation:subject:Patient&_include:iterate=Patient:organization&_revinclude=Provenance:target&_include=*&_revinclude:iterate=*&_include=Observation:*:Encounter", Options{Type: "Observation"})
	if err != nil {
		t.Fatal(err)
	}
	want := []Include{{Source: "Observation", Params: []string{"subject"}},
		{Source: "Observation", Params: []string{"subject"}, Target: "Patient"},
		{Iterate: true, Source: "Patient", Params: []string{"organization"}},
		{Reverse: true, Source: "Provenance", Params: []string{"target"}}, {}, {Reverse: true, Iterate: true},
		{Source: "Observation", Params: []string{"encounter", "focus"}, Target: "Encounter"}}
	if fmt.Sprint(p.Includes) != fmt.Sprint(want) {
		t.Errorf("got %+v, want %+v", p.Includes, want)
	}
	if len(p.Used) != len(want) {
		t.Errorf("used are %v", p.Used)
	}
	if _, err := c.ParseQuery(strings.Repeat("_include=*&", MaxIncludes+1),
		Options{Type: "Observation"}); events.KindOf(err) != events.TooCostly {
		t.Errorf("too many includes: %v", err)
	}
	if !slices.Contains(c.References("Observation", "Patient"), "subject") ||
		slices.Contains(c.References("Observation", "Encounter"), "subject") || c.References("Unicorn", "") != nil {
		t.Error("the references of an Observation")
	}
}

func TestChainsAreBounded(t *testing.T) {
	c := defaultCatalog(t)
	if _, err := c.ParseQuery(strings.Repeat("partof.", MaxHops)+"name=x", Options{Type: "Organization"}); err != nil {
		t.Errorf("%d hops: %v", MaxHops, err)
	}
	if _, err := c.ParseQuery(strings.Repeat("partof.", MaxHops+1)+"name=x",
		Options{Type: "Organization"}); events.KindOf(err) != events.TooCostly {
		t.Errorf("%d hops: %v", MaxHops+1, err)
	}
	if _, err := c.ParseQuery(strings.Repeat("_has:Organization:partof:", MaxHops+1)+"name=x",
		Options{Type: "Organization"}); events.KindOf(err) != events.TooCostly {
		t.Errorf("%d reverse hops: %v", MaxHops+1, err)
	}
	if _, err := c.ParseQuery("target.encounter.subject._id=x", Options{Type: "Provenance"}); err != nil {
		t.Errorf("a chain through everything: %v", err)
	}
	if _, err := c.ParseQuery("target.item.target.item._id=x",
		Options{Type: "Provenance", Lenient: true}); events.KindOf(err) != events.Unsupported {
		t.Errorf("a chain that some types have as a canonical: %v", err)
	}
	if _, err := c.ParseQuery("target.subject.subject.subject.patient._id=x",
		Options{Type: "Provenance"}); events.KindOf(err) != events.TooCostly {
		t.Errorf("a chain through many types: %v", err)
	}
	if _, err := c.ParseQuery(
		"target._has:Provenance:target:target._has:Provenance:target:target._has:Provenance:target:target._id=x",
		Options{Type: "Provenance"}); events.KindOf(err) != events.TooCostly {
		t.Errorf("a chain through everything, four times: %v", err)
	}
}

func FuzzParseSystem(f *testing.F) {
	c := defaultCatalog(f)
	for _, seed := range []string{"_type=Patient,Person&name=x&_sort=-_lastUpdated",
		"_tag=a|b&_has:Provenance:target:agent=1", "_list=1,2&_include=*&_elements=name",
		"_id=1&_summary=true&_revinclude:iterate=Observation:subject:Patient"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		for _, in := range []Compartment{{}, {"Patient", "1"}} {
			p, err := c.ParseSystem(raw, Options{Compartment: in})
			if err != nil {
				continue
			}
			for _, q := range p.Types {
				if in != (Compartment{}) && (len(q.Clauses) == 0 ||
					q.Clauses[0].Any == nil && q.Clauses[0].Values[0].Code != "1") {
					t.Errorf("%q leaves the compartment: %+v", raw, q)
				}
				if len(q.Clauses) != len(p.Types[0].Clauses) || len(q.Sort) != len(p.Types[0].Sort) ||
					q.Limit != p.Types[0].Limit {
					t.Errorf("%q asks %s for something else than %s", raw, q.Type, p.Types[0].Type)
				}
			}
		}
		_, _ = c.ParseSubset("Patient", raw)
	})
}
