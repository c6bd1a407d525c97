package infra

import (
	"fmt"
	"strings"
	"testing"

	"binnacle/events/fhir"
)

// TestReadingEntriesAnswerAsHTTPDoes: dots in ids and values are no way up, and lastModified is as exact as the
// version's.
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

// TestATransactionThatCannotReadTakesNoEffect: a read that is wrong by its form refuses everything, and is told with
// its place; what only the answer can tell stays in its entry. In a batch each entry stands alone.
func TestATransactionThatCannotReadTakesNoEffect(t *testing.T) {
	_, server := embedded(t, "--position-wait", "500ms")
	send := func(kind, url string) exchange {
		return exchanged(t, server, "POST", "/fhir", `{"resourceType":"Bundle","type":"`+kind+`","entry":[{"resource":{"resourceType":"Basic","code":{"text":"x"}},"request":{"method":"POST","url":"Basic"}},`+
			`{"request":{"method":"GET","url":"`+url+`"}}]}`)
	}
	for url, status := range map[string]int{
		"Nope/1": 404, "Nope?name=x": 404, "Patient/$x": 404, "Patient/1/$everything": 404, "$x": 404, "Patient/1/Nope": 404, "Patient/a_b": 404, "Patient/1/_history/x": 404,
		"Patient/_history?_count=many": 400, "_history?_type=Nope": 400, "Patient/_search": 405,
		"Patient?foo=bar": 400, "Patient?name:nonsense=x": 400, "Patient?birthdate=soon": 400, "Patient?gender=": 400, "Patient?_count=many": 400, "Patient?_sort=nope": 400,
		"Patient?_include=Nope:x": 400, "Patient?_has:Observation:nope:code=x": 400, "Patient?_page=x": 400, "Patient?_page=x&_page=y": 400, "Patient?name=%zz": 400,
		"Patient?_asOf=yesterday": 400, "Patient?_asOf=7:0": 400, "Patient?_format=turtle": 406, "?_type=Nope": 400, "?foo=bar": 400, "?_sort=name": 400, "Patient/1/Observation?foo=bar": 400,
		"Patient/1?_summary=nope": 400, "Patient/1?_asOf=0:0": 400, "Patient/1/_history?_count=many": 400, "Patient/1/_history?_since=soon": 400, "Patient/1/_history?_page=x": 400,
		"metadata?mode=terminology": 400,
	} {
		got := send("transaction", url)
		if got.status != status || !strings.Contains(got.body, `"Bundle.entry[1].request.url"`) {
			t.Errorf("%s: got %d %s, want %d and its place", url, got.status, got.body, status)
		}
	}
	if got := exchanged(t, server, "GET", "/fhir/Basic?_summary=count", ""); !strings.Contains(got.body, `"total":0`) {
		t.Errorf("something took effect: %s", got.body)
	}
	stays := []struct{ url, status string }{{"Patient/none", "404"}, {"Patient/none/_history/7", "404"}, {"Patient/none/_history", "404"}, {"Patient?name=x", "200"}, {"metadata", "200"},
		{"Patient/none/Observation", "200"}, {"Patient?_asOf=0:999999", "503"}}
	for _, c := range stays {
		got := send("transaction", c.url)
		if got.status != 200 || !strings.Contains(got.body, `"status":"201"`) || !strings.Contains(got.body, `"status":"`+c.status+`"`) {
			t.Errorf("%s: got %d %s, want a Basic and %s", c.url, got.status, got.body, c.status)
		}
	}
	if got := send("batch", "Patient?foo=bar"); got.status != 200 || !strings.Contains(got.body, `"status":"201"`) || !strings.Contains(got.body, `"status":"400"`) {
		t.Errorf("a batch: got %d %s", got.status, got.body)
	}
	if got := exchanged(t, server, "GET", "/fhir/Basic?_summary=count", ""); !strings.Contains(got.body, fmt.Sprintf(`"total":%d`, len(stays)+1)) {
		t.Errorf("got %s, want all of the others", got.body)
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

// TestAHistoryTellsWhatTheAnswersSaid follows one resource from a create over a deletion to the update that brings it
// back.
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

// TestASmallBundleCannotAskForMoreThanAnAnswerHolds: it names one large resource many times. What has no room is told,
// entry by entry.
func TestASmallBundleCannotAskForMoreThanAnAnswerHolds(t *testing.T) {
	_, server := embedded(t, "--max-body", "100000")
	big := `{"resourceType":"Patient","id":"big","name":[{"family":"` + strings.Repeat("x", 60_000) + `"}]}`
	if got := exchanged(t, server, "PUT", "/fhir/Patient/big", big); got.status != 201 {
		t.Fatalf("got %d %s", got.status, got.body)
	}
	read := strings.TrimSuffix(strings.Repeat(`{"request":{"method":"GET","url":"Patient/big"}},`, 40), ",")
	match := strings.TrimSuffix(strings.Repeat(`{"resource":{"resourceType":"Patient"},"request":{"method":"POST","url":"Patient","ifNoneExist":"_id=big"}},`, 40), ",")
	for _, c := range []struct {
		kind, entries, status string
		prefer                []string
	}{{"batch", read, "413", nil}, {"transaction", read, "413", nil}, {"batch", match, "200", []string{"Prefer: return=representation"}}} {
		got := exchanged(t, server, "POST", "/fhir", `{"resourceType":"Bundle","type":"`+c.kind+`","entry":[`+c.entries+`]}`, c.prefer...)
		if len(got.body) > 300_000 || strings.Count(got.body, `"family"`) != 3 {
			t.Errorf("%s: an answer of %d bytes has the resource %d times, want 3", c.kind, len(got.body), strings.Count(got.body, `"family"`))
		}
		doc, err := fhir.Parse([]byte(got.body))
		if err != nil {
			t.Fatal(err)
		}
		entries := 0
		for entry := range doc.Root().Get("entry").Items() {
			entries++
			if status := entry.Get("response").Get("status").Text(); !entry.Get("resource").Exists() && status != c.status {
				t.Errorf("%s: an entry without room says %s, want %s", c.kind, status, c.status)
			}
		}
		if entries != 40 {
			t.Errorf("%s: %d entries are answered", c.kind, entries)
		}
	}
}
