package readapi_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"

	"binnacle/events/fhir/rest"
	"binnacle/readapi/fhir"
)

// clinic writes a practice with two patients, their doctor, and what was done for them:
//
//	Organization/whole ← Organization/ward (partof) ← Patient/a (organization)
//	Practitioner/doc ← Patient/a (general-practitioner)
//	Encounter/e → Patient/a
//	Observation/o1 → Patient/a, Encounter/e
//	Observation/o2 → Patient/a by an absolute URL
//	Observation/o3 → Patient/b
//	Observation/panel → Observation/o1, o2 (has-member), Patient/a
//	Provenance/v → Observation/o1; Observation/lost → Patient/gone
//	Medication/m ← MedicationRequest/r (medication) → Patient/a, Practitioner/doc (requester)
//	MedicationDispense/d → MedicationRequest/r
func (s *store) clinic() {
	s.t.Helper()
	for _, resource := range []string{
		`{"resourceType":"Organization","id":"whole","name":"Whole"}`,
		`{"resourceType":"Organization","id":"ward","name":"Ward","partOf":{"reference":"Organization/whole"}}`,
		`{"resourceType":"Practitioner","id":"doc","name":[{"family":"Who"}]}`,
		`{"resourceType":"Patient","id":"a","name":[{"family":"Able"}],"managingOrganization":{"reference":"Organization/ward"},"generalPractitioner":[{"reference":"Practitioner/doc"}]}`,
		`{"resourceType":"Patient","id":"b","name":[{"family":"Baker"}]}`,
		`{"resourceType":"Encounter","id":"e","status":"finished","class":{"code":"AMB"},"subject":{"reference":"Patient/a"}}`,
		`{"resourceType":"Observation","id":"o1","status":"final","code":{"coding":[{"system":"http://loinc.org","code":"8480-6"}]},"subject":{"reference":"Patient/a"},"encounter":{"reference":"Encounter/e"},"effectiveDateTime":"2024-01-01","valueQuantity":{"value":130,"unit":"mmHg","system":"http://unitsofmeasure.org","code":"mm[Hg]"}}`,
		`{"resourceType":"Observation","id":"o2","status":"final","code":{"coding":[{"system":"http://loinc.org","code":"8462-4"}]},"subject":{"reference":"http://example.org/fhir/Patient/a"},"effectiveDateTime":"2024-01-02","valueQuantity":{"value":80,"unit":"mmHg","system":"http://unitsofmeasure.org","code":"mm[Hg]"}}`,
		`{"resourceType":"Observation","id":"o3","status":"final","code":{"coding":[{"system":"http://loinc.org","code":"8480-6"}]},"subject":{"reference":"Patient/b"},"effectiveDateTime":"2024-01-03","valueQuantity":{"value":110,"unit":"mmHg","system":"http://unitsofmeasure.org","code":"mm[Hg]"}}`,
		`{"resourceType":"Observation","id":"panel","status":"final","code":{"coding":[{"system":"http://loinc.org","code":"85354-9"}]},"subject":{"reference":"Patient/a"},"effectiveDateTime":"2024-01-04","hasMember":[{"reference":"Observation/o1"},{"reference":"Observation/o2"}]}`,
		`{"resourceType":"Observation","id":"lost","status":"final","code":{"coding":[{"system":"http://loinc.org","code":"0"}]},"subject":{"reference":"Patient/gone"},"effectiveDateTime":"2024-01-05"}`,
		`{"resourceType":"Provenance","id":"v","target":[{"reference":"Observation/o1"}],"recorded":"2024-01-01T00:00:00Z","agent":[{"who":{"reference":"Practitioner/doc"}}]}`,
		`{"resourceType":"Medication","id":"m","code":{"coding":[{"code":"582620"}]}}`,
		`{"resourceType":"MedicationRequest","id":"r","status":"active","intent":"order","medicationReference":{"reference":"Medication/m"},"subject":{"reference":"Patient/a"},"requester":{"reference":"Practitioner/doc"}}`,
		`{"resourceType":"MedicationDispense","id":"d","status":"completed","medicationReference":{"reference":"Medication/m"},"subject":{"reference":"Patient/a"},"authorizingPrescription":[{"reference":"MedicationRequest/r"}]}`,
		`{"resourceType":"List","id":"l","status":"current","mode":"working","entry":[{"item":{"reference":"Patient/b"}}]}`,
	} {
		typ, _, _ := strings.Cut(strings.TrimPrefix(resource, `{"resourceType":"`), `"`)
		_, id, _ := strings.Cut(resource, `"id":"`)
		id, _, _ = strings.Cut(id, `"`)
		s.put(typ, id, resource)
	}
}

