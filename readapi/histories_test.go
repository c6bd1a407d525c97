package readapi_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"binnacle/readapi"
)

// past tells method, URL and status of each entry of a history, with the version that it is about.
func past(b bundle) (lines []string) {
	for entry := range b.node.Get("entry").Items() {
		request, response := entry.Get("request"), entry.Get("response")
		full := strings.TrimPrefix(entry.Get("fullUrl").Text(), "http://example.org/fhir/")
		lines = append(lines, fmt.Sprintf("%s %s %s %s/%s", request.Get("method").Text(), request.Get("url").Text(),
			response.Get("status").Text(), full, strings.Trim(response.Get("etag").Text(), `W/"`)))
	}
	return lines
}

// several writes versions of several types, a second after the other from 08:00:01.25 on.
func several(t *testing.T) *store {
	t.Helper()
	s := newStore(t)
	s.put("Patient", "1", `{"resourceType":"Patient","active":false}`)
	s.post("Observation", "1", `{"resourceType":"Observation","status":"final","code":{"text":"x"}}`)
	s.put("Patient", "1", `{"resourceType":"Patient","active":true}`)
	s.put("Patient", "2", `{"resourceType":"Patient"}`)
	s.delete("Patient", "1")
	s.put("Organization", "1", `{"resourceType":"Organization","name":"x"}`)
	s.put("Patient", "1", `{"resourceType":"Patient"}`)
	s.put("List", "some", `{"resourceType":"List","status":"current","mode":"working","entry":[
		{"item":{"reference":"Patient/2"}},{"item":{"reference":"Patient/1/_history/2"}},
		{"item":{"reference":"http://example.org/fhir/Observation/1"}},{"deleted":true,"item":{"reference":"Organization/1"}},
		{"item":{"reference":"http://elsewhere.org/fhir/Organization/1"}},{"item":{"reference":"Patient/1/_history/x"}},
		{"item":{"display":"nothing"}},{"item":{"reference":"Patient/never"}}]}`)
	return s
}

