package infra

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// later is the bundle that a request with respond-async is answered with in the end.
type later struct {
	ResourceType, Type string
	Entry              []struct {
		Resource json.RawMessage
		Response struct {
			Status, ETag, Location, LastModified string
			Outcome                              json.RawMessage
		}
	}
}

// asked sends a request that is to be answered later, and returns the address of its answer.
func asked(t *testing.T, server *httptest.Server, method, target, body string, headers ...string) string {
	t.Helper()
	prefer := "Prefer: respond-async"
	for _, header := range headers {
		if more, is := strings.CutPrefix(header, "Prefer: "); is {
			prefer += ", " + more
		}
	}
	got := exchanged(t, server, method, target, body, append(headers, prefer)...)
	at := got.header.Get("Content-Location")
	if got.status != http.StatusAccepted || !strings.HasPrefix(at, "http") ||
		got.header.Get("Preference-Applied") != "respond-async" || !strings.Contains(got.body, "OperationOutcome") {
		t.Fatalf("%s %s: got %d %v %s, want 202 and where the answer will be", method, target, got.status, got.header,
			got.body)
	}
	return at
}

// answered waits for an answer.
func answered(t *testing.T, server *httptest.Server, at string) (later, exchange) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		got := exchanged(t, server, "GET", at, "")
		if got.status == http.StatusAccepted {
			if got.header.Get("X-Progress") == "" || got.header.Get("Retry-After") == "" || time.Now().After(deadline) {
				t.Fatalf("%s: got %v %s, want progress, and an answer within a minute", at, got.header, got.body)
			}
			continue
		}
		bundle := later{}
		if err := json.Unmarshal([]byte(got.body), &bundle); err != nil || got.status != http.StatusOK ||
			bundle.ResourceType != "Bundle" || bundle.Type != "batch-response" || len(bundle.Entry) != 1 {
			t.Fatalf("%s: got %d %.500s (%v), want a batch-response with one entry", at, got.status, got.body, err)
		}
		return bundle, got
	}
}

// asOfNow is when a bundle of a search or a history was made.
var asOfNow = regexp.MustCompile(`"meta":\{"lastUpdated":"[^"]*"\},"type":"(searchset|history)"`)

func TestEveryLongRequestMayBeAnsweredLaterAsItIsAtOnce(t *testing.T) {
	_, server := embedded(t, "--tenants", "clinic")
	patient := func(id, family string) string {
		return fmt.Sprintf(`{"resourceType":"Patient","id":%q,"name":[{"family":%q}]}`, id, family)
	}
	for n := range 5 {
		id := fmt.Sprint("p", n)
		exchanged(t, server, "PUT", "/fhir/Patient/"+id, patient(id, "Chalmers"))
	}
	exchanged(t, server, "PUT", "/fhir/Patient/p1", patient("p1", "Windsor"))
	form := "Content-Type: application/x-www-form-urlencoded"
	for _, c := range []struct {
		method, target, body string
		headers              []string
	}{
		{"GET", "/fhir/Patient?family=chal&_count=2", "", nil},
		{"GET", "/fhir/Patient?family=chal&_total=none&_elements=name", "", nil},
		{"GET", "/fhir?_type=Patient,Group", "", nil},
		{"POST", "/fhir/Patient/_search", "family=chal", []string{form}},
		{"POST", "/fhir/_search?_type=Patient", "", []string{form}},
		{"GET", "/fhir/Patient/p1/Observation", "", nil},
		{"POST", "/fhir/Patient/p1/*/_search", "_count=3", []string{form}},
		{"GET", "/fhir/Patient/p1/_history", "", nil},
		{"POST", "/fhir", `{"resourceType":"Bundle","type":"batch","entry":[
			{"request":{"method":"GET","url":"Patient/p1"}},{"request":{"method":"GET","url":"Patient/none"}}]}`, nil},
		{"POST", "/fhir", `{"resourceType":"Bundle","type":"transaction","entry":[
			{"request":{"method":"GET","url":"Patient?_id=p1"}}]}`, nil},
		{"GET", "/fhir/Patient/none/_history", "", nil},
		{"DELETE", "/fhir/Patient/none", "", []string{`If-Match: W/"7"`}},
		{"PUT", "/fhir/Patient/p1", patient("p1", "Windsor"), []string{`If-Match: W/"1"`}},
		{"PUT", "/fhir/Patient/p1", patient("p1", "Windsor"), []string{"Prefer: return=representation"}},
	} {
		at := asked(t, server, c.method, c.target, c.body, c.headers...)
		bundle, _ := answered(t, server, at)
		entry := bundle.Entry[0]
		now := exchanged(t, server, c.method, c.target, c.body, c.headers...)
		said := string(entry.Resource)
		if said == "" {
			said = string(entry.Response.Outcome)
		}
		if (entry.Response.Status >= "400") != (entry.Resource == nil) && now.body != "" {
			t.Errorf("%s %s: status %s with resource %.100s", c.method, c.target, entry.Response.Status, entry.Resource)
		}
		undated := func(body string) string { return asOfNow.ReplaceAllString(strings.TrimSpace(body), "") }
		if entry.Response.Status != fmt.Sprint(now.status) || undated(said) != undated(now.body) ||
			entry.Response.ETag != now.header.Get("ETag") || entry.Response.Location != now.header.Get("Location") {
			t.Errorf("%s %s: later %+v\n%s, at once %d %v\n%s", c.method, c.target, entry.Response, said, now.status,
				now.header, now.body)
		}
	}
}