func TestIncludesComeBesideTheMatches(t *testing.T) {
	s := newStore(t)
	s.clinic()
	server := s.server()
	for _, c := range []struct {
		query   string
		matches string
		added   string // sorted
	}{
		{"Observation?code=8480-6&_include=Observation:subject", "o3 o1", "Patient/a Patient/b"},
		{"Observation?code=8480-6&_include=Observation:subject:Group", "o3 o1", ""},
		{"Observation?_id=o2&_include=Observation:subject", "o2", "Patient/a"},
		{"Observation?_id=o1&_include=Observation:patient&_include=Observation:encounter", "o1",
			"Encounter/e Patient/a"},
		{"Observation?_id=o1&_include=*", "o1", "Encounter/e Patient/a"},
		{"Observation?_id=o1&_include=Observation:*", "o1", "Encounter/e Patient/a"},
		{"Observation?_id=lost&_include=Observation:subject", "lost", ""},
		{"Observation?_id=panel&_include=Observation:has-member", "panel", "Observation/o1 Observation/o2"},
		{"Observation?_id=panel,o1&_include=Observation:has-member", "panel o1", "Observation/o2"},
		{"Observation?_id=o1&_include=Observation:subject&_include=Patient:organization", "o1", "Patient/a"},
		{"Observation?_id=o1&_include=Observation:subject&_include:iterate=Patient:organization", "o1",
			"Organization/ward Patient/a"},
		{"Observation?_id=o1&_include=Observation:subject&_include:iterate=Patient:organization&_include:iterate=Organization:partof", "o1", "Organization/ward Organization/whole Patient/a"},
		{"Observation?_id=o1&_include:iterate=*", "o1",
			"Encounter/e Organization/ward Organization/whole Patient/a Practitioner/doc"},
		{"MedicationDispense?_include=MedicationDispense:prescription&_include:iterate=MedicationRequest:requester",
			"d", "MedicationRequest/r Practitioner/doc"},
		{"MedicationRequest?_include=MedicationRequest:patient&_revinclude=Provenance:target", "r", "Patient/a"},
		{"Observation?_id=o1&_revinclude=Provenance:target", "o1", "Provenance/v"},
		{"Observation?_id=o1,o3&_revinclude=Observation:has-member", "o3 o1", "Observation/panel"},
		{"Patient?_id=a&_revinclude=Observation:subject", "a", "Observation/o1 Observation/panel"},
		{"Patient?_id=a&_revinclude=Observation:subject&_revinclude:iterate=Provenance:target", "a",
			"Observation/o1 Observation/panel Provenance/v"},
		{"Patient?_id=b&_revinclude=Observation:subject:Patient&_revinclude=List:item", "b", "List/l Observation/o3"},
		{"Organization?_id=whole&_revinclude=Organization:partof&_revinclude:iterate=Patient:organization", "whole",
			"Organization/ward Patient/a"},
		{"Practitioner?_revinclude=Patient:general-practitioner&_include:iterate=Patient:organization", "doc",
			"Organization/ward Patient/a"},
		{"Patient?_id=nobody&_revinclude=Observation:subject", "", ""},
		{"Patient?_id=a&_summary=count&_revinclude=Observation:subject", "", ""},
	} {
		w := get(server, "/fhir/"+c.query, "Prefer: handling=lenient")
		b := bundleOf(t, w)
		var matches []string
		for _, id := range b.ids {
			_, id, _ = strings.Cut(id, "/")
			matches = append(matches, id)
		}
		slices.Sort(b.added)
		if got := strings.Join(matches, " "); got != c.matches || strings.Join(b.added, " ") != c.added {
			t.Errorf("%s: got %s with %v, want %s with %s", c.query, got, b.added, c.matches, c.added)
		}
		if want := fmt.Sprint(len(b.ids)); b.total != want && !strings.Contains(c.query, "count") {
			t.Errorf("%s: total %s, want %s: what is included doesn't count", c.query, b.total, want)
		}
		for entry := range b.node.Get("entry").Items() {
			inner := entry.Get("resource")
			if want := "http://example.org/fhir/" + inner.Get("resourceType").Text() + "/" + inner.Get("id").Text(); entry.Get("fullUrl").Text() != want && inner.Get("resourceType").Text() != "OperationOutcome" {
				t.Errorf("%s: fullUrl %s, want %s", c.query, entry.Get("fullUrl").Text(), want)
			}
		}
	}
}

