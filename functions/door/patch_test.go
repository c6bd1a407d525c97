package door_test

import (
	"encoding/base64"
	"fmt"
	"strings"
	"sync"
	"testing"

	"binnacle/functions/functionstest"
)

const (
	asJSONPatch = "Content-Type: application/json-patch+json"
	asResource  = "Content-Type: application/fhir+json"
)

// binary is a JSON Patch as it stands in a bundle.
func binary(patch string) string {
	return `{"resourceType":"Binary","contentType":"application/json-patch+json","data":"` +
		base64.StdEncoding.EncodeToString([]byte(patch)) + `"}`
}

// parameters is a FHIRPath Patch of operations, each written as type, path and further parts.
func parameters(operations ...string) string {
	return `{"resourceType":"Parameters","parameter":[` + strings.Join(operations, ",") + `]}`
}

func operation(typ, path string, more ...string) string {
	parts := append([]string{`{"name":"type","valueCode":"` + typ + `"}`,
		`{"name":"path","valueString":"` + path + `"}`}, more...)
	return `{"name":"operation","part":[` + strings.Join(parts, ",") + `]}`
}

// patched sends a patch alone, in a batch and in a transaction, each to a resource of its own that was just put there,
// and returns the statuses and what the answers say.
func patched(n *functionstest.Node, id, resource, patch, query string, headers ...string) (statuses [3]string,
	texts [3]string) {
	n.T.Helper()
	t := n.T.(*testing.T)
	entry, kind := patch, asResource
	if strings.HasPrefix(patch, "[") {
		entry, kind = binary(patch), asJSONPatch
	}
	for i, form := range []string{"", "batch", "transaction"} {
		name := "Patient/" + id + form
		n.Must(201, "PUT", "/"+name, strings.Replace(resource, `"id":""`, `"id":"`+id+form+`"`, 1))
		url := name
		if query != "" {
			url = "Patient?" + strings.ReplaceAll(query, "$id", id+form)
		}
		if form == "" {
			got := n.Send("PATCH", "/"+url, patch, append([]string{kind}, headers...)...)
			statuses[i], texts[i] = fmt.Sprint(got.Status), got.Body
			continue
		}
		var more []string
		for _, header := range headers {
			if value, found := strings.CutPrefix(header, "If-Match: "); found {
				more = append(more, fmt.Sprintf(`"ifMatch":%q`, value))
			}
		}
		got := n.Send("POST", "", functionstest.BundleOf(form, functionstest.EntryOf("", "PATCH", url, entry, more...)))
		if statuses[i], texts[i] = fmt.Sprint(got.Status), got.Body; got.Status == 200 {
			statuses[i] = got.At(t, "entry", 0, "response", "status")
		}
	}
	return statuses, texts
}