func TestWritesThatAreAnsweredLaterAreMadeOnce(t *testing.T) {
	e, server := embedded(t)
	check := func(status, method, target, body string, headers ...string) later {
		t.Helper()
		bundle, _ := answered(t, server, asked(t, server, method, target, body, headers...))
		if got := bundle.Entry[0].Response.Status; got != status {
			t.Fatalf("%s %s: got %s %s, want %s", method, target, got, bundle.Entry[0].Response.Outcome, status)
		}
		return bundle
	}
	created := check("201", "POST", "/fhir/Patient", `{"resourceType":"Patient"}`)
	if response := created.Entry[0].Response; response.ETag != `W/"1"` || response.LastModified == "" ||
		!strings.Contains(response.Location, "/fhir/Patient/") || len(created.Entry[0].Resource) == 0 {
		t.Errorf("a create: got %+v", created.Entry[0])
	}
	check("201", "PUT", "/fhir/Patient/a", `{"resourceType":"Patient","id":"a"}`, "Prefer: return=minimal")
	check("204", "DELETE", "/fhir/Patient/a", "")
	check("204", "DELETE", "/fhir/Patient?identifier=none", "")
	check("201", "PUT", "/fhir/Patient?identifier=urn:x|1",
		`{"resourceType":"Patient","identifier":[{"system":"urn:x","value":"1"}]}`)
	check("200", "POST", "/fhir/Patient", `{"resourceType":"Patient"}`, "If-None-Exist: identifier=urn:x|1")
	check("409", "POST", "/fhir/Observation", `{"resourceType":"Observation","status":"final","code":{"text":"x"},`+
		`"subject":{"reference":"Patient/none"}}`)
	for range 2 { // a client's own key stands
		check("201", "POST", "/fhir/Patient", `{"resourceType":"Patient","gender":"male"}`, `Idempotency-Key: "mine"`)
	}
	check("422", "POST", "/fhir/Patient", `{"resourceType":"Patient","gender":"female"}`, `Idempotency-Key: "mine"`)
	if got := count(t, server, "/fhir/Patient?gender=male"); got != 1 {
		t.Errorf("one key made %d resources", got)
	}
	const entries = 5_000
	var bundle strings.Builder
	bundle.WriteString(`{"resourceType":"Bundle","type":"batch","entry":[`)
	for n := range entries {
		if n > 0 {
			bundle.WriteString(",")
		}
		fmt.Fprintf(&bundle, `{"resource":{"resourceType":"Basic","id":"b%d","code":{"text":"x"}},`+
			`"request":{"method":"PUT","url":"Basic/b%d"}}`, n, n)
	}
	bundle.WriteString("]}")
	at := asked(t, server, "POST", "/fhir", bundle.String())
	seen := ""
	for !strings.Contains(seen, " of 5,000 entries") {
		got := exchanged(t, server, "GET", at, "")
		if seen = got.header.Get("X-Progress"); got.status == http.StatusOK {
			t.Fatal("a large batch never told how many of its entries are done")
		}
	}
	done, _ := answered(t, server, at)
	inner := later{}
	if err := json.Unmarshal(done.Entry[0].Resource, &inner); err != nil || len(inner.Entry) != entries ||
		inner.Entry[entries-1].Response.Status != "201" {
		t.Errorf("a large batch: got %.300s (%v)", done.Entry[0].Resource, err)
	}
	if got := count(t, server, "/fhir/Basic?_summary=count"); got != entries {
		t.Errorf("a batch of %d made %d resources", entries, got)
	}
	if err := e.Verify(t.Context()); err != nil {
		t.Error(err)
	}
}

