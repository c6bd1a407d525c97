package door_test

import (
	"strings"
	"testing"

	"binnacle/functions/functionstest"
)

// TestVersionsAndFragmentsStayBehindWhatIsResolved: only the name of the resource is replaced, whatever form it has.
func TestVersionsAndFragmentsStayBehindWhatIsResolved(t *testing.T) {
	const more = `"agent":[{"who":{"display":"x"}}],"recorded":"2024-01-01T00:00:00Z"`
	provenance := func(id string) string {
		return `{"resourceType":"Provenance","id":"` + id + `",` + more + `,
			"target":[{"reference":"Patient/v/_history/1"},{"reference":"` + functionstest.Base + `/Patient/v/_history/1"},{"reference":"http:\/\/server.example\/fhir\/Patient\/v\/_history\/1"},{"reference":"` + functionstest.Base + `/Patient/v#\"p"},{"reference":"Patient/v/_history/1#p"}],
			"text":{"status":"generated","div":"<a href=\"Patient/v/_history/1\">1</a><a href=\"Patient\/v#part\">p</a>"}}`
	}
	want := []string{`{"reference":"Patient/v/_history/1"},{"reference":"Patient/v/_history/1"},{"reference":"Patient\/v\/_history\/1"},{"reference":"Patient/v#\"p"},{"reference":"Patient/v/_history/1#p"}`,
		`<a href=\"Patient/v/_history/1\">1</a><a href=\"Patient\/v#part\">p</a>`}
	n := functionstest.NewNode(t)
	n.Must(201, "PUT", "/Patient/v", functionstest.Patient("v", "1"))
	n.Must(201, "PUT", "/Provenance/single", provenance("single"))
	n.Must(200, "POST", "", functionstest.BundleOf("batch",
		functionstest.EntryOf("", "PUT", "Provenance/batch", provenance("batch"))))
	for _, name := range []string{"Provenance/single", "Provenance/batch"} {
		for _, part := range want {
			if got := n.Stored(name); !strings.Contains(got, part) {
				t.Errorf("%s lacks %s:\n%s", name, part, got)
			}
		}
	}
	n.Must(200, "POST", "", functionstest.BundleOf("transaction",
		functionstest.EntryOf(functionstest.Base+"/Patient/v", "PUT", "Patient/v", functionstest.Patient("v", "2")),
		functionstest.EntryOf(functionstest.Base+"/Provenance/whole", "PUT", "Provenance/whole", provenance("whole")),
		functionstest.EntryOf("urn:uuid:1", "POST", "Practitioner",
			`{"resourceType":"Practitioner","identifier":[{"system":"urn:npi","value":"7"}]}`,
			`"ifNoneExist":"identifier=urn:npi|7"`),
		functionstest.EntryOf("urn:uuid:2", "PUT", "Practitioner/fixed",
			`{"resourceType":"Practitioner","id":"fixed"}`),
		functionstest.EntryOf("", "PUT", "Provenance/late", `{"resourceType":"Provenance","id":"late",`+more+`,"target":[{"reference":"urn:uuid:1#a"},{"reference":"urn:uuid:2#b"}],
			"text":{"status":"generated","div":"<a href='urn:uuid:1#c'/>"}}`)))
	for _, part := range []string{`{"reference":"Patient/v/_history/1"},{"reference":"Patient/v/_history/1"},{"reference":"Patient\/v\/_history\/1"},{"reference":"Patient/v#\"p"},{"reference":"Patient/v/_history/1#p"}`,
		`<a href=\"Patient/v/_history/1\">1</a><a href=\"Patient/v#part\">p</a>`} {
		if got := n.Stored("Provenance/whole"); !strings.Contains(got, part) {
			t.Errorf("in a transaction: lacks %s:\n%s", part, got)
		}
	}
	late := n.Stored("Provenance/late")
	id := onlyID(n, "Practitioner", "fixed")
	for _, part := range []string{`[{"reference":"Practitioner/` + id + `#a"},{"reference":"Practitioner/fixed#b"}]`,
		`<a href='Practitioner/` + id + `#c'/>`} {
		if !strings.Contains(late, part) {
			t.Errorf("a link that the projector resolves: lacks %s:\n%s", part, late)
		}
	}
	n.Verified()
}

// onlyID is the id of the one resource of a type, apart from a known one.
func onlyID(n *functionstest.Node, kind, known string) string {
	n.T.Helper()
	n.Index.Mu.Lock()
	defer n.Index.Mu.Unlock()
	found := ""
	for key := range n.Index.Places {
		if key.Type == kind && key.ID != known {
			if found != "" {
				n.T.Fatalf("there are two of %s: %s and %s", kind, found, key.ID)
			}
			found = key.ID
		}
	}
	return found
}

