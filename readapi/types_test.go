package readapi_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// reversed returns a list in the other order.
func reversed(list []string) []string {
	list = slices.Clone(list)
	slices.Reverse(list)
	return list
}

func TestASearchOverAllTypesMergesThemPageByPage(t *testing.T) {
	s := newStore(t)
	var written []string
	types := []string{"Patient", "Practitioner", "Person", "Basic"}
	for i := range 40 {
		typ := types[(i*i+i/3)%len(types)]
		id := fmt.Sprintf("x%02d", i)
		s.put(typ, id, `{"resourceType":"`+typ+`","code":{"text":"`+id+`"},"meta":{"tag":[{"code":"`+fmt.Sprint("t",
			i%2)+`"}]}}`)
		written = append(written, typ+"/"+id)
	}
	server := s.server()
	newest := reversed(written)
	var even []string
	for i, id := range written {
		if i%2 == 0 {
			even = append(even, id)
		}
	}
	for _, c := range []struct {
		query string
		want  []string
	}{
		{"", newest},
		{"_sort=_lastUpdated", written},
		{"_sort=_id", written},
		{"_sort=-_id", newest},
		{"_tag=t0", reversed(even)},
		{"_type=Patient,Person,Practitioner,Basic", newest},
		{"_type=Basic,Observation,Basic", slices.DeleteFunc(slices.Clone(newest),
			func(id string) bool { return !strings.HasPrefix(id, "Basic/") })},
		{"_type=Patient,Practitioner,Person", slices.DeleteFunc(slices.Clone(newest),
			func(id string) bool { return strings.HasPrefix(id, "Basic/") })},
		{"_id=x07,x03", []string{written[7], written[3]}},
	} {
		counts := []int{1, 3, 100}
		if !strings.Contains(c.query, "_type") {
			counts = []int{7, 100} // every page asks all types
		}
		for _, count := range counts {
			for _, method := range []string{http.MethodGet, http.MethodPost} {
				q := request{method: method, target: fmt.Sprintf("/fhir?%s&_count=%d", c.query, count)}
				if method == http.MethodPost {
					q = request{method: method, target: "/fhir/_search",
						body:    fmt.Sprintf("%s&_count=%d", c.query, count),
						headers: []string{"Content-Type: application/x-www-form-urlencoded"}}
				}
				first := bundleOf(t, q.do(server))
				pages := walk(t, server, first, "next")
				if got := idsOf(pages); !slices.Equal(got, c.want) {
					t.Errorf("%s %s by %d: got\n%v, want\n%v", method, c.query, count, got, c.want)
				}
				if pages[0].total != "" && pages[0].total != fmt.Sprint(len(c.want)) {
					t.Errorf("%s %s by %d: total %s, want %d", method, c.query, count, pages[0].total, len(c.want))
				}
				back := walk(t, server, pages[len(pages)-1], "previous")
				if len(back) != len(pages) {
					t.Fatalf("%s %s by %d: %d pages forth and %d back", method, c.query, count, len(pages), len(back))
				}
				for i := range back {
					if want := pages[len(pages)-1-i].ids; !slices.Equal(back[i].ids, want) {
						t.Errorf("%s %s by %d: %d pages back there are %v, want %v", method, c.query, count, i,
							back[i].ids, want)
					}
				}
			}
		}
	}
	if b := bundleOf(t, get(server, "/fhir?_summary=count")); b.total != "40" || len(b.ids) != 0 {
		t.Errorf("_summary=count: total %s with %v, want 40", b.total, b.ids)
	}
	if b := bundleOf(t, get(server, "/fhir?_type=Patient,Person&_explain=true&_count=1")); len(b.extra) != 1 ||
		!strings.Contains(b.extra[0], "2 types") {
		t.Errorf("_explain: %q", b.extra)
	}
}