// count is the total of a search.
func count(t *testing.T, server *httptest.Server, target string) int {
	t.Helper()
	var bundle found
	got := exchanged(t, server, "GET", target, "")
	if err := json.Unmarshal([]byte(got.body), &bundle); err != nil || got.status != http.StatusOK {
		t.Fatalf("%s: got %d %s", target, got.status, got.body)
	}
	return bundle.Total
}

func TestWhatIsWrongByItsFormIsRefusedAtOnce(t *testing.T) {
	_, server := embedded(t, "--async-open", "1")
	form := "Content-Type: application/x-www-form-urlencoded"
	for _, c := range []struct {
		status               int
		method, target, body string
		header               string
	}{
		{400, "GET", "/fhir/Patient?wrong=1", "", ""},
		{400, "GET", "/fhir/Patient?birthdate=never", "", ""},
		{400, "GET", "/fhir/Patient?family=x", "", "Binnacle-Min-Position: x"},
		{400, "GET", "/fhir?_type=Unicorn", "", ""},
		{400, "POST", "/fhir/Patient/_search", "wrong=1", form},
		{415, "POST", "/fhir/Patient/_search", "family=x", "Content-Type: text/plain"},
		{400, "GET", "/fhir/Patient/p/_history?_count=x", "", ""},
		{400, "POST", "/fhir/Patient", `{"resourceType":"Patient","birthDate":5}`, ""},
		{400, "POST", "/fhir/Patient", `{"resourceType":"Group"}`, ""},
		{400, "POST", "/fhir/Patient", `{`, ""},
		{400, "PUT", "/fhir/Patient/a", `{"resourceType":"Patient","id":"b"}`, ""},
		{400, "PUT", "/fhir/Patient/a", `{"resourceType":"Patient","id":"a"}`, "Idempotency-Key: a b"},
		{415, "PUT", "/fhir/Patient/a", `{"resourceType":"Patient","id":"a"}`, "Content-Type: text/csv"},
		{400, "DELETE", "/fhir/Patient/a_b", "", ""},
		{400, "DELETE", "/fhir/Patient?wrong=1", "", ""},
		{400, "POST", "/fhir", `{"resourceType":"Bundle","type":"searchset"}`, ""},
		{400, "POST", "/fhir", `{"resourceType":"Bundle","type":"transaction","entry":[
			{"request":{"method":"PUT","url":"Patient/a"}}]}`, ""},
		{404, "GET", "/fhir/Unicorn", "", ""},
		{406, "GET", "/fhir/Patient?_format=text/csv", "", ""},
	} {
		got := exchanged(t, server, c.method, c.target, c.body, c.header, "Prefer: respond-async")
		now := exchanged(t, server, c.method, c.target, c.body, c.header)
		if got.status != c.status || got.body != now.body || got.header.Get("Content-Location") != "" ||
			got.header.Get("Preference-Applied") != "" {
			t.Errorf("%s %s: got %d %s, want %d at once: %s", c.method, c.target, got.status, got.body, c.status,
				now.body)
		}
	}
	exchanged(t, server, "PUT", "/fhir/Patient/a", `{"resourceType":"Patient","id":"a"}`)
	for _, target := range []string{"/fhir/Patient/a", "/fhir/Patient/a/_history/1", "/fhir/metadata"} {
		got := exchanged(t, server, "GET", target, "", "Prefer: respond-async")
		if got.status != http.StatusOK || got.header.Get("Preference-Applied") != "" {
			t.Errorf("%s: got %d %v, want the answer at once", target, got.status, got.header)
		}
	}
}

