package readapi_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// entries tells method, status, ETag and versionId of each entry of a history.
func entries(b bundle) (lines []string) {
	for entry := range b.node.Get("entry").Items() {
		response := entry.Get("response")
		lines = append(lines, fmt.Sprintf("%s %s %s %s", entry.Get("request").Get("method").Text(),
			response.Get("status").Text(), response.Get("etag").Text(),
			entry.Get("resource").Get("meta").Get("versionId").Text()))
	}
	return lines
}

func TestAHistoryIsNewestFirstWithItsDeletions(t *testing.T) {
	s := newStore(t)
	s.put("Patient", "1", `{"resourceType":"Patient","active":false}`) // 08:00:01.25
	s.put("Patient", "other", `{"resourceType":"Patient"}`)
	s.put("Patient", "1", `{"resourceType":"Patient","active":true}`) // 08:00:03.25
	s.delete("Patient", "1")                                          // 08:00:04.25
	s.put("Patient", "1", `{"resourceType":"Patient"}`)               // 08:00:05.25
	server := s.server()
	all := []string{`PUT 201 W/"4" 4`, `DELETE 204 W/"3" `, `PUT 200 W/"2" 2`, `PUT 201 W/"1" 1`}
	cases := []struct {
		query string
		total string
		want  []string
	}{
		{"", "4", all},
		{"?_count=2", "4", all[:2]},
		{"?_count=0", "4", nil},
		{"?_since=2026-03-01T08:00:03.250Z", "3", all[:3]},
		{"?_since=2026-03-01T10:00:03.250%2B02:00", "3", all[:3]},
		{"?_since=2026-03-01T10:00:03.250+02:00", "3", all[:3]}, // the plus sign was not escaped
		{"?_since=2026", "4", all},
		{"?_since=2027-01-01", "0", nil},
		{"?_at=2026-03-01T08:00:03.999Z", "1", all[2:3]},
		{"?_at=2026-03-01T08:00:04.250Z", "1", all[1:2]},
		{"?_at=2020-03-01T08:00:04Z", "0", nil},
		{"?_at=2026-03-01", "4", all},
		{"?_at=2026-03", "4", all},
		{"?_at=2026", "4", all},
		{"?_at=2026-03-02", "1", all[:1]},
		{"?_at=2026-02-28", "0", nil},
		{"?_at=2026-03-01&_count=2", "4", all[:2]},
		{"?_at=eq2026-03-01", "4", all},
		{"?_at=ge2026-03-01T10:00:04.250 02:00", "2", all[:2]}, // as a client of HAPI's writes it
		{"?_at=gt2026-03-01T08:00:03.250Z", "3", all[:3]},
		{"?_at=sa2026-03-01", "1", all[:1]},
		{"?_at=ge2027", "1", all[:1]},
		{"?_at=le2026-03-01T08:00:03.250Z", "2", all[2:]},
		{"?_at=lt2026-03-01T08:00:03.250Z", "1", all[3:]},
		{"?_at=eb2026-03-01T08:00:04.250Z", "2", all[2:]},
		{"?_at=lt2026-03-01", "0", nil},
		{"?_at=ge2026-03-01T08:00:04Z&_at=lt2026-03-01T08:00:05.250Z", "2", all[1:3]},
		{"?_at=2026-03-01&_at=lt2026-03-01T08:00:02Z", "1", all[3:]},
	}
	for _, c := range cases {
		b := bundleOf(t, get(server, "/fhir/Patient/1/_history"+c.query))
		if got := entries(b); b.kind != "history" || b.total != c.total || !slices.Equal(got, c.want) {
			t.Errorf("%q: got %s, total %s, %q; want total %s, %q", c.query, b.kind, b.total, got, c.total, c.want)
		}
	}
	b := bundleOf(t, get(server, "/fhir/Patient/1/_history?_count=1"))
	entry := slices.Collect(b.node.Get("entry").Items())[0]
	for path, want := range map[string]string{"fullUrl": "http://example.org/fhir/Patient/1"} {
		if got := entry.Get(path).Text(); got != want {
			t.Errorf("%s: got %q, want %q", path, got, want)
		}
	}
	if got := entry.Get("request").Get("url").Text(); got != "Patient/1" {
		t.Errorf("request.url: got %q", got)
	}
	if got := entry.Get("response").Get("lastModified").Text(); got != "2026-03-01T08:00:05.250Z" {
		t.Errorf("response.lastModified: got %q", got)
	}
}

