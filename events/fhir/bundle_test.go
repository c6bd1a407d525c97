package fhir

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"binnacle/events"
)

func TestABundleShowsItsEntries(t *testing.T) {
	d := mustParse(t, `{"resourceType":"Bundle","type":"transaction","entry":[
		{"fullUrl":"urn:uuid:1","resource": {"resourceType":"Patient", "x":1.0 } ,"request":{"method":"POST","url":"Patient","ifNoneExist":"identifier=\u0031"}},
		{"request":{"method":"PUT","url":"Patient/2","ifMatch":"W/\"3\"","ifNoneMatch":"*","ifModifiedSince":"2020-01-01T00:00:00Z"}},
		{"request":{"method":"DELETE","url":"Patient/4"}}]}`)
	b, err := ParseBundle(d)
	if err != nil || b.Type != "transaction" || len(b.Entries) != 3 {
		t.Fatalf("got %+v, %v", b, err)
	}
	if got, want := string(b.Entries[0].Resource.Raw()), `{"resourceType":"Patient", "x":1.0 }`; got != want {
		t.Errorf("the resource is %s; want %s", got, want)
	}
	if b.Entries[0].FullURL != "urn:uuid:1" || b.Entries[1].FullURL != "" || b.Entries[1].Resource.Exists() {
		t.Errorf("the entries are %+v", b.Entries)
	}
	for i, want := range []Request{
		{Method: "POST", URL: "Patient", IfNoneExist: "identifier=1"},
		{Method: "PUT", URL: "Patient/2", IfMatch: `W/"3"`, IfNoneMatch: "*", IfModifiedSince: "2020-01-01T00:00:00Z"},
		{Method: "DELETE", URL: "Patient/4"},
	} {
		if got := b.Entries[i].Request; got != want {
			t.Errorf("request %d: got %+v; want %+v", i, got, want)
		}
	}
}

func TestABundleWithoutRequestsIsACollection(t *testing.T) {
	b, err := ParseBundle(mustParse(t,
		`{"resourceType":"Bundle","type":"collection","entry":[{"resource":{}},{"fullUrl":"a"},{"fullUrl":"a"}]}`))
	if err != nil || len(b.Entries) != 3 || b.Entries[0].Request != (Request{}) {
		t.Errorf("got %+v, %v", b, err)
	}
	if b, err = ParseBundle(mustParse(t, `{"resourceType":"Bundle","type":"batch"}`)); err != nil ||
		len(b.Entries) != 0 {
		t.Errorf("without entries: got %+v, %v", b, err)
	}
}

func TestAPostWithoutAURLGoesToTheTypeOfItsResource(t *testing.T) {
	for _, kind := range []string{"batch", "transaction"} {
		b, err := ParseBundle(mustParse(t, bundleOf(kind,
			`{"resource":{"resourceType":"Patient"},"request":{"method":"POST"}}`)))
		if err != nil || b.Entries[1].Err != nil || b.Entries[1].Request.URL != "Patient" {
			t.Errorf("%s: got %+v, %v; want the url Patient", kind, b, err)
		}
	}
}

var brokenEntries = []struct{ entry, text, expression string }{
	{`1`, "an entry must be an object", "Bundle.entry[1]"},
	{`{"fullUrl":1,"request":{"method":"GET","url":"Patient"}}`, "fullUrl must be a string", "Bundle.entry[1].fullUrl"},
	{`{"resource":[],"request":{"method":"GET","url":"Patient"}}`, "a resource must be an object",
		"Bundle.entry[1].resource"},
	{`{"resource":{}}`, "needs a request with method and url", "Bundle.entry[1]"},
	{`{"request":"GET"}`, "a request must be an object", "Bundle.entry[1].request"},
	{`{"request":{"url":"Patient"}}`, "the request has no method", "Bundle.entry[1].request"},
	{`{"request":{"method":"put","url":"Patient/1"}}`, "the method must be one of", "Bundle.entry[1].request.method"},
	{`{"request":{"method":null,"url":"Patient/1"}}`, "method must be a string", "Bundle.entry[1].request.method"},
	{`{"request":{"method":"GET"}}`, "the request has no url", "Bundle.entry[1].request"},
	{`{"request":{"method":"POST"}}`, "the request has no url", "Bundle.entry[1].request"},
	{`{"resource":{"id":"1"},"request":{"method":"POST"}}`, "the request has no url", "Bundle.entry[1].request"},
	{`{"resource":{"resourceType":5},"request":{"method":"POST"}}`, "resourceType must be a string",
		"Bundle.entry[1].resource.resourceType"},
	{`{"resource":{"resourceType":"Patient","id":"1"},"request":{"method":"PUT"}}`, "the request has no url",
		"Bundle.entry[1].request"},
	{`{"request":{"method":"GET","url":{}}}`, "url must be a string", "Bundle.entry[1].request.url"},
	{`{"request":{"method":"GET","url":"a","ifMatch":1}}`, "ifMatch must be a string",
		"Bundle.entry[1].request.ifMatch"},
	{`{"request":{"method":"GET","url":"a","ifNoneMatch":1}}`, "ifNoneMatch must be a string",
		"Bundle.entry[1].request.ifNoneMatch"},
	{`{"request":{"method":"GET","url":"a","ifNoneExist":1}}`, "ifNoneExist must be a string",
		"Bundle.entry[1].request.ifNoneExist"},
	{`{"request":{"method":"GET","url":"a","ifModifiedSince":1}}`, "ifModifiedSince must be a string",
		"Bundle.entry[1].request.ifModifiedSince"},
}

