package infra

import (
	"strings"
	"testing"

	"binnacle/events/fhir"
)

// TestReadingEntriesAnswerAsHTTPDoes: dots in ids and values are no way up, and lastModified is as exact as the version's.
func TestReadingEntriesAnswerAsHTTPDoes(t *testing.T) {
	_, server := embedded(t)
	exchanged(t, server, "PUT", "/fhir/Patient/a..b", `{"resourceType":"Patient","id":"a..b","name":[{"family":"Wait...x"}]}`)
	exchanged(t, server, "PUT", "/fhir/Patient/gone", `{"resourceType":"Patient","id":"gone"}`)
	exchanged(t, server, "DELETE", "/fhir/Patient/gone", "")
	updated, err := fhir.Parse([]byte(exchanged(t, server, "GET", "/fhir/Patient/a..b", "").body))
	if err != nil {
		t.Fatal(err)
	}
	entries := []struct{ url, status string }{
		{"Patient/a..b", "200"}, {"Patient/a..b/_history/1", "200"}, {"Patient/a..b/_history", "200"}, {"Patient?family=Wait...x", "200"}, {"Patient/gone", "410"},
		{"Patient/..", "404"}, {"../metrics", "404"}, {"Patient/../../../metrics", "404"}, {"%2e%2e/metrics", "404"}, {"../../health", "404"},
	}
	var asked []string
	for _, e := range entries {
		asked = append(asked, `{"request":{"method":"GET","url":"`+e.url+`"}}`)
	}
	got, err := fhir.Parse([]byte(exchanged(t, server, "POST", "/fhir", `{"resourceType":"Bundle","type":"batch","entry":[`+strings.Join(asked, ",")+`]}`).body))
	if err != nil {
		t.Fatal(err)
	}
	i := 0
	for entry := range got.Root().Get("entry").Items() {
		response := entry.Get("response")
		if status := response.Get("status").Text(); status != entries[i].status {
			t.Errorf("%s: got %s", entries[i].url, entry.Raw())
		}
		switch modified := response.Get("lastModified").Text(); {
		case i < 2 && modified != updated.Root().Get("meta").Get("lastUpdated").Text():
			t.Errorf("%s: lastModified %s, want that of %s", entries[i].url, modified, updated.Bytes())
		case entries[i].status == "410" && modified == "":
			t.Errorf("%s: it is not told when it was deleted: %s", entries[i].url, entry.Raw())
		case i == 2 || i == 3:
			if total := entry.Get("resource").Get("total").Text(); total != "1" || modified != "" {
				t.Errorf("%s: got %s", entries[i].url, entry.Raw())
			}
		}
		i++
	}
}

// TestAHistoryTellsWhatTheAnswersSaid follows one resource from a create over a deletion to the update that brings it back.
func TestAHistoryTellsWhatTheAnswersSaid(t *testing.T) {
	_, server := embedded(t)
	created, err := fhir.Parse([]byte(exchanged(t, server, "POST", "/fhir/Patient", `{"resourceType":"Patient"}`).body))
	if err != nil {
		t.Fatal(err)
	}
	id := created.Root().Get("id").Text()
	exchanged(t, server, "DELETE", "/fhir/Patient/"+id, "")
	want := []string{"PUT Patient/" + id + " 201", "DELETE Patient/" + id + " 204", "POST Patient 201"}
	if got := exchanged(t, server, "PUT", "/fhir/Patient/"+id, `{"resourceType":"Patient","id":"`+id+`"}`); got.status != 201 {
		t.Errorf("bringing it back: got %d", got.status)
	}
	history, err := fhir.Parse([]byte(exchanged(t, server, "GET", "/fhir/Patient/"+id+"/_history", "").body))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for entry := range history.Root().Get("entry").Items() {
		got = append(got, entry.Get("request").Get("method").Text()+" "+entry.Get("request").Get("url").Text()+" "+entry.Get("response").Get("status").Text())
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
