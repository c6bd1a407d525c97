package node

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"binnacle/events/fhir/rest"
)

// laterOffers are the cases of the rows where clients ask for what is answered later. Before each of them its request
// "later" is made, and {later} is where its answer will be.
var laterOffers = []offer{
	{name: "an answer that is there", row: "GET /_async/:id", later: "GET Patient?_id={id}", ask: "GET {later}", status: 200,
		holds: []string{`"type":"batch-response"`, `"type":"searchset"`, `"status":"200"`}, onlyAlone: notInBundles},
	{name: "an answer that is not there yet", row: "GET /_async/:id", later: "GET Patient?_id={id}", never: true,
		ask: "GET {later}", status: 202, holds: []string{"OperationOutcome"},
		then: []string{"DELETE {later} 202", "GET {later} 404"}, onlyAlone: notInBundles},
	{name: "a copy of an answer", row: "GET /_async/:id", later: "GET Patient?_id={id}", ask: "GET {later}", status: 304,
		headers: []string{"If-None-Match: *"}, onlyAlone: notInBundles},
	{name: "a parameter that is not known", row: "GET /_async/:id", later: "GET Patient?_id={id}", ask: "GET {later}?x=1",
		headers: []string{"Prefer: handling=strict"}, status: 400, code: "not-supported", onlyAlone: notInBundles},
	{name: "an id that nobody has", row: "GET /_async/:id", ask: "GET _async/{id}", status: 404, code: "not-found",
		onlyAlone: notInBundles},
	{name: "an answer that is wanted no more", row: "DELETE /_async/:id", later: "GET Patient?_id={id}",
		ask: "DELETE {later}", status: 202, holds: []string{"OperationOutcome"},
		then: []string{"GET {later} 404", "DELETE {later} 404"}, onlyAlone: notInBundles},
	{name: "a parameter that is not known, of a deletion", row: "DELETE /_async/:id", later: "GET Patient?_id={id}",
		ask: "DELETE {later}?x=1", headers: []string{"Prefer: handling=strict"}, status: 400, code: "not-supported",
		onlyAlone: notInBundles},
	{name: "a deletion of what nobody has", row: "DELETE /_async/:id", ask: "DELETE _async/{id}", status: 404,
		code: "not-found", onlyAlone: notInBundles},
}

const notInBundles = "an entry of a bundle is answered at once"

// begin makes a request that is answered later, and returns where: below the root. One that never ends asks for a
// position that does not come.
func (w *offerWalk) begin(t *testing.T, c offer, in func(string) string) string {
	t.Helper()
	method, url, _ := strings.Cut(in(c.later), " ")
	headers := []string{"Prefer: respond-async"}
	if c.never {
		headers = append(headers, rest.HeaderMinPosition+": 0:999999999")
	}
	got := w.send(t, method, url, "", headers...)
	at := below(got)
	if got.status != http.StatusAccepted || at == "" {
		t.Fatalf("%s: got %d %v %.300s, want 202", c.later, got.status, got.header, got.body)
	}
	if !c.never {
		w.fetch(t, at)
	}
	return at
}

// below is the place of an answer below the root.
func below(got answered) string {
	_, at, _ := strings.Cut(got.header.Get("Content-Location"), "/fhir/")
	return at
}

// fetch waits for an answer.
func (w *offerWalk) fetch(t *testing.T, at string) answered {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		got := w.send(t, "GET", at, "")
		if got.status != http.StatusAccepted || time.Now().After(deadline) {
			return got
		}
	}
}

// holdLater makes a case with an answer that is fetched later, and holds that it says what is said at once.
func (w *offerWalk) holdLater(t *testing.T, c offer, alone *answered, method, url, body string, headers []string,
	in func(string) string) {
	t.Helper()
	prefer := "Prefer: respond-async"
	headers = slices.DeleteFunc(slices.Clone(headers), func(header string) bool {
		wish, is := strings.CutPrefix(header, "Prefer: ")
		if is {
			prefer += ", " + wish
		}
		return is
	})
	got := w.send(t, method, url, body, append(headers, prefer)...)
	if got.header.Get("Preference-Applied") == "" { // at once: the form is wrong, or the answer is never long
		if long := slices.ContainsFunc(w.rows, func(row rest.Row) bool {
			return row.Long && row.Method+" "+row.Path == c.row
		}); long && c.status < 400 {
			t.Errorf("later: got %d at once: %.300s", got.status, got.body)
		}
		w.holdAlone(t, c, got, in)
		return
	}
	if got.status != http.StatusAccepted || below(got) == "" {
		t.Fatalf("later: got %d %v %.300s", got.status, got.header, got.body)
	}
	got = w.fetch(t, below(got))
	var bundle struct {
		Type  string
		Entry []struct {
			Response struct {
				Status, Location, Etag, LastModified string
				Outcome                              json.RawMessage
			}
			Resource json.RawMessage
		}
	}
	if err := json.Unmarshal([]byte(got.body), &bundle); err != nil || got.status != http.StatusOK ||
		bundle.Type != "batch-response" || len(bundle.Entry) != 1 {
		t.Fatalf("later: got %d %.500s (%v)", got.status, got.body, err)
	}
	entry := bundle.Entry[0]
	if entry.Response.Status != strconv.Itoa(c.status) || c.code != "" &&
		issueOf(string(entry.Response.Outcome)).code != c.code || c.status >= 400 && entry.Resource != nil {
		t.Errorf("later: got %+v, want %d %s", entry, c.status, c.code)
	}
	for _, text := range c.holds {
		if !strings.Contains(string(entry.Resource)+string(entry.Response.Outcome), in(text)) {
			t.Errorf("later: the answer has no %q: %.500s", in(text), got.body)
		}
	}
	if tag, modified := alone.header.Get("ETag"), alone.header.Get("Last-Modified"); entry.Response.Etag != tag ||
		(entry.Response.LastModified == "") != (modified == "") ||
		(entry.Response.Location == "") != (alone.header.Get("Location") == "") {
		t.Errorf("later: the entry has %+v, alone it had %v", entry.Response, alone.header)
	}
}