func TestHistoriesOfATypeAndOfAllTypes(t *testing.T) {
	server := several(t).server()
	all := []string{"PUT List/some 201 List/some/1", "PUT Patient/1 201 Patient/1/4", "PUT Organization/1 201 Organization/1/1",
		"DELETE Patient/1 204 Patient/1/3", "PUT Patient/2 201 Patient/2/1", "PUT Patient/1 200 Patient/1/2",
		"POST Observation 201 Observation/1/1", "PUT Patient/1 201 Patient/1/1"}
	patients := []string{all[1], all[3], all[4], all[5], all[7]}
	listed := []string{all[4], all[5], all[6]}
	backwards := slices.Clone(patients)
	slices.Reverse(backwards)
	for _, c := range []struct {
		target string
		want   []string
	}{
		{"/_history", all},
		{"/_history?_type=Patient", patients},
		{"/_history?_type=Observation,Organization,Group", []string{all[2], all[6]}},
		{"/_history?_type=Patient,Patient", patients},
		{"/_history?_type=Group", nil},
		{"/_history?_since=2026-03-01T08:00:06.250Z", all[:3]},
		{"/_history?_since=2027", nil},
		{"/_history?_at=2026-03-01T08:00:05.250Z", []string{all[3], all[4], all[6]}},
		{"/_history?_at=2026-03-02", []string{all[0], all[1], all[2], all[4], all[6]}},
		{"/_history?_at=2026-02-28", nil},
		{"/_history?_at=2026", all},
		{"/_history?_at=ge2026-03-01T08:00:07.249Z", []string{all[0], all[1], all[2], all[3], all[4], all[6]}},
		{"/Patient/_history?_at=lt2026-03-01T08:00:04Z&_at=gt2026-03-01T08:00:01.250Z", patients[3:]},
		{"/_history?_list=some", listed},
		{"/_history?_list=List/some&_type=Patient", listed[:2]},
		{"/_history?_list=http://example.org/fhir/List/some&_since=2026-03-01T08:00:04.250Z", listed[:1]},
		{"/Patient/_history", patients},
		{"/Patient/_history?_sort=_lastUpdated", backwards},
		{"/Patient/_history?_sort=-_lastUpdated", patients},
		{"/Patient/_history?_sort=none", patients},
		{"/Patient/_history?_since=2026-03-01T08:00:05.250Z", patients[:2]},
		{"/Patient/_history?_at=2026-03-01T08:00:03.999Z", patients[3:4]},
		{"/Patient/_history?_list=some", listed[:2]},
		{"/Group/_history", nil},
		{"/Group/_history?_list=some", nil},
		{"/Patient/1/_history?_list=some", listed[1:2]},
		{"/Patient/1/_history?_sort=_lastUpdated", []string{all[7], all[5], all[3], all[1]}},
		{"/Organization/1/_history?_list=some", nil},
	} {
		b := bundleOf(t, get(server, "/fhir"+c.target))
		if got := past(b); b.kind != "history" || b.total != fmt.Sprint(len(c.want)) || !slices.Equal(got, c.want) {
			t.Errorf("%s: got %s of %s, %q; want %d, %q", c.target, b.kind, b.total, got, len(c.want), c.want)
		}
		separator := "?"
		if strings.Contains(c.target, "?") {
			separator = "&"
		}
		b = bundleOf(t, get(server, "/fhir"+c.target+separator+"_count=0"))
		if b.total != fmt.Sprint(len(c.want)) || len(past(b)) > 0 || b.links["next"] != "" {
			t.Errorf("%s: without entries: %s of %s, next %q", c.target, past(b), b.total, b.links["next"])
		}
		for count := 1; count <= 3; count++ {
			pages := walk(t, server, bundleOf(t, get(server, fmt.Sprintf("/fhir%s%s_count=%d", c.target, separator, count))), "next")
			var got []string
			for _, page := range pages {
				got = append(got, past(page)...)
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("%s: pages of %d: got %q, want %q", c.target, count, got, c.want)
			}
			back := walk(t, server, pages[len(pages)-1], "previous")
			if len(back) != len(pages) || !slices.Equal(past(back[len(back)-1]), past(pages[0])) {
				t.Errorf("%s: %d pages of %d, and back %d, to %q", c.target, len(pages), count, len(back), past(back[len(back)-1]))
			}
		}
	}
}

func TestHistoriesArePagedWhileWritesGoOn(t *testing.T) {
	for _, target := range []string{"/_history", "/Patient/_history", "/_history?_sort=_lastUpdated", "/_history?_list=some",
		"/_history?_at=2026-03-01", "/Patient/_history?_since=2026-03-01"} {
		s := several(t)
		server := s.server()
		want := past(bundleOf(t, get(server, "/fhir"+target)))
		separator := "?"
		if strings.Contains(target, "?") {
			separator = "&"
		}
		next := "/fhir" + target + separator + "_count=2"
		var got []string
		var totals, tokens []string
		var b bundle
		for next != "" {
			b = bundleOf(t, get(server, next))
			got, totals, next = append(got, past(b)...), append(totals, b.total), b.links["next"]
			if _, token, found := strings.Cut(next, "_page="); found {
				tokens = append(tokens, token)
			}
			s.put("Patient", "2", `{"resourceType":"Patient","active":true}`)
			s.delete("Patient", "1")
			s.put("Patient", "1", `{"resourceType":"Patient"}`)
			s.put("List", "some", `{"resourceType":"List","status":"current","mode":"working"}`)
		}
		totals = slices.Compact(totals)
		if !slices.Equal(got, want) || len(totals) != 1 || totals[0] != fmt.Sprint(len(want)) {
			t.Errorf("%s: got %q, totals %v; want %q", target, got, totals, want)
		}
		for _, token := range tokens {
			if len(token) > 40 {
				t.Errorf("%s: the token %q is long", target, token)
			}
		}
		first := past(walk(t, server, b, "previous")[len(tokens)])
		if !slices.Equal(first, want[:2]) {
			t.Errorf("%s: back on the first page: %q, want %q", target, first, want[:2])
		}
	}
}