func TestIncludesAreOnEveryPageAndShowItsState(t *testing.T) {
	s := newStore(t)
	s.clinic()
	server := s.server()
	first := bundleOf(t, get(server,
		"/fhir/Observation?subject=Patient/a,Patient/b&_sort=_id&_count=1&_include=Observation:subject"))
	if !slices.Equal(first.ids, []string{"Observation/o1"}) || !slices.Equal(first.added, []string{"Patient/a"}) {
		t.Fatalf("first: %v with %v", first.ids, first.added)
	}
	s.put("Patient", "b", `{"resourceType":"Patient","name":[{"family":"Later"}]}`)
	s.delete("Patient", "a")
	for relation, link := range first.links {
		if !strings.Contains(link, "_include=Observation%3Asubject") {
			t.Errorf("%s lacks the include: %s", relation, link)
		}
	}
	w := get(server, first.links["next"])
	if next := bundleOf(t, w); !slices.Equal(next.ids, []string{"Observation/o3"}) ||
		!slices.Equal(next.added, []string{"Patient/b"}) || strings.Contains(w.Body.String(), "Later") {
		t.Errorf("next: %v with %v: %s; want o3 with Patient/b as it was", next.ids, next.added, w.Body)
	}
	form := request{method: http.MethodPost, target: "/fhir/Observation/_search",
		body:    "subject=Patient/b,Patient/a&_sort=_id&_count=1&_include=Observation:subject",
		headers: []string{"Content-Type: application/x-www-form-urlencoded"}}
	posted := bundleOf(t, form.do(server))
	if len(posted.added) != 0 {
		t.Errorf("a deleted patient is included: %v", posted.added)
	}
	if next := bundleOf(t, get(server, posted.links["next"])); !slices.Equal(next.added, []string{"Patient/b"}) {
		t.Errorf("the next page of a POST has %v beside %v, want Patient/b", next.added, next.ids)
	}
}