// TestAHistoryTellsWhatWasAsked: how a version came to be, wherever the pages are cut.
func TestAHistoryTellsWhatWasAsked(t *testing.T) {
	s := newStore(t)
	s.post("Patient", "1", `{"resourceType":"Patient"}`)
	s.put("Patient", "1", `{"resourceType":"Patient","active":true}`)
	s.delete("Patient", "1")
	s.put("Patient", "1", `{"resourceType":"Patient","active":false}`)
	s.put("Patient", "1", `{"resourceType":"Patient","active":true}`)
	server := s.server()
	want := []string{"PUT Patient/1 200", "PUT Patient/1 201", "DELETE Patient/1 204", "PUT Patient/1 200",
		"POST Patient 201"}
	for count := 1; count <= 5; count++ {
		var got []string
		for _, page := range walk(t, server, bundleOf(t,
			get(server, fmt.Sprintf("/fhir/Patient/1/_history?_count=%d", count))), "next") {
			for entry := range page.node.Get("entry").Items() {
				request := entry.Get("request")
				got = append(got,
					request.Get("method").Text()+" "+request.Get("url").Text()+" "+entry.Get("response").Get("status").Text())
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("pages of %d: got %q, want %q", count, got, want)
		}
	}
	for at, want := range map[string]string{"04": "PUT 201", "01": "POST 201", "02": "PUT 200"} {
		b := bundleOf(t, get(server, "/fhir/Patient/1/_history?_at=2026-03-01T08:00:"+at+".250Z"))
		if got := entries(b); len(got) != 1 || !strings.HasPrefix(got[0], want) {
			t.Errorf("at %s: got %q, want %s", at, got, want)
		}
	}
}

func TestAHistoryIsPagedWhileWritesGoOn(t *testing.T) {
	s := newStore(t)
	for i := range 7 {
		s.put("Patient", "1", fmt.Sprintf(`{"resourceType":"Patient","multipleBirthInteger":%d}`, i))
	}
	server := s.server()
	b := bundleOf(t, get(server, "/fhir/Patient/1/_history?_count=3"))
	pages := []bundle{b}
	for b.links["next"] != "" {
		s.put("Patient", "1", `{"resourceType":"Patient"}`)
		b = bundleOf(t, get(server, b.links["next"]))
		pages = append(pages, b)
	}
	var got []string
	for i, page := range pages {
		got = append(got, entries(page)...)
		if page.total != "7" {
			t.Errorf("page %d: total %s, want 7", i, page.total)
		}
	}
	if len(got) != 7 || !strings.HasSuffix(got[0], " 7") || !strings.HasSuffix(got[6], " 1") {
		t.Errorf("got %q, want the versions 7 to 1", got)
	}
	back := walk(t, server, b, "previous")
	if len(back) != 3 || !slices.Equal(entries(back[2]), entries(pages[0])) {
		t.Errorf("back: got %q, want %q", entries(back[len(back)-1]), entries(pages[0]))
	}
	if w := get(server, strings.Replace(pages[0].links["next"], "Patient/1", "Patient/2",
		1)); w.Code != http.StatusBadRequest {
		t.Errorf("the token of another resource: got %d, want 400", w.Code)
	}
}

func TestHistoriesThatAreRefused(t *testing.T) {
	s := newStore(t)
	s.put("Patient", "1", `{"resourceType":"Patient"}`)
	server := s.server()
	cases := []struct {
		target  string
		headers []string
		status  int
	}{
		{"/fhir/Patient/2/_history", nil, 404},
		{"/fhir/Patient/2/_history?_since=2027-01-01", nil, 404},
		{"/fhir/Patient/a_b/_history", nil, 404},
		{"/fhir/Unicorn/1/_history", nil, 404},
		{"/fhir/Patient/1/_history?_count=-1", nil, 400},
		{"/fhir/Patient/1/_history?_count=1&_count=2", nil, 400},
		{"/fhir/Patient/1/_history?_since=yesterday", nil, 400},
		{"/fhir/Patient/1/_history?_at=2026-13-01", nil, 400},
		{"/fhir/Patient/1/_history?_at=2026-03-01T08:00:00", nil, 400},
		{"/fhir/Patient/1/_history?_at=ne2026", nil, 400},
		{"/fhir/Patient/1/_history?_at=ap2026", nil, 400},
		{"/fhir/Patient/1/_history?_at=ge", nil, 400},
		{"/fhir/Patient/1/_history?_at=ge2026&_at=lt2026", nil, 400},
		{"/fhir/Patient/1/_history?_at=2026,2025", nil, 400},
		{"/fhir/Patient/1/_history?_page=AQ", nil, 400},
		{"/fhir/Patient/1/_history?_sort=_lastUpdated", nil, 200},
		{"/fhir/Patient/1/_history?_sort=_id", nil, 400},
		{"/fhir/Patient/1/_history?_sort=_lastUpdated,_id", nil, 400},
		{"/fhir/Patient/1/_history?_sort=none&_sort=none", nil, 400},
		{"/fhir/Patient/1/_history?_asOf=0:1", nil, 400},
		{"/fhir/Patient/1/_history?_type=Patient", nil, 200}, // it means nothing there
		{"/fhir/Patient/1/_history?_type=Patient", []string{"Prefer: handling=strict"}, 400},
		{"/fhir/Patient/1/_history?_summary=nonsense", nil, 400},
		{"/fhir/Patient/1/_history?_list=a_b", nil, 400},
		{"/fhir/Patient/1/_history?_list=Group/1", nil, 400},
		{"/fhir/Patient/1/_history?_list=http://elsewhere.org/fhir/List/1", nil, 400},
		{"/fhir/Patient/1/_history?_format=application/fhir+json;charset=utf-8", nil, 200},
		{"/fhir/Patient/1/_history?x=_id", []string{"Prefer: handling=strict"}, 400},
		{"/fhir/Patient/1/_history?_list=1", nil, 400},
		{"/fhir/Patient/1/_history?%zz", nil, 400},
		{"/fhir/Patient/_history?_count=x", nil, 400},
		{"/fhir/Patient/1/_history?_since=", nil, 400},
		{"/fhir/Patient/_history?_list=", nil, 400},
		{"/fhir/_history?_list", nil, 400},
		{"/fhir/_history?_type=", nil, 400},
		{"/fhir/_history?_since=", nil, 400},
		{"/fhir/_history?_at=2026&_at=", nil, 400},
		{"/fhir/_history?_sort=", nil, 400},
		{"/fhir/_history?_count=", nil, 400},
		{"/fhir/_history?_page=", nil, 400},
		{"/fhir/Patient/_history?_since=yesterday", nil, 400},
		{"/fhir/Patient/_history?_at=gt2026-13", nil, 400},
		{"/fhir/Patient/_history?_list=1", nil, 400},
		{"/fhir/Patient/_history?_page=AQ", nil, 400},
		{"/fhir/Patient/_history?_type=Patient", nil, 200},
		{"/fhir/Patient/_history?_type=Patient", []string{"Prefer: handling=strict"}, 400},
		{"/fhir/Patient/_history?active=true", nil, 200},
		{"/fhir/Patient/_history?active=true", []string{"Prefer: handling=strict"}, 400},
		{"/fhir/Unicorn/_history", nil, 404},
		{"/fhir/_history?_type=Unicorn", nil, 400},
		{"/fhir/_history?_type=Patient,", nil, 400},
		{"/fhir/_history?_type=Patient&_type=Group", nil, 400},
		{"/fhir/_history?_type=Patient,Group", []string{"Prefer: handling=strict"}, 200},
		{"/fhir/_history?_asOf=0:1", nil, 400},
		{"/fhir/_history?x=1", []string{"Prefer: handling=strict"}, 400},
	}
	for _, c := range cases {
		w := get(server, c.target, c.headers...)
		if w.Code != c.status {
			t.Errorf("%s: status %d, want %d: %s", c.target, w.Code, c.status, w.Body)
		} else if c.status >= 400 {
			outcomeOf(t, w.Body.Bytes())
		}
	}
}