// TestAPatchChangesWhatItNames: alone, in a batch and in a transaction.
func TestAPatchChangesWhatItNames(t *testing.T) {
	n := functionstest.NewNode(t)
	const before = `{"resourceType":"Patient", "id":"", "birthDate" : "1974-12-25",
  "multipleBirthInteger": 2, "extension":[{"url":"urn:d","valueDecimal":1.50}]}`
	for i, c := range []struct{ name, patch, query, want, wants string }{
		{"JSON Patch", `[{"op":"test","path":"/id","value":"$"},{"op":"replace","path":"/birthDate","value":"1975-01-01"}]`,
			"", "", `"birthDate" : "1975-01-01",`},
		{"FHIRPath Patch", parameters(operation("replace", "Patient.birthDate",
			`{"name":"value","valueDate":"1975-01-01"}`)), "", "200", `"birthDate" : "1975-01-01",`},
		{"with a search", `[{"op":"replace","path":"/birthDate","value":"1975-01-01"}]`, "_id=$id", "200",
			`"birthDate" : "1975-01-01",`},
		{"with a search that finds nothing", `[{"op":"remove","path":"/birthDate"}]`, "_id=none", "404", "1974-12-25"},
		{"with a search that finds several", `[{"op":"remove","path":"/birthDate"}]`, "_id=$id,p0", "412", "1974-12-25"},
		{"that changes nothing", `[{"op":"replace","path":"/meta/versionId","value":"9"}]`, "", "200", "1974-12-25"},
		{"of the meta that a read shows", `[{"op":"test","path":"/meta/versionId","value":"1"},{"op":"add","path":"/meta/tag","value":[{"code":"x"}]}]`,
			"", "200", `"tag":[{"code":"x"}]`},
		{"with a test that fails", `[{"op":"test","path":"/birthDate","value":"1999-01-01"},{"op":"remove","path":"/birthDate"}]`,
			"", "422", "1974-12-25"},
		{"to what isn't there", `[{"op":"remove","path":"/gender"}]`, "", "422", "1974-12-25"},
		{"to another id", `[{"op":"replace","path":"/id","value":"other"}]`, "", "422", "1974-12-25"},
		{"to no id", `[{"op":"remove","path":"/id"}]`, "", "422", "1974-12-25"},
		{"to another type", `[{"op":"replace","path":"/resourceType","value":"Person"}]`, "", "422", "1974-12-25"},
		{"to what can't be stored", `[{"op":"replace","path":"/birthDate","value":5}]`, "", "422", "1974-12-25"},
		{"to what can't be searched", `[{"op":"replace","path":"/birthDate","value":"yesterday"}]`, "", "422", "1974-12-25"},
		{"to a contained resource that isn't there", `[{"op":"add","path":"/managingOrganization","value":{"reference":"#x"}}]`,
			"", "422", "1974-12-25"},
		{"to a resource that isn't there", `[{"op":"add","path":"/managingOrganization","value":{"reference":"Organization/none"}}]`,
			"", "409", "1974-12-25"},
		{"that is no JSON Patch", `[{"op":"change","path":"/birthDate"}]`, "", "400", "1974-12-25"},
		{"that is no FHIRPath Patch", parameters(operation("replace", "Patient.birthDate")), "", "400", "1974-12-25"},
		{"that is a resource", `{"resourceType":"Patient"}`, "", "400", "1974-12-25"},
	} {
		id := fmt.Sprint("p", i)
		want := [3]string{c.want, c.want, c.want}
		if c.want == "" { // the id stands in the patch
			want = [3]string{"200", "422", "422"}
		}
		got, texts := patched(n, id, before, strings.ReplaceAll(c.patch, `"$"`, `"`+id+`"`), c.query)
		if got != want {
			t.Errorf("%s: got %v, want %v: %s", c.name, got, want, texts)
		}
		n.CaughtUp()
		if stored := n.Stored("Patient/" + id); !strings.Contains(stored, c.wants) ||
			!strings.Contains(stored, "\n  \"multipleBirthInteger\": 2, \"extension\":[{\"url\":\"urn:d\",\"valueDecimal\":1.50}]") {
			t.Errorf("%s: there is %s, want %s", c.name, stored, c.wants)
		}
	}
	n.Verified()
}

// TestAPatchHoldsWhatItIsToldOfTheVersion: If-Match, a resource that isn't there, and one that was deleted.
func TestAPatchHoldsWhatItIsToldOfTheVersion(t *testing.T) {
	n := functionstest.NewNode(t)
	const patch = `[{"op":"replace","path":"/active","value":false}]`
	for header, want := range map[string]string{`If-Match: W/"1"`: "200", `If-Match: *`: "200", `If-Match: W/"2"`: "412"} {
		id := "m" + want + fmt.Sprint(len(header))
		if got, texts := patched(n, id, functionstest.Patient("", id)[:len(`{"resourceType":"Patient",`)]+`"id":"","active":true}`,
			patch, "", header); got != [3]string{want, want, want} {
			t.Errorf("%s: got %v, want %s: %s", header, got, want, texts)
		}
	}
	n.Must(404, "PATCH", "/Patient/none", patch, asJSONPatch)
	n.Must(201, "PUT", "/Patient/gone", functionstest.Patient("gone", "1"))
	n.Must(204, "DELETE", "/Patient/gone", "")
	n.Must(410, "PATCH", "/Patient/gone", patch, asJSONPatch)
	n.Must(412, "PATCH", "/Patient/gone", patch, asJSONPatch, "If-Match: *")
	n.Must(400, "PATCH", "/Patient/none?identifier=x", patch, asJSONPatch)
	n.Must(400, "PATCH", "/Patient", patch, asJSONPatch)
	n.Must(400, "PATCH", "/Patient?nothing=x", patch, asJSONPatch)
	n.Verified()
}