func TestIncludesThatFillMoreThanAPageFollowPageByPage(t *testing.T) {
	s := newStore(t)
	s.put("Organization", "1", `{"resourceType":"Organization","name":"x"}`)
	var patients, observations []string
	for i, n := range []int{3, 0, 41, 10, 9, 11, 1} {
		id := fmt.Sprint("p", i)
		patients = append(patients, "Patient/"+id)
		s.put("Patient", id, `{"resourceType":"Patient","managingOrganization":{"reference":"Organization/1"}}`)
		for j := range n {
			observations = append(observations, fmt.Sprintf("Observation/o%d-%d", i, j))
			s.put("Observation", fmt.Sprintf("o%d-%d", i, j),
				fmt.Sprintf(`{"resourceType":"Observation","status":"final","code":{"text":%q},"subject":{"reference":"Patient/%s"}}`, strings.Repeat("x", 100*(j%5)), id))
		}
	}
	slices.Sort(observations)
	for name, limits := range map[string]fhir.Limits{"by number": {Included: 10},
		"by size": {Included: 10, PageBytes: 1_500}} {
		door, err := fhir.New(fhir.Config{Tenant: tenant, Reader: s.index, Blobs: s.blobs, Memos: s.memos,
			Catalog: s.catalog, Logger: slog.New(slog.DiscardHandler),
			Limits: limits})
		if err != nil {
			t.Fatal(err)
		}
		address, err := rest.NewAddress("", "/fhir")
		if err != nil {
			t.Fatal(err)
		}
		handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			ask := address.Ask(r)
			ask.Type = "Patient"
			if r.URL.Path == "/fhir" {
				ask.Type = ""
			}
			search := rest.Reading(door.Search)
			if r.Method == http.MethodPost {
				search = door.SearchForm
			}
			if err := search(w, r, ask); err != nil {
				t.Errorf("%s: %v", r.URL, err)
			}
		})
		form := []string{"Content-Type: application/x-www-form-urlencoded"}
		for _, first := range []request{
			{method: "GET", target: "/fhir/Patient?_sort=_id&_count=2&_revinclude=Observation:subject"},
			{method: "GET", target: "/fhir/Patient?_sort=_id&_count=50&_revinclude=Observation:subject"},
			{method: "GET",
				target: "/fhir?_type=Patient&_sort=_id&_count=3&_revinclude:iterate=Observation:subject&_include=Patient:organization"},
			{method: "POST", target: "/fhir/Patient/_search",
				body:    "_sort=_id&_count=3&_revinclude=Observation:subject&_revinclude:iterate=Patient:organization",
				headers: form},
		} {
			pages := walk(t, handler, bundleOf(t, first.do(handler)), "next")
			back := walk(t, handler, pages[len(pages)-1], "previous")
			if len(pages) < 7 {
				t.Errorf("%s, %s: %d pages, want more", name, first.target, len(pages))
			}
			for way, walked := range map[string][]bundle{"forth": pages, "back": back} {
				var matches, added []string
				for _, page := range walked {
					if len(page.added) > 10 || len(page.ids)+len(page.added) == 0 {
						t.Errorf("%s, %s, %s: a page of %d and %d", name, first.target, way, len(page.ids),
							len(page.added))
					}
					matches = append(matches, page.ids...)
					added = append(added, slices.DeleteFunc(slices.Clone(page.added),
						func(id string) bool { return strings.HasPrefix(id, "Organization") })...)
				}
				slices.Sort(matches)
				slices.Sort(added)
				if !slices.Equal(matches, patients) || !slices.Equal(added, observations) {
					t.Errorf("%s, %s, %s: got %v and %d observations, want %v and %d", name, first.target, way, matches,
						len(added), patients, len(observations))
				}
			}
		}
	}
}

func TestAThousandIncludesFitAPage(t *testing.T) {
	s := newStore(t)
	s.put("Patient", "1", patient)
	for i := range 1_001 {
		s.put("Observation", fmt.Sprint("o", i),
			`{"resourceType":"Observation","status":"final","code":{"text":"x"},"subject":{"reference":"Patient/1"}}`)
	}
	b := bundleOf(t, get(s.server(), "/fhir/Patient?_revinclude=Observation:subject"))
	next := bundleOf(t, get(s.server(), b.links["next"]))
	if len(b.ids) != 1 || len(b.added) != 1_000 || len(next.ids) != 0 || len(next.added) != 1 ||
		next.links["next"] != "" {
		t.Errorf("1,001 included resources: %v with %d, then %v with %d", b.ids, len(b.added), next.ids,
			len(next.added))
	}
	s.delete("Observation", "o0")
	if b := bundleOf(t, get(s.server(), "/fhir/Patient?_revinclude=Observation:subject")); len(b.added) != 1_000 ||
		b.links["next"] != "" {
		t.Errorf("1,000 included resources: got %d", len(b.added))
	}
}

func TestIncludesThatLeadNowhereAreTold(t *testing.T) {
	server := newStore(t).server()
	for include, text := range map[string]string{
		"_include=Observation:code":            "only a reference",
		"_include=Observation:shade":           "no search parameter",
		"_include=Observation":                 "names no reference",
		"_include=Unicorn:subject":             "not a resource type",
		"_include=Observation:subject:Foo":     "not a resource type",
		"_include=Observation:patient:Group":   "never refers to Group",
		"_include:recurse=Observation:subject": ":iterate is one",
		"_include=Patient:organization":        "_include:iterate",
		"_revinclude=Observation:encounter":    "_revinclude:iterate",
		"_include=":                            "names no reference",
	} {
		w := get(server, "/fhir/Observation?"+include, "Prefer: handling=strict")
		if w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), text) {
			t.Errorf("%s: %d %s, want 400 with %q", include, w.Code, w.Body, text)
		}
	}
	if w := get(server, "/fhir/PlanDefinition?_include=PlanDefinition:composed-of",
		"Prefer: handling=strict"); w.Code != http.StatusBadRequest {
		t.Errorf("an include of a canonical: %d, want 400", w.Code)
	}
}