// TestATransactionReplacesLinksByWhatTheyAre: elements of URI types and narratives, of whatever form the fullUrl is;
// no other strings.
func TestATransactionReplacesLinksByWhatTheyAre(t *testing.T) {
	const urn, oid, source = "urn:uuid:00000000-0000-4000-8000-000000000001", "urn:oid:1.2.3", "https://src.example/r4"
	n := functionstest.NewNode(t)
	binary := `{"resourceType":"Binary","contentType":"text/plain","data":"aGk="}`
	got := n.Must(200, "POST", "", functionstest.BundleOf("transaction",
		functionstest.EntryOf(urn, "POST", "Binary", binary),
		functionstest.EntryOf(oid, "PUT", "Binary/o", `{"resourceType":"Binary","id":"o","contentType":"text/plain"}`),
		functionstest.EntryOf(source+"/Binary/7", "POST", "Binary", binary),
		functionstest.EntryOf(source+"/ValueSet/8", "POST", "ValueSet",
			`{"resourceType":"ValueSet","url":"`+source+`/ValueSet/8","status":"draft"}`),
		functionstest.EntryOf(source+"/DocumentReference/9", "PUT", "DocumentReference/d", `{"resourceType":"DocumentReference","id":"d","status":"current","description":"`+urn+`",
			"type":{"coding":[{"system":"`+source+`/ValueSet/8","code":"`+urn+`"}]},
			"extension":[{"url":"`+source+`/ValueSet/8","valueCanonical":"`+source+`/ValueSet/8"},{"url":"http://x","valueOid":"`+oid+`"},{"url":"http://y","valueUri":"http://elsewhere.example/Binary/7"}],
			"content":[{"attachment":{"url":"`+urn+`"}},{"attachment":{"url":"https:\/\/src.example\/r4\/Binary\/7","title":"`+urn+`"}},{"attachment":{"url":"Binary/7"}}],
			"text":{"status":"generated","div":"<a href='Binary/7'/><img src='`+source+`/Binary/7'/>"}}`)))
	first, third := functionstest.NameOf(got.At(t, "entry", 0, "response", "location")), functionstest.NameOf(got.At(t,
		"entry", 2, "response", "location"))
	document := n.Stored("DocumentReference/d")
	for _, part := range []string{`"description":"` + urn + `"`,
		`"coding":[{"system":"` + source + `/ValueSet/8","code":"` + urn + `"}]`,
		`[{"url":"` + source + `/ValueSet/8","valueCanonical":"` + source + `/ValueSet/8"},{"url":"http://x","valueOid":"Binary/o"},{"url":"http://y","valueUri":"http://elsewhere.example/Binary/7"}]`,
		`[{"attachment":{"url":"` + first + `"}},{"attachment":{"url":"` + third + `","title":"` + urn + `"}},{"attachment":{"url":"` + third + `"}}]`,
		`<a href='` + third + `'/><img src='` + third + `'/>`} {
		if !strings.Contains(document, part) {
			t.Errorf("lacks %s:\n%s", part, document)
		}
	}
	if definition := n.Stored(functionstest.NameOf(got.At(t, "entry", 3, "response",
		"location"))); !strings.Contains(definition, `"url":"`+source+`/ValueSet/8"`) {
		t.Errorf("a definition lost its URL: %s", definition)
	}
	n.Verified()
}

// TestAStoredBundleIsContent: what it holds belongs to it, however it is written.
func TestAStoredBundleIsContent(t *testing.T) {
	const urn = "urn:uuid:00000000-0000-4000-8000-000000000002"
	inner := func(id, kind, reference string) string {
		return `{"resourceType":"Bundle","id":"` + id + `","type":"` + kind + `","identifier":{"assigner":{"reference":"Organization/none"}},"entry":[{"fullUrl":"` + urn + `","resource":{"resourceType":"Practitioner"}},
			{"fullUrl":"https://else.example/fhir/Observation/1","resource":{"resourceType":"Observation","id":"1","status":"final","code":{"text":"x"},"subject":{"reference":"` + reference + `"},
			"text":{"status":"generated","div":"<a href='` + urn + `'/>"}},"request":{"method":"POST","url":"Observation","ifNoneExist":"identifier=` + urn + `"}}]}`
	}
	n := functionstest.NewNode(t)
	for _, reference := range []string{"Patient/none", urn, "urn:uuid:to-nothing", functionstest.Base + "/Patient/none",
		"Patient?identifier=none", "Patient?no-such-parameter=1"} {
		for _, kind := range []string{"collection", "document", "message", "transaction", "batch", "searchset"} {
			content := inner("b", kind, reference)
			n.Must(201, "PUT", "/Bundle/b", content)
			if got := n.Stored("Bundle/b"); got != content {
				t.Errorf("PUT of a %s with %s: got\n%s\nwant\n%s", kind, reference, got, content)
			}
			n.Must(204, "DELETE", "/Bundle/b", "")
			for _, outer := range []string{"batch", "transaction"} {
				got := n.Must(200, "POST", "", functionstest.BundleOf(outer,
					functionstest.EntryOf(urn, "POST", "Practitioner", `{"resourceType":"Practitioner"}`),
					functionstest.EntryOf("", "PUT", "Bundle/b", content),
					functionstest.EntryOf("", "POST", "Patient",
						`{"resourceType":"Patient","contained":[`+strings.Replace(content, `"id":"b"`, `"id":"c"`,
							1)+`]}`)))
				for entry := range 3 {
					if status := got.At(t, "entry", entry, "response", "status"); status != "201" {
						t.Fatalf("entry %d of a %s: %s", entry, outer, got.Body)
					}
				}
				if got := n.Stored("Bundle/b"); got != content {
					t.Errorf("a %s with %s in a %s: got\n%s\nwant\n%s", kind, reference, outer, got, content)
				}
				n.Must(204, "DELETE", "/Bundle/b", "")
			}
		}
	}
	// The other way round: what stands in a stored Bundle is no link to what has the same name here.
	n.Must(201, "PUT", "/Composition/c", `{"resourceType":"Composition","id":"c","status":"final"}`)
	n.Must(201, "PUT", "/Bundle/doc",
		`{"resourceType":"Bundle","id":"doc","type":"document","entry":[{"fullUrl":"http://a/Composition/c","resource":{"resourceType":"Composition","id":"c","status":"final"}}]}`)
	n.Must(204, "DELETE", "/Composition/c", "")
	n.Verified()
}