// TestAPatchOfAnotherFormIsRefused: with what is taken.
func TestAPatchOfAnotherFormIsRefused(t *testing.T) {
	n := functionstest.NewNode(t)
	n.Must(201, "PUT", "/Patient/a", functionstest.Patient("a", "1"))
	for _, header := range []string{"Content-Type: application/merge-patch+json", "Content-Type: text/plain",
		"Content-Type: ", "Content-Type: ;", "Content-Type: application/json-patch+json; charset=latin1"} {
		got := n.Must(415, "PATCH", "/Patient/a", `{"active":false}`, header)
		if accepts := got.Header.Get("Accept-Patch"); !strings.Contains(accepts, "application/json-patch+json") ||
			!strings.Contains(accepts, "application/fhir+json") || !strings.Contains(got.Body, "JSON Patch") {
			t.Errorf("%s: got %q, %s", header, accepts, got.Body)
		}
	}
	n.Must(400, "PATCH", "/Patient/a", `{"active":false}`, asJSONPatch)
	n.Must(400, "PATCH", "/Patient/a", `[]`, asResource)
	n.Must(400, "PATCH", "/Patient/a", ``, asJSONPatch)
	n.Must(200, "PATCH", "/Patient/a", `[]`, "Content-Type: application/json-patch+json; charset=UTF-8")
	for name, entry := range map[string]struct{ resource, place string }{
		"a merge patch": {`{"resourceType":"Binary","contentType":"application/merge-patch+json","data":"e30="}`,
			"Bundle.entry[0].resource.contentType"},
		"a Binary without base64": {`{"resourceType":"Binary","contentType":"application/json-patch+json","data":"*"}`,
			"Bundle.entry[0].resource.data"},
		"a Binary that is no patch": {binary(`{}`), "Bundle.entry[0].resource.data"},
		"a resource":                {functionstest.Patient("a", "2"), "Bundle.entry[0].resource.resourceType"},
		"a path that can't be read": {parameters(operation("delete", "Patient.name +")),
			"Bundle.entry[0].resource.parameter[0]"},
	} {
		for _, form := range []string{"batch", "transaction"} {
			got := n.Send("POST", "", functionstest.BundleOf(form, functionstest.EntryOf("", "PATCH", "Patient/a",
				entry.resource)))
			if got.Status == 200 && strings.HasPrefix(got.At(t, "entry", 0, "response", "status"), "2") ||
				!strings.Contains(got.Body, `"`+entry.place+`"`) {
				t.Errorf("%s in a %s: got %s, want %s", name, form, got.Body, entry.place)
			}
		}
	}
	n.Verified()
}

func TestPreferShapesTheAnswerToAPatch(t *testing.T) {
	n := functionstest.NewNode(t)
	n.Must(201, "PUT", "/Patient/a", functionstest.Patient("a", "1"))
	patch := func(identifier string) string {
		return `[{"op":"replace","path":"/identifier/0/value","value":"` + identifier + `"}]`
	}
	got := n.Must(200, "PATCH", "/Patient/a", patch("2"), asJSONPatch)
	if got.At(t, "identifier", 0, "value") != "2" || got.At(t, "meta", "versionId") != "2" ||
		got.Header.Get("ETag") != `W/"2"` || got.Header.Get("Location") != functionstest.Base+"/Patient/a/_history/2" {
		t.Errorf("got %v %s", got.Header, got.Body)
	}
	if got := n.Must(200, "PATCH", "/Patient/a", patch("3"), asJSONPatch, "Prefer: return=minimal"); got.Body != "" {
		t.Errorf("minimal: got %s", got.Body)
	}
	if got := n.Must(200, "PATCH", "/Patient/a", patch("4"), asJSONPatch,
		"Prefer: return=OperationOutcome"); got.At(t, "resourceType") != "OperationOutcome" {
		t.Errorf("OperationOutcome: got %s", got.Body)
	}
	got = n.Must(200, "POST", "", functionstest.BundleOf("transaction",
		functionstest.EntryOf("", "PATCH", "Patient/a", binary(patch("5")))), "Prefer: return=representation")
	if got.At(t, "entry", 0, "resource", "identifier", 0, "value") != "5" ||
		got.At(t, "entry", 0, "response", "etag") != `W/"5"` {
		t.Errorf("in a transaction: got %s", got.Body)
	}
	const key = `Idempotency-Key: "k"`
	add := `[{"op":"add","path":"/name","value":[]},{"op":"add","path":"/name/-","value":{"text":"x"}}]`
	n.Must(200, "PATCH", "/Patient/a", add, asJSONPatch, key)
	if again := n.Must(200, "PATCH", "/Patient/a", add, asJSONPatch, key); again.Header.Get("Idempotent-Replayed") !=
		"true" || again.Header.Get("ETag") != `W/"6"` {
		t.Errorf("again: got %v", again.Header)
	}
	n.Must(422, "PATCH", "/Patient/a", patch("7"), asJSONPatch, key)
	n.Verified()
}