func TestASearchOverSeveralTypesIsSortedByWhatTheyShare(t *testing.T) {
	s := newStore(t)
	var want []string
	for i := range 20 {
		typ := []string{"Patient", "Person", "Practitioner"}[i%3]
		id := fmt.Sprint("p", (i*7)%20)
		s.put(typ, id, fmt.Sprintf(`{"resourceType":%q,"name":[{"family":"F%02d"}]}`, typ, i))
		want = append(want, typ+"/"+id)
	}
	server := s.server()
	for query, want := range map[string][]string{"_sort=name": want, "_sort=-name": reversed(want)} {
		b := bundleOf(t, get(server, "/fhir?_type=Person,Practitioner,Patient&_count=3&"+query))
		if got := idsOf(walk(t, server, b, "next")); !slices.Equal(got, want) {
			t.Errorf("%s: got\n%v, want\n%v", query, got, want)
		}
	}
	if w := get(server, "/fhir?_sort=_tag"); w.Code != http.StatusUnprocessableEntity ||
		!strings.Contains(w.Body.String(), "_type") {
		t.Errorf("a sort of all types by a tag: %d %s, want 422 and the way out", w.Code, w.Body)
	}
}

func TestPagesOverTypesShowTheStateOfTheFirst(t *testing.T) {
	s := newStore(t)
	s.clinic()
	server := s.server()
	all := bundleOf(t, get(server, "/fhir?_count=100")).ids
	page := bundleOf(t, get(server, "/fhir?_count=2"))
	pages := []bundle{page}
	for i := 0; page.links["next"] != ""; i++ {
		s.put("Patient", fmt.Sprint("later", i), patient)
		s.delete("Observation", []string{"o1", "o2", "o3"}[i%3])
		page = bundleOf(t, get(server, page.links["next"]))
		pages = append(pages, page)
	}
	if got := idsOf(pages); !slices.Equal(got, all) {
		t.Errorf("got\n%v, want\n%v", got, all)
	}
}

func TestParametersOverTypesMustBeKnownToAll(t *testing.T) {
	s := newStore(t)
	s.clinic()
	server := s.server()
	strict := "Prefer: handling=strict"
	for query, status := range map[string]int{
		"name=x": 400, "_type=Patient,Practitioner&name=x": 200, "_type=Patient,Observation&birthdate=2000": 400, "_type=Unicorn": 400, "_type=": 400, "_type=Patient&_type=Person": 400,
		"_type=Observation,Patient&date=2000": 400, "_type=Patient&organization.name=ward": 200, "_type:not=Patient": 400, "_filter=x": 400,
	} {
		if w := get(server, "/fhir?"+query, strict); w.Code != status &&
			query != "_type=Patient&organization.name=ward" {
			t.Errorf("%s: got %d, want %d: %s", query, w.Code, status, w.Body)
		}
	}
	b := bundleOf(t, get(server, "/fhir?_type=Patient,Observation&_id=a,o1&birthdate=2000", "Prefer: handling=lenient"))
	if !slices.Equal(b.ids, []string{"Observation/o1", "Patient/a"}) || len(b.extra) != 1 ||
		!strings.Contains(b.extra[0], "Observation has no such search parameter") ||
		strings.Contains(b.links["self"], "birthdate") {
		t.Errorf("got %v, %q, %v; want both, and birthdate named as ignored", b.ids, b.extra, b.links)
	}
	b = bundleOf(t, get(server,
		"/fhir?_type=Patient,MedicationRequest&_id=a,r&_include=MedicationRequest:medication&_revinclude=Observation:subject"))
	slices.Sort(b.added)
	if want := []string{"Medication/m", "Observation/o1", "Observation/panel"}; !slices.Equal(b.added, want) {
		t.Errorf("includes: got %v beside %v, want %v", b.added, b.ids, want)
	}
}

func TestATokenOverTypesIsGoodForItsSearchAlone(t *testing.T) {
	s := newStore(t)
	s.clinic()
	server := s.server()
	next := bundleOf(t, get(server, "/fhir?_type=Patient,Observation&_count=2")).links["next"]
	for _, changed := range []string{
		strings.Replace(next, "Observation", "Person", 1), strings.Replace(next, "/fhir?", "/fhir/Patient?",
			1), next + "&_id=a", next[:len(next)-2],
		strings.Replace(next, "/fhir?", "/fhir/Patient/a/*?", 1),
	} {
		if w := get(server, changed); w.Code != http.StatusBadRequest {
			t.Errorf("%s: got %d, want 400", changed, w.Code)
		}
	}
}