func TestTheAnswerIsKeptForItsTenantUntilItIsDeleted(t *testing.T) {
	_, server := embedded(t, "--tenants", "clinic,lab", "--cors-origins", "*")
	at := asked(t, server, "GET", "/t/clinic/fhir/Patient", "", "X-Forwarded-Host: fhir.example",
		"X-Forwarded-Prefix: /ehr", "X-Forwarded-Proto: https")
	id, found := strings.CutPrefix(strings.ReplaceAll(at, "https", "http"), "http://fhir.example/ehr/t/clinic/fhir/_async/")
	if !found || len(id) < 22 {
		t.Fatalf("the address is %s", at)
	}
	_, got := answered(t, server, "/t/clinic/fhir/_async/"+id)
	expires, err := http.ParseTime(got.header.Get("Expires"))
	if err != nil || time.Until(expires) < 23*time.Hour || got.header.Get("ETag") == "" {
		t.Errorf("the answer has %v", got.header)
	}
	if !strings.Contains(got.body, `"https://fhir.example/ehr/t/clinic/fhir/Patient"`) {
		t.Errorf("the links are not those that the client sees: %s", got.body)
	}
	for _, header := range []string{"Content-Location", "X-Progress", "Retry-After", "Preference-Applied", "Expires"} {
		if !strings.Contains(exchanged(t, server, "GET", "/t/clinic/fhir/_async/"+id, "",
			"Origin: https://app.example").header.Get("Access-Control-Expose-Headers"), header) {
			t.Errorf("pages of other origins may not read %s", header)
		}
	}
	if again := exchanged(t, server, "GET", "/t/clinic/fhir/_async/"+id, "", "If-None-Match: "+
		got.header.Get("ETag")); again.status != http.StatusNotModified {
		t.Errorf("a copy that is good: got %d", again.status)
	}
	for _, elsewhere := range []string{"/fhir/_async/" + id, "/t/lab/fhir/_async/" + id,
		"/t/clinic/fhir/_async/" + id + "x", "/t/clinic/fhir/_async/x"} {
		for _, method := range []string{"GET", "DELETE", "HEAD"} {
			if got := exchanged(t, server, method, elsewhere, ""); got.status != http.StatusNotFound {
				t.Errorf("%s %s: got %d %s", method, elsewhere, got.status, got.body)
			}
		}
	}
	if got := exchanged(t, server, "POST", "/t/clinic/fhir", `{"resourceType":"Bundle","type":"batch","entry":[
		{"request":{"method":"GET","url":"_async/`+id+`"}},{"request":{"method":"DELETE","url":"_async/`+id+`"}}]}`,
	); strings.Count(got.body, `"outcome"`) != 2 {
		t.Errorf("in a bundle: got %s", got.body)
	}
	for n, want := range []int{http.StatusAccepted, http.StatusNotFound} {
		if got := exchanged(t, server, "DELETE", "/t/clinic/fhir/_async/"+id, ""); got.status != want {
			t.Errorf("deletion %d: got %d %s", n, got.status, got.body)
		}
	}
	if got := exchanged(t, server, "GET", "/t/clinic/fhir/_async/"+id, ""); got.status != http.StatusNotFound {
		t.Errorf("after its deletion: got %d %s", got.status, got.body)
	}
	if got := exchanged(t, server, "PUT", "/fhir/_async/x", `{}`); got.status != http.StatusMethodNotAllowed ||
		got.header.Get("Allow") != "GET, HEAD, DELETE" {
		t.Errorf("another method: got %d %v", got.status, got.header)
	}
}

