package door_test

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"binnacle/functions/functionstest"
	"binnacle/projections/fhir/form"
)

const picture = "\x89PNG\r\n\x1a\n\x00\x01 \xff\xfe"

func rawOf(contentType, security, data string) string {
	return string(form.RawHead(contentType, security)) + data
}

func binaryOf(id, data string) string {
	return fmt.Sprintf(`{"resourceType":"Binary","id":%q,"contentType":"image/png","data":%q}`, id,
		base64.StdEncoding.EncodeToString([]byte(data)))
}

func TestTheBytesOfABinaryAreStoredAsTheyAreSent(t *testing.T) {
	n := functionstest.NewNode(t)
	n.Must(201, "PUT", "/Patient/p", functionstest.Patient("p", "1"))
	const png = "Content-Type: image/png"
	for id, c := range map[string]struct {
		body    string
		headers []string
		want    string
	}{
		"png":      {picture, []string{png}, rawOf("image/png", "", picture)},
		"empty":    {"", []string{png}, rawOf("image/png", "", "")},
		"text":     {"x", []string{"Content-Type: text/plain;  charset=utf-8"}, rawOf("text/plain; charset=utf-8", "", "x")},
		"context":  {picture, []string{png, "X-Security-Context: Patient/p"}, rawOf("image/png", "Patient/p", picture)},
		"own":      {picture, []string{png, "X-Security-Context: " + functionstest.Base + "/Patient/p"}, rawOf("image/png", "Patient/p", picture)},
		"other":    {picture, []string{png, "X-Security-Context: http://other.example/Patient/p"}, rawOf("image/png", "http://other.example/Patient/p", picture)},
		"json":     {`{"a":1}`, []string{"Content-Type: application/json"}, rawOf("application/json", "", `{"a":1}`)},
		"patient":  {`{"resourceType":"Patient"}`, []string{"Content-Type: text/json"}, rawOf("text/json", "", `{"resourceType":"Patient"}`)},
		"cda":      {`<ClinicalDocument xmlns="urn:hl7-org:v3"/>`, []string{"Content-Type: text/xml"}, rawOf("text/xml", "", `<ClinicalDocument xmlns="urn:hl7-org:v3"/>`)},
		"resource": {binaryOf("resource", picture), []string{"Content-Type: application/json"}, binaryOf("resource", picture)},
		"fhir":     {binaryOf("fhir", picture), nil, binaryOf("fhir", picture)},
		"form":     {"a=b", []string{"Content-Type: application/x-www-form-urlencoded"}, rawOf("application/x-www-form-urlencoded", "", "a=b")},
	} {
		got := n.Must(201, "PUT", "/Binary/"+id, c.body, c.headers...)
		n.CaughtUp()
		if stored := n.Stored("Binary/" + id); stored != c.want {
			t.Errorf("%s: stored as %q, want %q", id, stored, c.want)
		}
		raw := form.Of([]byte(c.want)) == form.Raw
		if (got.Body == "") != raw || got.Header.Get("ETag") != `W/"1"` || got.Header.Get("Location") == "" {
			t.Errorf("%s: answered with %q and %v", id, got.Body, got.Header)
		}
		again := n.Must(200, "PUT", "/Binary/"+id, c.body, c.headers...)
		if again.Header.Get("ETag") != `W/"1"` {
			t.Errorf("%s: the same bytes make the version %s", id, again.Header.Get("ETag"))
		}
	}
	// what is read as a resource and put back is no change; another type, context or byte is one
	for _, c := range []struct{ body, etag string }{
		{binaryOf("png", picture), `W/"1"`}, {binaryOf("png", picture+"x"), `W/"2"`},
	} {
		if got := n.Must(200, "PUT", "/Binary/png", c.body); got.Header.Get("ETag") != c.etag {
			t.Errorf("as a resource: got the version %s, want %s", got.Header.Get("ETag"), c.etag)
		}
	}
	for i, headers := range [][]string{{png}, {"Content-Type: image/gif"},
		{"Content-Type: image/gif", "X-Security-Context: Patient/p"}} {
		got := n.Must(200, "PUT", "/Binary/png", picture, headers...)
		if want := fmt.Sprintf(`W/"%d"`, 3+i); got.Header.Get("ETag") != want {
			t.Errorf("%v: got the version %s, want %s", headers, got.Header.Get("ETag"), want)
		}
	}
	if got := n.Must(200, "PUT", "/Binary/png", "last", png, `If-Match: W/"5"`, "Prefer: return=representation"); got.At(t,
		"data") != "bGFzdA==" || got.At(t, "meta", "versionId") != "6" || got.At(t, "contentType") != "image/png" {
		t.Errorf("the representation is %s", got.Body)
	}
	n.Must(412, "PUT", "/Binary/png", "late", png, `If-Match: W/"5"`)
	if got := n.Must(200, "PUT", "/Binary/png", "last", png, "Prefer: return=OperationOutcome"); got.At(t,
		"resourceType") != "OperationOutcome" {
		t.Errorf("the outcome is %s", got.Body)
	}
	n.Verified()
}