func bundleOf(kind, entry string) string {
	return `{"resourceType":"Bundle","type":"` + kind + `","entry":[{"fullUrl":"urn:uuid:1","request":{"method":"DELETE","url":"Patient/1"}},` + entry + `]}`
}

func TestABrokenEntryRefusesItsTransactionAndNamesItsPlace(t *testing.T) {
	for _, c := range append(brokenEntries, struct{ entry, text, expression string }{
		`{"fullUrl":"urn:uuid:1","request":{"method":"DELETE","url":"Patient/2"}}`, "same fullUrl", "Bundle.entry[1].fullUrl",
	}) {
		_, err := ParseBundle(mustParse(t, bundleOf("transaction", c.entry)))
		checkInvalid(t, c.entry, err, c.text, c.expression)
	}
}

func TestABrokenEntryOfABatchStandsAlone(t *testing.T) {
	for _, c := range brokenEntries {
		b, err := ParseBundle(mustParse(t, bundleOf("batch", c.entry)))
		if err != nil || len(b.Entries) != 2 || b.Entries[0].Err != nil || b.Entries[0].Request.Method != "DELETE" {
			t.Errorf("%s: got %+v, %v", c.entry, b, err)
			continue
		}
		checkInvalid(t, c.entry, b.Entries[1].Err, c.text, c.expression)
	}
}

func checkInvalid(t *testing.T, what string, err error, text, expression string) {
	t.Helper()
	e, ok := err.(*events.Error)
	if !ok || e.Kind != events.Invalid || !strings.Contains(e.Text, text) || e.Expression != expression {
		t.Errorf("%s: got %v; want %q at %q", what, err, text, expression)
	}
}

func TestWhatIsNoBundleIsRefused(t *testing.T) {
	for _, c := range []struct{ data, text, expression string }{
		{`[]`, "a Bundle is wanted here", ""},
		{`{"resourceType":"Patient"}`, "a Bundle is wanted here", "Patient"},
		{`{"resourceType":"Bundle"}`, "the Bundle has no type", "Bundle.type"},
		{`{"resourceType":"Bundle","type":7}`, "type must be a string", "Bundle.type"},
		{`{"resourceType":"Bundle","type":"heap"}`, `"heap" is no type`, "Bundle.type"},
		{`{"resourceType":"Bundle","type":"batch","entry":{}}`, "entry must be an array", "Bundle.entry"},
	} {
		_, err := ParseBundle(mustParse(t, c.data))
		checkInvalid(t, c.data, err, c.text, c.expression)
	}
}

