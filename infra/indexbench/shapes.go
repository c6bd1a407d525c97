package indexbench

import (
	"fmt"
	"math/rand/v2"
	"net/url"
	"strings"
	"time"

	"binnacle/events/fhir"
)

// Shape is one kind of search.
type Shape struct {
	Name  string
	Type  string
	Count bool // its accurate total is measured too
	Deep  int  // this page, after as many; 0: the first
	// Then is asked about the resources of the page: what _include and _revinclude cost.
	Then func(ids []string) (kind, query string)
	Ask  func(random *rand.Rand) string // the query; "" when the data has nothing for it
}

// Shapes are all kinds, with parameters drawn from the sample.
func (s *Sample) Shapes() []Shape {
	codes := s.byCount()
	common, rare := "", ""
	if len(codes) > 0 {
		common, rare = codes[0], codes[len(codes)-1]
	}
	some := func(random *rand.Rand, n int) string {
		var list []string
		for _, at := range random.Perm(len(codes))[:min(n, len(codes))] {
			list = append(list, codes[at])
		}
		return q("code", strings.Join(list, ","))
	}
	fixed := func(query string) func(*rand.Rand) string { return func(*rand.Rand) string { return query } }
	observation := func(make func(fhir.Node) string) func(*rand.Rand) string {
		return func(random *rand.Rand) string {
			n := s.draw(random, "Observation", func(n fhir.Node) bool { return n.Get("effectiveDateTime").Exists() && n.Get("subject").Exists() })
			if !n.Exists() {
				return ""
			}
			return make(n)
		}
	}
	patient := func(make func(fhir.Node) string) func(*rand.Rand) string {
		return func(random *rand.Rand) string {
			n := s.draw(random, "Patient", nil)
			if !n.Exists() {
				return ""
			}
			return make(n)
		}
	}
	quantity := func(make func(n fhir.Node) string) func(*rand.Rand) string {
		return func(random *rand.Rand) string {
			n := s.draw(random, "Observation", func(n fhir.Node) bool { return n.Get("valueQuantity").Get("value").Exists() })
			if !n.Exists() {
				return ""
			}
			return make(n)
		}
	}
	subject := func(n fhir.Node) string { return q("subject", n.Get("subject").Get("reference").Text()) }
	encounter := func(n fhir.Node) string { return q("encounter", n.Get("encounter").Get("reference").Text()) }
	procedure := func(make func(fhir.Node) string) func(*rand.Rand) string {
		return func(random *rand.Rand) string {
			n := s.draw(random, "Procedure", func(n fhir.Node) bool { return n.Get("location").Get("reference").Exists() })
			if !n.Exists() {
				return ""
			}
			return make(n)
		}
	}
	location := func(n fhir.Node) string { return q("location", n.Get("location").Get("reference").Text()) }
	category := func(n fhir.Node) string {
		for c := range n.Get("category").Items() {
			return q("category", coding(c))
		}
		return ""
	}
	year := func(param, date string) string {
		t, err := time.Parse(time.DateOnly, date[:min(10, len(date))])
		if err != nil {
			return ""
		}
		return and(q(param, "ge"+t.AddDate(0, -6, 0).Format(time.DateOnly)), q(param, "lt"+t.AddDate(0, 6, 0).Format(time.DateOnly)))
	}
	dated := func(n fhir.Node) string { return year("date", n.Get("effectiveDateTime").Text()) }
	family := func(n fhir.Node) string {
		for name := range n.Get("name").Items() {
			return name.Get("family").Text()
		}
		return ""
	}
	short := func(name string) string { return name[:min(4, len(name))] }
	value := func(n fhir.Node) string { return n.Get("valueQuantity").Get("value").Text() }
	return []Shape{
		{Name: "code, common", Type: "Observation", Count: true, Ask: fixed(q("code", common))},
		{Name: "code, rare", Type: "Observation", Count: true, Ask: fixed(q("code", rare))},
		{Name: "code without system", Type: "Observation", Ask: fixed(q("code", common[strings.IndexByte(common, '|')+1:]))},
		{Name: "code + date range, newest first", Type: "Observation", Count: true, Ask: observation(func(n fhir.Node) string { return and(q("code", coding(n.Get("code"))), dated(n), "_sort=-date") })},
		{Name: "subject, newest first", Type: "Observation", Ask: observation(func(n fhir.Node) string { return and(subject(n), "_sort=-date") })},
		{Name: "subject + code + date", Type: "Observation", Ask: observation(func(n fhir.Node) string { return and(subject(n), q("code", coding(n.Get("code"))), dated(n)) })},
		{Name: "status + category + 3 codes", Type: "Observation", Count: true, Ask: func(random *rand.Rand) string {
			return and("status=final", observation(category)(random), some(random, 3))
		}},
		{Name: "status + category + 3 codes, newest first", Type: "Observation", Ask: func(random *rand.Rand) string {
			return and("status=final", observation(category)(random), some(random, 3), "_sort=-date")
		}},
		{Name: "two common tokens, few matches", Type: "Observation", Count: true, Ask: fixed(and(q("code", common), "category=laboratory"))},
		{Name: "two common tokens, many matches", Type: "Observation", Count: true, Ask: observation(func(n fhir.Node) string { return and(q("code", coding(n.Get("code"))), category(n)) })},
		{Name: "two common tokens + date, newest first", Type: "Observation", Ask: observation(func(n fhir.Node) string {
			return and(q("code", coding(n.Get("code"))), category(n), dated(n), "_sort=-date")
		})},
		{Name: "a system", Type: "Observation", Ask: observation(func(n fhir.Node) string {
			system, _, _ := strings.Cut(coding(n.Get("code")), "|")
			return q("code", system+"|")
		})},
		{Name: "100 codes", Type: "Observation", Ask: func(random *rand.Rand) string { return some(random, 100) }},
		{Name: "identifier", Type: "Patient", Ask: patient(func(n fhir.Node) string {
			for i := range n.Get("identifier").Items() {
				return q("identifier", i.Get("system").Text()+"|"+i.Get("value").Text())
			}
			return ""
		})},
		{Name: "name prefix", Type: "Patient", Ask: patient(func(n fhir.Node) string { return q("name", short(family(n))) })},
		{Name: "family:exact", Type: "Patient", Ask: patient(func(n fhir.Node) string { return q("family:exact", family(n)) })},
		{Name: "birthdate range, by birthdate", Type: "Patient", Ask: patient(func(n fhir.Node) string { return and(year("birthdate", n.Get("birthDate").Text()), "_sort=birthdate") })},
		{Name: "code-value-quantity", Type: "Observation", Ask: quantity(func(n fhir.Node) string { return q("code-value-quantity", coding(n.Get("code"))+"$gt"+value(n)) })},
		{Name: "value-quantity range", Type: "Observation", Ask: quantity(func(n fhir.Node) string {
			return and(q("value-quantity", "ge"+value(n)+"||"+n.Get("valueQuantity").Get("code").Text()), q("code", coding(n.Get("code"))))
		})},
		{Name: "value-quantity range alone", Type: "Observation", Ask: quantity(func(n fhir.Node) string {
			return q("value-quantity", "ge"+value(n)+"||"+n.Get("valueQuantity").Get("code").Text())
		})},
		{Name: "date range alone", Type: "Observation", Ask: observation(dated)},
		{Name: "_lastUpdated range", Type: "Observation", Ask: fixed(and(q("_lastUpdated", "ge"+began.Add(time.Second).Format(time.RFC3339)), q("_lastUpdated", "lt"+began.Add(3*time.Second).Format(time.RFC3339))))},
		{Name: "code:not", Type: "Observation", Ask: fixed(q("code:not", common))},
		{Name: "value-quantity:missing", Type: "Observation", Ask: fixed("value-quantity:missing=true")},
		{Name: "chain subject.name", Type: "Observation", Ask: patient(func(n fhir.Node) string { return q("subject:Patient.name", family(n)) })},
		{Name: "chain to half of the patients", Type: "Observation", Ask: fixed("subject:Patient.gender=female")},
		{Name: "chain to half of the patients + code", Type: "Observation", Ask: fixed(and("subject:Patient.gender=female", q("code", common)))},
		{Name: "chain of two hops", Type: "Observation", Ask: patient(func(n fhir.Node) string { return q("encounter.subject:Patient.family", family(n)) })},
		{Name: "_has:Observation:patient:code", Type: "Patient", Ask: fixed(q("_has:Observation:patient:code", rare))},
		{Name: "_has, common code", Type: "Patient", Ask: fixed(q("_has:Observation:patient:code", common))},
		{Name: "encounter", Type: "Observation", Count: true, Ask: observation(encounter)},
		{Name: "encounter + code", Type: "Observation", Ask: observation(func(n fhir.Node) string { return and(encounter(n), q("code", coding(n.Get("code")))) })},
		{Name: "location, newest first", Type: "Procedure", Count: true, Ask: procedure(func(n fhir.Node) string { return and(location(n), "_sort=-date") })},
		{Name: "location + code", Type: "Procedure", Count: true, Ask: procedure(func(n fhir.Node) string { return and(location(n), q("code", coding(n.Get("code")))) })},
		{Name: "chain to most encounters + code", Type: "Observation", Ask: fixed(and("encounter.class=AMB", q("code", common)))},
		{Name: "_has:Observation:encounter:code", Type: "Encounter", Ask: fixed(q("_has:Observation:encounter:code", rare))},
		{Name: "_has of an encounter, common code", Type: "Encounter", Ask: fixed(q("_has:Observation:encounter:code", common))},
		{Name: "_revinclude", Type: "Patient", Ask: patient(func(n fhir.Node) string { return q("name", short(family(n))) }), Then: func(ids []string) (string, string) {
			return "Condition", q("subject", "Patient/"+strings.Join(ids, ",Patient/"))
		}},
		{Name: "_include", Type: "Observation", Ask: fixed(q("code", common)), Then: func([]string) (string, string) { return "Patient", "" }},
		{Name: "compartment", Type: "Observation", Ask: observation(func(n fhir.Node) string { return q("patient", n.Get("subject").Get("reference").Text()) })},
		{Name: "sorted by family", Type: "Patient", Ask: fixed("_sort=family")},
		{Name: "sorted by family, birthdate", Type: "Patient", Ask: fixed("_sort=family,birthdate")},
		{Name: "code, sorted by status, newest first", Type: "Observation", Ask: fixed(and(q("code", common), "_sort=status,-date"))},
		{Name: "code, by _lastUpdated", Type: "Observation", Ask: fixed(and(q("code", common), "_sort=-_lastUpdated"))},
		{Name: "page 200 of a code", Type: "Observation", Deep: 199, Ask: fixed(q("code", common))},
		{Name: "page 200 of a code, oldest first", Type: "Observation", Deep: 199, Ask: fixed(and(q("code", common), "_sort=date"))},
		{Name: "page 200 of status + category", Type: "Observation", Deep: 199, Ask: func(random *rand.Rand) string { return and("status=final", observation(category)(random)) }},
		{Name: "page 200 of all, by family", Type: "Patient", Deep: 199, Ask: fixed("_sort=family")},
		{Name: "no filter", Type: "Observation", Count: true, Ask: fixed("")},
	}
}

func q(param, value string) string { return url.QueryEscape(param) + "=" + url.QueryEscape(value) }

func and(parts ...string) string {
	var list []string
	for _, p := range parts {
		if p != "" {
			list = append(list, p)
		}
	}
	return strings.Join(list, "&")
}

// String shows a shape as a search URL with its parameters.
func (s Shape) String() string { return fmt.Sprintf("%s (%s)", s.Name, s.Type) }