func TestBytesAreCreatedAsResourcesAre(t *testing.T) {
	n := functionstest.NewNode(t)
	const pdf = "Content-Type: application/pdf"
	first := n.Must(201, "POST", "/Binary", "%PDF", pdf, `Idempotency-Key: "k"`)
	again := n.Must(201, "POST", "/Binary", "%PDF", pdf, `Idempotency-Key: "k"`)
	if again.Header.Get("Location") != first.Header.Get("Location") {
		t.Errorf("the same request made %s and %s", first.Header.Get("Location"), again.Header.Get("Location"))
	}
	n.Must(422, "POST", "/Binary", "%PDF", "Content-Type: text/plain", `Idempotency-Key: "k"`)
	n.Must(422, "POST", "/Binary", "%PDF-2", pdf, `Idempotency-Key: "k"`)
	id := functionstest.NameOf(first.Header.Get("Location"))
	n.CaughtUp()
	found := n.Must(200, "POST", "/Binary", "%PDF", pdf, "If-None-Exist: _id="+strings.TrimPrefix(id, "Binary/"))
	if functionstest.NameOf(found.Header.Get("Location")) != id {
		t.Errorf("If-None-Exist found %s, want %s", found.Header.Get("Location"), id)
	}
	n.Must(201, "PUT", "/Binary?_tag=urn:s|none", "%PDF", pdf)
	told := n.Must(201, "POST", "/Binary", "%PDF", pdf, whoDidIt)
	if made := provenances(n); len(made) != 1 || functionstest.Base+"/"+made[0] != told.Header.Get("Location") {
		t.Errorf("there are Provenances of %q, want one of %s", made, told.Header.Get("Location"))
	}
	n.Verified()
}

func TestABinaryThatCannotBeReadIsRefused(t *testing.T) {
	n := functionstest.NewNode(t)
	n.Must(201, "PUT", "/Patient/p", functionstest.Patient("p", "1"))
	for name, c := range map[string]struct {
		status        int
		body, tells   string
		headers       []string
		alone, bundle bool
	}{
		"no base64": {400, `{"resourceType":"Binary","id":"x","contentType":"image/png","data":"no!"}`, "Binary.data", nil, true, true},
		"a context in a header beside a resource": {400, binaryOf("x", "y"), "X-Security-Context",
			[]string{"X-Security-Context: Patient/p"}, true, false},
		"any media type":        {415, "x", "no media type", []string{"Content-Type: */*"}, true, false},
		"any image":             {415, "x", "no media type", []string{"Content-Type: image/*"}, true, false},
		"no type":               {415, "x", "the Content-Type that is theirs", []string{"Content-Type: "}, true, false},
		"no type, and no bytes": {400, "", "", []string{"Content-Type: "}, true, false},
		"no media type":         {415, "x", "no media type", []string{"Content-Type: pdf"}, true, false},
		"a context to nothing":  {409, "x", "Patient/nobody", []string{"Content-Type: image/png", "X-Security-Context: Patient/nobody"}, true, false},
		"a context by a search": {400, "x", "securityContext", []string{"Content-Type: image/png", "X-Security-Context: Patient?identifier=urn:s|1"}, true, false},
		"a context of no kind":  {400, "x", "securityContext", []string{"Content-Type: image/png", "X-Security-Context: nobody knows"}, true, false},
		"two contexts": {400, "x", "2 times", []string{"Content-Type: image/png", "X-Security-Context: Patient/p",
			"X-Security-Context: Patient/p"}, true, false},
		"bytes of another type": {415, "x", "image/png", []string{"Content-Type: image/png"}, false, false},
	} {
		path := "/Binary/x"
		if !c.alone {
			path = "/Patient/x"
		}
		got := n.Send("PUT", path, c.body, c.headers...)
		if got.Status != c.status || !strings.Contains(got.Body, c.tells) {
			t.Errorf("%s: got %d %s, want %d and %q", name, got.Status, got.Body, c.status, c.tells)
		}
		if !c.bundle {
			continue
		}
		entry := functionstest.EntryOf("", "PUT", "Binary/x", c.body)
		if got := n.Send("POST", "", functionstest.BundleOf("transaction", entry)); got.Status != c.status ||
			!strings.Contains(got.Body, "Bundle.entry[0].resource.data") {
			t.Errorf("%s in a transaction: got %d %s", name, got.Status, got.Body)
		}
		if got := n.Must(200, "POST", "", functionstest.BundleOf("batch", entry)); got.At(t, "entry", 0, "response",
			"status") != fmt.Sprint(c.status) {
			t.Errorf("%s in a batch: got %s", name, got.Body)
		}
	}
	n.CaughtUp()
	if n.Stored("Binary/x") != "" || n.Stored("Patient/x") != "" {
		t.Error("something was written")
	}
	for _, kind := range []string{"batch", "transaction"} {
		got := n.Must(200, "POST", "", functionstest.BundleOf(kind,
			functionstest.EntryOf("", "PUT", "Binary/x", binaryOf("x", kind))))
		n.CaughtUp()
		if n.Stored("Binary/x") != binaryOf("x", kind) {
			t.Errorf("%s: got %s", kind, got.Body)
		}
	}
}
