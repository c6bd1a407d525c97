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

// TestParametersHaveNoEndpoint: they travel in requests and answers of operations alone (FHIR R4, parameters.html).
func TestParametersHaveNoEndpoint(t *testing.T) {
	_, server := embedded(t)
	const content = `{"resourceType":"Parameters","id":"p"}`
	for _, c := range []struct{ method, path, body string }{
		{"PUT", "/fhir/Parameters/p", content}, {"POST", "/fhir/Parameters", content}, {"DELETE", "/fhir/Parameters/p", ""}, {"GET", "/fhir/Parameters/p", ""}, {"GET", "/fhir/Parameters", ""},
		{"GET", "/fhir/Parameters/p/_history", ""}, {"PUT", "/fhir/Parameters?_id=p", content}, {"GET", "/fhir/Patient/p/Parameters", ""},
	} {
		if got := exchanged(t, server, c.method, c.path, c.body); got.status != 404 || !strings.Contains(got.body, "Parameters") {
			t.Errorf("%s %s: got %d %s", c.method, c.path, got.status, got.body)
		}
	}
	if got := exchanged(t, server, "GET", "/fhir?_type=Parameters", ""); got.status != 400 {
		t.Errorf("a search of the type: got %d %s", got.status, got.body)
	}
	got := exchanged(t, server, "POST", "/fhir", `{"resourceType":"Bundle","type":"batch","entry":[{"resource":`+content+`,"request":{"method":"PUT","url":"Parameters/p"}}]}`)
	if !strings.Contains(got.body, `"status":"404"`) {
		t.Errorf("in a batch: got %s", got.body)
	}
}

// TestReferencesMayDangleWhereTheOperatorOrTheRequestSaysSo: for writes and deletions.
func TestReferencesMayDangleWhereTheOperatorOrTheRequestSaysSo(t *testing.T) {
	const content = `{"resourceType":"Observation","id":"o","status":"final","code":{"text":"x"},"subject":{"reference":"Patient/none"}}`
	_, strict := embedded(t)
	_, free := embedded(t, "--references", "dangling")
	if got := exchanged(t, strict, "PUT", "/fhir/Observation/o", content); got.status != 409 {
		t.Errorf("enforced: got %d %s", got.status, got.body)
	}
	if got := exchanged(t, free, "PUT", "/fhir/Observation/o", content); got.status != 201 {
		t.Errorf("dangling: got %d %s", got.status, got.body)
	}
	exchanged(t, free, "PUT", "/fhir/Patient/none", `{"resourceType":"Patient","id":"none"}`)
	if got := exchanged(t, free, "DELETE", "/fhir/Patient/none", ""); got.status != 204 {
		t.Errorf("a deletion, dangling: got %d %s", got.status, got.body)
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