// TestReferencesInAPatchLeadSomewhere: they are resolved in the patch, by what the patch makes of them.
func TestReferencesInAPatchLeadSomewhere(t *testing.T) {
	n := functionstest.NewNode(t)
	n.Must(201, "PUT", "/Organization/o", `{"resourceType":"Organization","id":"o","identifier":[{"system":"urn:s","value":"o"}]}`)
	const urn = "urn:uuid:0190a5a0-0000-7000-8000-000000000001"
	for i, c := range []struct{ name, patch string }{
		{"a Reference", `[{"op":"add","path":"/managingOrganization","value":{"reference":"$"}}]`},
		{"its text", `[{"op":"add","path":"/managingOrganization","value":{}},{"op":"add","path":"/managingOrganization/reference","value":"$"}]`},
		{"one in a list", `[{"op":"add","path":"/generalPractitioner","value":[]},{"op":"add","path":"/generalPractitioner/-","value":{"reference":"$"}}]`},
		{"one in a value, with escapes", `[{"op":"add","path":"/managingOrganization","value":{"display":"\u00e9","reference":"$"}}]`},
		{"FHIRPath Patch", parameters(operation("add", "Patient", `{"name":"name","valueString":"managingOrganization"}`,
			`{"name":"value","valueReference":{"reference":"$"}}`))},
		{"FHIRPath Patch, in an extension", parameters(operation("add", "Patient", `{"name":"name","valueString":"extension"}`,
			`{"name":"value","part":[{"name":"url","valueUri":"x"},{"name":"value","valueReference":{"reference":"$"}}]}`))},
		{"FHIRPath Patch, by its text", parameters(operation("add", "Patient", `{"name":"name","valueString":"managingOrganization"}`,
			`{"name":"value","part":[{"name":"reference","valueString":"$"}]}`))},
		{"FHIRPath Patch, replaced", parameters(operation("add", "Patient", `{"name":"name","valueString":"managingOrganization"}`,
			`{"name":"value","valueReference":{"display":"x","reference":"Organization/o"}}`),
			operation("replace", "Patient.managingOrganization.reference", `{"name":"value","valueString":"$"}`))},
	} {
		for reference, wants := range map[string]string{
			functionstest.Base + "/Organization/o": `"Organization/o"`, "Organization?identifier=urn:s|o": `"Organization/o"`,
			functionstest.Base + "/nothing": "", "organization/o": "", "Organization/none": ""} {
			want := "200"
			switch {
			case reference == "Organization/none":
				want = "409"
			case wants == "":
				want = "400"
			}
			id := fmt.Sprintf("r%d-%d", i, len(reference))
			got, texts := patched(n, id, `{"resourceType":"Patient","id":"","active":true}`,
				strings.ReplaceAll(c.patch, `"$"`, `"`+reference+`"`), "")
			n.CaughtUp()
			if stored := n.Stored("Patient/" + id); got != [3]string{want, want, want} || !strings.Contains(stored, wants) {
				t.Errorf("%s, %s: got %v, want %s; there is %s: %s", c.name, reference, got, want, stored, texts)
			}
		}
		id := fmt.Sprint("u", i)
		n.Must(201, "PUT", "/Patient/"+id, functionstest.Patient(id, "1"))
		patch := strings.ReplaceAll(c.patch, `"$"`, `"`+urn+`"`)
		if strings.HasPrefix(patch, "[") {
			patch = binary(patch)
		}
		n.Must(200, "POST", "", functionstest.BundleOf("transaction", functionstest.EntryOf("", "PATCH", "Patient/"+id, patch),
			functionstest.EntryOf(urn, "POST", "Organization", `{"resourceType":"Organization"}`)))
		n.CaughtUp()
		if stored := n.Stored("Patient/" + id); !strings.Contains(stored, `"Organization/0`) || strings.Contains(stored,
			"urn:uuid") {
			t.Errorf("%s in a transaction, to what is new: there is %s", c.name, stored)
		}
		id += "b"
		n.Must(201, "PUT", "/Patient/"+id, functionstest.Patient(id, "1"))
		n.Must(200, "POST", "", functionstest.BundleOf("transaction", functionstest.EntryOf("", "PATCH", "Patient/"+id,
			patch), functionstest.EntryOf(urn, "POST", "Organization", `{"resourceType":"Organization"}`,
			`"ifNoneExist":"identifier=urn:s|o"`)))
		n.CaughtUp()
		if stored := n.Stored("Patient/" + id); !strings.Contains(stored, `"Organization/o"`) {
			t.Errorf("%s in a transaction, to what was there: there is %s", c.name, stored)
		}
	}
	n.Verified()
}