func TestABundleIsWrittenAsTheGoldenFileSays(t *testing.T) {
	total := int64(12)
	instant := time.Date(2026, 11, 21, 3, 3, 4, 5_000_000, time.FixedZone("", 3600))
	var out bytes.Buffer
	w := NewBundleWriter(&out, BundleHead{Type: "searchset", ID: "b1", LastUpdated: instant, Total: &total,
		Links: []BundleLink{
			{"self", `http://h/fhir/Patient?name="é"&_count=2`}, {"next", "http://h/fhir?page=x"},
		}})
	for _, e := range []BundleEntry{
		{FullURL: "http://h/fhir/Patient/1", Resource: []byte(`{ "resourceType":"Patient", "x":255.0 }`),
			SearchMode: "match"},
		{FullURL: "http://h/fhir/Patient/2", Request: &BundleRequest{"DELETE", "Patient/2"},
			Response: &BundleResponse{Status: 204, ETag: `W/"3"`, LastModified: instant}},
		{Response: &BundleResponse{Status: 201, Location: "http://h/fhir/Patient/3/_history/1",
			Outcome: []byte(`{"resourceType":"OperationOutcome"}`)}},
	} {
		if err := w.Entry(e); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile("testdata/golden/bundle.json")
	if err != nil {
		t.Fatal(err)
	}
	if got := out.String() + "\n"; got != string(want) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if b, err := ParseBundle(mustParse(t, out.String())); err != nil || len(b.Entries) != 3 {
		t.Errorf("read again it is %+v, %v", b, err)
	}
}

func TestABundleWithoutEntriesHasNoEmptyArray(t *testing.T) {
	var out bytes.Buffer
	zero := int64(0)
	if err := NewBundleWriter(&out, BundleHead{Type: "searchset", Total: &zero}).Close(); err != nil {
		t.Fatal(err)
	}
	if got, want := out.String(), `{"resourceType":"Bundle","type":"searchset","total":0}`; got != want {
		t.Errorf("got %s; want %s", got, want)
	}
}

func TestALargeBundleIsStreamed(t *testing.T) {
	large := []byte(`{"x":"` + strings.Repeat("y", 100_000) + `"}`)
	small := []byte(`{"x":"` + strings.Repeat("z", 1_000) + `"}`)
	out := &countingWriter{}
	w := NewBundleWriter(out, BundleHead{Type: "history"})
	for i := range 200 {
		resource := small
		if i%50 == 7 {
			resource = large
		}
		if err := w.Entry(BundleEntry{FullURL: fmt.Sprint(i), Resource: resource}); err != nil {
			t.Fatal(err)
		}
		if cap(w.buf) > 4*writeSize {
			t.Fatalf("the writer holds %d bytes", cap(w.buf))
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	b, err := ParseBundle(mustParse(t, out.String()))
	if err != nil || len(b.Entries) != 200 {
		t.Fatalf("%v", err)
	}
	for i, e := range b.Entries {
		want := small
		if i%50 == 7 {
			want = large
		}
		if e.FullURL != fmt.Sprint(i) || !bytes.Equal(e.Resource.Raw(), want) {
			t.Errorf("entry %d is %q with %d bytes", i, e.FullURL, len(e.Resource.Raw()))
		}
	}
	if out.calls > 30 {
		t.Errorf("%d writes for %d bytes", out.calls, out.Len())
	}
}

type countingWriter struct {
	bytes.Buffer
	calls int
}

func (w *countingWriter) Write(p []byte) (int, error) {
	w.calls++
	return w.Buffer.Write(p)
}

func TestAnErrorOfTheStreamEndsTheWriting(t *testing.T) {
	broken := errors.New("the pipe is broken")
	stream := &brokenWriter{err: broken}
	w := NewBundleWriter(stream, BundleHead{Type: "history"})
	large := []byte(`"` + strings.Repeat("y", writeSize) + `"`)
	for range 3 {
		if err := w.Entry(BundleEntry{Resource: large}); !errors.Is(err, broken) {
			t.Errorf("Entry: got %v; want %v", err, broken)
		}
	}
	if err := w.Close(); !errors.Is(err, broken) {
		t.Errorf("Close: got %v; want %v", err, broken)
	}
	if stream.calls != 1 {
		t.Errorf("%d writes; want 1", stream.calls)
	}
}

type brokenWriter struct {
	err   error
	calls int
}

func (w *brokenWriter) Write([]byte) (int, error) {
	w.calls++
	return 0, w.err
}

func FuzzParseBundle(f *testing.F) {
	f.Add([]byte(`{"resourceType":"Bundle","type":"transaction","entry":[{"fullUrl":"a","resource":{"a":1},"request":{"method":"POST","url":"x"}}]}`))
	for _, c := range brokenEntries {
		f.Add([]byte(bundleOf("batch", c.entry)))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		d, err := Parse(data)
		if err != nil {
			return
		}
		b, err := ParseBundle(d)
		if err != nil {
			if events.KindOf(err) != events.Invalid {
				t.Errorf("got %v", err)
			}
			return
		}
		for i, e := range b.Entries {
			if e.Err == nil && (b.Type == "batch" || b.Type == "transaction") &&
				(e.Request.Method == "" || e.Request.URL == "") {
				t.Errorf("entry %d is %+v", i, e)
			}
		}
	})
}

func BenchmarkBundleWriter(b *testing.B) {
	resource := samples(b)["observation"]
	b.SetBytes(int64(50 * len(resource)))
	b.ReportAllocs()
	for b.Loop() {
		var out countingWriter
		w := NewBundleWriter(&out, BundleHead{Type: "searchset"})
		for range 50 {
			if err := w.Entry(BundleEntry{FullURL: "http://localhost/fhir/Observation/1", Resource: resource,
				SearchMode: "match"}); err != nil {
				b.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