// TestTheTokenOfAHistoryIsAPlaceInNoOther: neither in one of another type, nor of other times, nor in a search.
func TestTheTokenOfAHistoryIsAPlaceInNoOther(t *testing.T) {
	server := several(t).server(func(c *readapi.Config) { c.Tenants = []string{"other"} })
	next := bundleOf(t, get(server, "/fhir/Patient/_history?_count=1&_since=2026")).links["next"]
	for what, target := range map[string]string{
		"another type":     strings.Replace(next, "/Patient/", "/Observation/", 1),
		"all types":        strings.Replace(next, "/Patient/", "/", 1),
		"one resource":     strings.Replace(next, "/Patient/", "/Patient/1/", 1),
		"another time":     strings.Replace(next, "_since=2026", "_since=2025", 1),
		"another order":    next + "&_sort=_lastUpdated",
		"a list":           next + "&_list=some",
		"another tenant":   strings.Replace(next, "/fhir/", "/t/other/fhir/", 1),
		"a search":         strings.Replace(next, "/_history?_since=2026&", "?", 1),
		"a damaged token":  next[:len(next)-1],
		"a token of lists": strings.Replace(next, "_page=", "_list=some&_page=", 1),
	} {
		if w := get(server, target); w.Code != http.StatusBadRequest {
			t.Errorf("%s: got %d, want 400: %s", what, w.Code, w.Body)
		}
	}
	if w := get(server, strings.Replace(next, "_count=1", "_count=3&_summary=true&_format=json", 1)); w.Code != http.StatusOK {
		t.Errorf("another count, and parts: got %d: %s", w.Code, w.Body)
	}
}

func TestHistoriesShowPartsAndStayWithTheirTenant(t *testing.T) {
	s := several(t)
	server := s.server(func(c *readapi.Config) { c.MaxValues, c.Tenants = 3, []string{"other"} })
	b := bundleOf(t, get(server, "/fhir/_history?_type=Organization,List&_elements=status&_count=1"))
	for _, page := range walk(t, server, b, "next") {
		for entry := range page.node.Get("entry").Items() {
			resource := entry.Get("resource")
			if resource.Get("name").Exists() || resource.Get("entry").Exists() || !resource.Get("meta").Get("tag").Exists() {
				t.Errorf("more than the elements: %s", resource.Raw())
			}
		}
	}
	if b := bundleOf(t, get(server, "/fhir/Patient/_history?_summary=count")); b.total != "5" || len(past(b)) > 0 {
		t.Errorf("_summary=count: %s, %q", b.total, past(b))
	}
	if b := bundleOf(t, get(server, "/t/other/fhir/_history")); b.total != "0" || len(past(b)) > 0 {
		t.Errorf("another tenant sees %q", past(b))
	}
	if w := get(server, "/fhir/_history?_list=some"); w.Code != http.StatusUnprocessableEntity ||
		!strings.Contains(w.Body.String(), "too-costly") {
		t.Errorf("a list that is too long: %d %s", w.Code, w.Body)
	}
	s.delete("List", "some")
	if w := get(server, "/fhir/_history?_list=some"); w.Code != http.StatusBadRequest {
		t.Errorf("a list that is deleted: %d %s", w.Code, w.Body)
	}
	w := request{method: "HEAD", target: "/fhir/_history?_count=1"}.do(server)
	if w.Code != http.StatusOK || linksOf(w.Header())["next"] == "" {
		t.Errorf("HEAD: %d, %v", w.Code, w.Header())
	}
	if w := get(server, "/fhir/_history?_count=1", "Binnacle-Min-Position: 0:7"); w.Code != http.StatusOK ||
		w.Header().Get("Binnacle-Position") != "0:8" {
		t.Errorf("with a position: %d %v", w.Code, w.Header())
	}
}