// TestNothingBecomesAReferenceUnread: a text that the door hasn't read as a reference becomes none.
func TestNothingBecomesAReferenceUnread(t *testing.T) {
	n := functionstest.NewNode(t)
	n.Must(201, "PUT", "/Organization/o", `{"resourceType":"Organization","id":"o"}`)
	const before = `{"resourceType":"Patient","id":"","managingOrganization":{"reference":"http://other.example/r4/Organization/1"},` +
		`"name":[{"text":"http://server.example/fhir/Organization/none"},{"text":"Organization?name=none"},` +
		`{"text":"Organization/none"},{"text":"Organization/o"},{"text":"nothing"}]}`
	for i, c := range []struct{ patch, want string }{
		{`[{"op":"move","from":"/name/0/text","path":"/managingOrganization/reference"}]`, "422"},
		{`[{"op":"copy","from":"/name/1/text","path":"/managingOrganization/reference"}]`, "422"},
		{`[{"op":"copy","from":"/name/2/text","path":"/managingOrganization/reference"}]`, "409"},
		{`[{"op":"copy","from":"/name/3/text","path":"/managingOrganization/reference"}]`, "200"},
		{`[{"op":"copy","from":"/name/4/text","path":"/managingOrganization/reference"}]`, "422"},
		{`[{"op":"copy","from":"/managingOrganization","path":"/generalPractitioner","value":0},{"op":"remove","path":"/generalPractitioner"}]`, "200"},
		{`[{"op":"add","path":"/generalPractitioner","value":[]},{"op":"copy","from":"/managingOrganization","path":"/generalPractitioner/-"}]`, "200"},
		{`[{"op":"add","path":"/managingOrganization","value":{"display":"` + functionstest.Base + `/Organization/none"}},` +
			`{"op":"move","from":"/managingOrganization/display","path":"/managingOrganization/reference"}]`, "422"},
		{parameters(operation("replace", "Patient.managingOrganization.reference | Patient.birthDate",
			`{"name":"value","valueString":"Organization?name=none"}`)), "422"},
		{parameters(operation("replace", "Patient.name[0].text", `{"name":"value","valueString":"x"}`)), "200"},
	} {
		if got, texts := patched(n, fmt.Sprintf("m%d", i), before, c.patch, ""); got != [3]string{c.want, c.want, c.want} {
			t.Errorf("%s: got %v, want %s: %s", c.patch, got, c.want, texts)
		}
	}
	n.Verified()
}

