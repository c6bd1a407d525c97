package readapi_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"binnacle/readapi"
)

// found is what a search finds, sorted: "a b".
func found(t *testing.T, server http.Handler, query string) string {
	t.Helper()
	w := get(server, "/fhir/"+query, "Prefer: handling=strict")
	if w.Code != http.StatusOK {
		return fmt.Sprint(w.Code, " ", w.Body)
	}
	var ids []string
	for _, id := range bundleOf(t, w).ids {
		_, id, _ = strings.Cut(id, "/")
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return strings.Join(ids, " ")
}

// expect holds what searches find against what is wanted of each.
func expect(t *testing.T, server http.Handler, searches map[string]string) {
	t.Helper()
	for query, want := range searches {
		if got := found(t, server, query); got != want {
			t.Errorf("%s: got %s, want %s", query, got, want)
		}
	}
}

func TestChainsFollowReferences(t *testing.T) {
	s := newStore(t)
	s.clinic()
	server := s.server()
	expect(t, server, map[string]string{
		"Observation?subject.name=able":                                                 "o1 panel",
		"Observation?subject:Patient.name=ba":                                           "o3",
		"Observation?subject:Patient.name:exact=able":                                   "",
		"Observation?patient.name=able,baker":                                           "o1 o3 panel",
		"Observation?patient.name=able&code=8480-6":                                     "o1",
		"Observation?patient.organization.name=ward":                                    "o1 panel",
		"Observation?patient.organization.partof.name=whole":                            "o1 panel",
		"Observation?patient.organization.partof.name=ward":                             "",
		"Observation?subject:Patient.organization:Organization.partof._id=whole":        "o1 panel",
		"Observation?patient.general-practitioner:Practitioner.family=who":              "o1 panel",
		"Observation?subject.name:missing=true":                                         "",
		"Observation?subject.organization:missing=true":                                 "o3",
		"Observation?subject.name=nobody":                                               "",
		"MedicationDispense?prescription.requester:Practitioner.name=who":               "d",
		"Patient?organization.name=ward":                                                "a",
		"Patient?_has:Observation:patient:code=http://loinc.org|8480-6":                 "a b",
		"Patient?_has:Observation:patient:code=85354-9":                                 "a",
		"Patient?_has:Observation:patient:code=nothing":                                 "",
		"Patient?_has:Observation:patient:code-value-quantity=8480-6$lt120":             "b",
		"Patient?_has:Observation:patient:code=8480-6&_has:Encounter:subject:class=AMB": "a",
		"Patient?_has:Observation:patient:_has:Provenance:target:agent=doc":             "a",
		"Practitioner?_has:MedicationRequest:requester:patient.name=able":               "doc",
		"Organization?_has:Patient:organization:_has:Observation:patient:code=8480-6":   "ward",
		"Observation?patient._has:Encounter:subject:status=finished":                    "o1 panel",
		"Patient?_list=l":       "b",
		"Patient?_list=nowhere": "",
		"Organization?_list=l":  "",
		"Observation?code-value-quantity=http://loinc.org|8480-6$gt120": "o1",
		"Observation?code-value-quantity=8480-6$gt120,8462-4$lt100":     "o1 o2",
		"Observation?code-value-quantity=8462-4$gt120":                  "",
		"Observation?code-value-quantity=8480-6$110||mm[Hg]":            "o3",
		"Observation?code-value-quantity:missing=true":                  "lost panel",
	})
	s.put("Patient", "b", `{"resourceType":"Patient","name":[{"family":"Able"}]}`)
	s.delete("Encounter", "e")
	expect(t, server, map[string]string{"Observation?patient.name=able": "o1 o3 panel",
		"Observation?patient.name=baker": "", "Patient?_has:Encounter:subject:status=finished": ""})
}

func TestCompositesMatchWithinOneComponent(t *testing.T) {
	s := newStore(t)
	pressure := func(id string, systolic, diastolic float64) {
		part := func(code string, value float64) string {
			return fmt.Sprintf(`{"code":{"coding":[{"system":"http://loinc.org","code":%q}]},"valueQuantity":{"value":%g,"unit":"mmHg","system":"http://unitsofmeasure.org","code":"mm[Hg]"}}`, code, value)
		}
		s.put("Observation", id,
			`{"resourceType":"Observation","status":"final","code":{"coding":[{"code":"85354-9"}]},"component":[`+part("8480-6", systolic)+`,`+part("8462-4", diastolic)+`]}`)
	}
	pressure("high", 150, 95)
	pressure("split", 100, 95)
	pressure("low", 90, 60)
	s.put("Group", "g",
		`{"resourceType":"Group","type":"person","actual":true,"characteristic":[{"code":{"coding":[{"code":"gender"}]},"valueCodeableConcept":{"coding":[{"code":"mixed"}]}},{"code":{"coding":[{"code":"age"}]},"valueCodeableConcept":{"coding":[{"code":"old,er"}]}}]}`)
	server := s.server()
	expect(t, server, map[string]string{
		"Observation?component-code-value-quantity=8480-6$gt140":                                                  "high",
		"Observation?component-code-value-quantity=8480-6$gt95":                                                   "high split",
		"Observation?component-code-value-quantity=8480-6$gt94&component-code-value-quantity=8462-4$lt95.6":       "high split",
		"Observation?component-code-value-quantity=http://loinc.org|8462-4$le60|http://unitsofmeasure.org|mm[Hg]": "low",
		"Group?characteristic-value=gender$mixed":                                                                 "g",
		"Group?characteristic-value=gender$old\\,er":                                                              "",
		"Group?characteristic-value=age$old\\,er":                                                                 "g",
	})
}

func TestACompartmentHoldsWhatBelongsToOneResource(t *testing.T) {
	s := newStore(t)
	s.clinic()
	server := s.server()
	expect(t, server, map[string]string{
		"Patient/a/Observation":                           "o1 panel",
		"Patient/a/Observation?code=8480-6":               "o1",
		"Patient/b/Observation":                           "o3",
		"Patient/nobody/Observation":                      "",
		"Patient/a/Encounter":                             "e",
		"Patient/a/Patient":                               "a",
		"Patient/a/MedicationRequest?status=active":       "r",
		"Patient/a/*":                                     "a d e o1 panel r",
		"Patient/a/*?_type=Observation,MedicationRequest": "o1 panel r",
		"Patient/b/*":                                     "b o3",
		"Encounter/e/*":                                   "e o1",
		"Practitioner/doc/*":                              "a doc r v",
		"Practitioner/doc/Patient?name=able":              "a",
	})
	form := []string{"Content-Type: application/x-www-form-urlencoded"}
	for _, target := range []string{"/fhir/Patient/a/Observation", "/fhir/Patient/a/*"} {
		first := bundleOf(t, request{method: http.MethodPost, target: target + "/_search",
			body: "_count=1&_sort=_id&_include=Observation:encounter", headers: form}.do(server))
		if target == "/fhir/Patient/a/*" {
			first = bundleOf(t, request{method: http.MethodPost, target: target + "/_search",
				body: "_count=1&_sort=_id", headers: form}.do(server))
		}
		pages := walk(t, server, first, "next")
		want := []string{"Observation/o1", "Observation/panel"}
		if strings.HasSuffix(target, "*") {
			want = []string{"Patient/a", "MedicationDispense/d", "Encounter/e", "Observation/o1", "Observation/panel",
				"MedicationRequest/r"}
		} else if !slices.Equal(pages[0].added, []string{"Encounter/e"}) {
			t.Errorf("%s: included %v", target, pages[0].added)
		}
		if got := idsOf(pages); !slices.Equal(got, want) {
			t.Errorf("%s: got %v, want %v", target, got, want)
		}
		for _, page := range pages[1:] {
			if self := page.links["self"]; !strings.HasPrefix(self, "http://example.org"+target+"?_page=") {
				t.Errorf("%s: the page's link is %s", target, self)
			}
		}
		if w := get(server, strings.Replace(pages[1].links["self"], "/Patient/a/", "/Patient/b/",
			1)); w.Code != http.StatusBadRequest {
			t.Errorf("%s: its token in another compartment: got %d, want 400", target, w.Code)
		}
	}
}

func TestASearchAsOfAPosition(t *testing.T) {
	s := newStore(t)
	s.put("Patient", "a", `{"resourceType":"Patient","name":[{"family":"One"}]}`)
	s.put("Patient", "b",
		`{"resourceType":"Patient","name":[{"family":"One"}],"managingOrganization":{"reference":"Organization/o"}}`)
	s.put("Organization", "o", `{"resourceType":"Organization","name":"First"}`)
	s.put("Patient", "a", `{"resourceType":"Patient","name":[{"family":"Two"}]}`)
	s.delete("Patient", "b")
	s.put("Organization", "o", `{"resourceType":"Organization","name":"Second"}`)
	server := s.server(func(c *readapi.Config) { c.PositionWait = 20 * time.Millisecond })
	expect(t, server, map[string]string{
		"Patient?_asOf=0:0":                         "a",
		"Patient?_asOf=0:1":                         "a b",
		"Patient?_asOf=0:1&name=one":                "a b",
		"Patient?_asOf=0:2&organization.name=first": "b",
		"Patient?_asOf=0:5&organization.name=first": "",
		"Patient?_asOf=0:3&name=one":                "b",
		"Patient?_asOf=0:4":                         "a",
		"?_asOf=0:3":                                "a b o",
		"Organization?_asOf=0:0":                    "",
	})
	first := bundleOf(t, get(server, "/fhir/Patient?_asOf=0:2&_count=1&_sort=_id&_include=Patient:organization"))
	w := get(server, first.links["next"])
	if next := bundleOf(t, w); !slices.Equal(next.ids, []string{"Patient/b"}) ||
		!strings.Contains(next.links["self"], "_asOf=0%3A2") || !strings.Contains(w.Body.String(), "First") ||
		first.total != "2" {
		t.Errorf("next: %v %v of %s: %s", next.ids, next.links, first.total, w.Body)
	}
	for query, status := range map[string]int{"_asOf=0:99": 503, "_asOf=1:0": 400, "_asOf=yesterday": 400,
		"_asOf=": 400, "_asOf=0:1&_asOf=0:2": 400, "_asOf:not=0:1": 400} {
		w := get(server, "/fhir/Patient?"+query)
		if w.Code != status || (status == 503) != (w.Header().Get("Retry-After") != "") {
			t.Errorf("%s: got %d %s, want %d", query, w.Code, w.Body, status)
		}
	}
}