func TestAnAnswerEndsAndTooManyAreRefused(t *testing.T) {
	_, server := embedded(t, "--async-kept", "100")
	at := asked(t, server, "GET", "/fhir/Patient", "")
	answered(t, server, at)
	full := exchanged(t, server, "GET", "/fhir/Patient", "", "Prefer: respond-async")
	if full.status != http.StatusTooManyRequests || full.header.Get("Retry-After") == "" ||
		!strings.Contains(full.body, "DELETE") {
		t.Errorf("where more is kept than may be: got %d %s", full.status, full.body)
	}
	if got := exchanged(t, server, "DELETE", at, ""); got.status != http.StatusAccepted {
		t.Errorf("its deletion: got %d %s", got.status, got.body)
	}
	asked(t, server, "GET", "/fhir/Patient", "")

	_, brief := embedded(t, "--async-keep", "1s")
	at = asked(t, brief, "GET", "/fhir/Patient", "")
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		got := exchanged(t, brief, "GET", at, "")
		if got.status == http.StatusNotFound {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("an answer that is kept for a second stays")
		}
	}

	_, small := embedded(t, "--async-answer", "50")
	bundle, _ := answered(t, small, asked(t, small, "GET", "/fhir/Patient", ""))
	if response := bundle.Entry[0].Response; response.Status != "422" ||
		!strings.Contains(string(response.Outcome), `"too-costly"`) {
		t.Errorf("an answer larger than may be kept: got %+v", bundle)
	}
}

func TestAnAnswerThatIsFetchedLaterHasTheFormThatItsReaderAsksFor(t *testing.T) {
	_, server := embedded(t)
	const patient = `<Patient xmlns="http://hl7.org/fhir"><id value="x"/><name><family value="Chalmers"/></name></Patient>`
	at := asked(t, server, "PUT", "/fhir/Patient/x", patient, "Content-Type: application/fhir+xml",
		"Accept: application/fhir+xml", "Prefer: return=representation")
	bundle, _ := answered(t, server, at)
	if entry := bundle.Entry[0]; entry.Response.Status != "201" ||
		!strings.Contains(string(entry.Resource), `"name":[{"family":"Chalmers"}]`) {
		t.Errorf("in JSON: got %+v %s", entry.Response, entry.Resource)
	}
	for _, target := range []string{"/fhir/Patient?family=chal", "/fhir/Patient?family=chal&_format=xml",
		"/fhir/Patient/x/_history"} {
		searched := asked(t, server, "GET", target, "", "Accept: application/fhir+xml")
		answered(t, server, searched)
		got := exchanged(t, server, "GET", searched, "", "Accept: application/fhir+xml")
		if got.status != http.StatusOK || !strings.HasPrefix(got.header.Get("Content-Type"), "application/fhir+xml") ||
			!strings.Contains(got.body, `<type value="batch-response"/>`) ||
			!strings.Contains(got.body, `<family value="Chalmers"/>`) {
			t.Errorf("%s in XML: got %d %v %s", target, got.status, got.header, got.body)
		}
	}
	if got := exchanged(t, server, "POST", "/fhir/Patient", "<Patient", "Content-Type: application/fhir+xml",
		"Prefer: respond-async"); got.status != http.StatusBadRequest {
		t.Errorf("XML that is none: got %d %s", got.status, got.body)
	}
}

func TestTheOperatorIsToldOfWhatIsAnsweredLater(t *testing.T) {
	var log lines
	e, err := Embed(t.Context(), slog.New(slog.NewTextHandler(&log, nil)), "--variant", "memory", "--access-log")
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(e.Handler())
	defer server.Close()
	at := asked(t, server, "GET", "/fhir/Patient?family=secret", "", "X-Request-Id: r-1")
	answered(t, server, at)
	for _, want := range []string{
		`binnacle_async_ended_total{ending="answered"} 1`, `binnacle_async_running 0`, `binnacle_async_kept_bytes`,
	} {
		for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
			if text := exchanged(t, server, "GET", "/metrics", "").body; strings.Contains(text, want) {
				break
			} else if time.Now().After(deadline) {
				t.Fatalf("the metrics lack %s", want)
			}
		}
	}
	if page := exchanged(t, server, "GET", at, "", "Accept: text/html"); page.status != http.StatusOK ||
		!strings.Contains(page.body, "batch-response") {
		t.Errorf("in a browser: got %d %s", page.status, page.body)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	told := ""
	for line := range strings.Lines(log.String()) {
		if strings.Contains(line, "msg=job ") {
			told += line
		}
	}
	for _, want := range []string{"request=r-1", "path=/fhir/Patient ", "status=200", "ending=answered", "tenant=main"} {
		if !strings.Contains(told, want) || strings.Contains(told, "secret") {
			t.Errorf("the access log has %q, want %s and nothing of what was asked", told, want)
		}
	}
}

// lines are what was logged.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(text []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(text)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