// TestConcurrentPatchesAreDecidedOneAfterTheOther: none is lost, and none overwrites another.
func TestConcurrentPatchesAreDecidedOneAfterTheOther(t *testing.T) {
	n := functionstest.NewNode(t)
	n.Must(201, "PUT", "/Patient/a", `{"resourceType":"Patient","id":"a","name":[{"text":"first"}]}`)
	var all sync.WaitGroup
	for i := range 50 {
		all.Go(func() {
			n.Must(200, "PATCH", "/Patient/a", fmt.Sprintf(`[{"op":"add","path":"/name/-","value":{"text":"n%d."}}]`, i),
				asJSONPatch)
		})
	}
	all.Wait()
	n.CaughtUp()
	stored := n.Stored("Patient/a")
	for i := range 50 {
		if strings.Count(stored, fmt.Sprintf(`"n%d."`, i)) != 1 {
			t.Errorf("the name n%d is not there once: %s", i, stored)
		}
	}
	n.Verified()
}

// TestPatchesAndResourcesInXML: a FHIRPath Patch may come as XML, alone and in bundles, and what was stored as XML can
// be patched. The new version is JSON.
func TestPatchesAndResourcesInXML(t *testing.T) {
	n := functionstest.NewNode(t)
	const (
		ns     = ` xmlns="http://hl7.org/fhir"`
		asXML  = "Content-Type: application/fhir+xml"
		before = `<Patient` + ns + `><id value="$"/><active value="true"/><multipleBirthInteger value="2"/></Patient>`
		patch  = `<Parameters` + ns + `><parameter><name value="operation"/><part><name value="type"/>` +
			`<valueCode value="replace"/></part><part><name value="path"/><valueString value="Patient.active"/></part>` +
			`<part><name value="value"/><valueBoolean value="false"/></part></parameter></Parameters>`
		jsonPatch = `[{"op":"replace","path":"/active","value":false}]`
	)
	entry := func(id, resource string) string {
		return `<Bundle` + ns + `><type value="transaction"/><entry><resource>` + resource +
			`</resource><request><method value="PATCH"/><url value="Patient/` + id + `"/></request></entry></Bundle>`
	}
	for id, send := range map[string]func(id string){
		"xml":   func(id string) { n.Must(200, "PATCH", "/Patient/"+id, patch, asXML) },
		"json":  func(id string) { n.Must(200, "PATCH", "/Patient/"+id, jsonPatch, asJSONPatch) },
		"entry": func(id string) { n.Must(200, "POST", "", entry(id, patch), asXML) },
		"binary": func(id string) {
			n.Must(200, "POST", "", entry(id, `<Binary`+ns+`><contentType value="application/json-patch+json"/><data value="`+
				base64.StdEncoding.EncodeToString([]byte(jsonPatch))+`"/></Binary>`), asXML)
		},
	} {
		n.Must(201, "PUT", "/Patient/"+id, strings.Replace(before, "$", id, 1), asXML)
		send(id)
		n.CaughtUp()
		stored := n.Stored("Patient/" + id)
		for _, want := range []string{`"active":false`, `"multipleBirthInteger":2`, `"id":"` + id + `"`} {
			if !strings.Contains(stored, want) {
				t.Errorf("%s: there is %s, want %s", id, stored, want)
			}
		}
	}
	n.Must(400, "PATCH", "/Patient/xml", patch[:len(patch)-1], asXML)
	n.Must(400, "PATCH", "/Patient/xml", `{"resourceType":"Parameters"}`, asXML)
	n.Must(400, "PATCH", "/Patient/xml", patch, asResource)
	n.Must(400, "PATCH", "/Patient/xml", patch, asJSONPatch)
	n.Must(201, "PUT", "/Binary/raw", "\x00\x01bytes", "Content-Type: application/octet-stream")
	n.Must(200, "PATCH", "/Binary/raw", `[{"op":"replace","path":"/contentType","value":"image/png"}]`, asJSONPatch)
	n.CaughtUp()
	if stored := n.Stored("Binary/raw"); !strings.Contains(stored, `"contentType":"image/png"`) ||
		!strings.Contains(stored, base64.StdEncoding.EncodeToString([]byte("\x00\x01bytes"))) {
		t.Errorf("a raw Binary: there is %s", stored)
	}
	n.Verified()
}
