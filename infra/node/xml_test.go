package node

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

const (
	sendsXML  = "Content-Type: application/fhir+xml"
	wantsXML  = "Accept: application/fhir+xml"
	wantsJSON = "Accept: application/fhir+json"
)

// inXML is a patient as a client writes one by hand.
const inXML = `<?xml version="1.0" encoding="UTF-8"?>
<!-- by hand -->
<Patient xmlns="http://hl7.org/fhir">
  <id value="%[1]s"/>
  <text><status value="generated"/><div xmlns="http://www.w3.org/1999/xhtml">a<br/>&#233; <!-- kept --></div></text>
  <extension url="http://example.org/weight"><valueDecimal value="72.50"/></extension>
  <identifier><system value="urn:s"/><value value="%[1]s"/></identifier>
  <name><given value="A"/><given id="g"/><given value="&lt;B&gt;"><extension url="http://example.org/x"><valueCode value="y"/></extension></given></name>
  <birthDate value="1970-03"/>
</Patient>
`

// inJSON is what the patient says in JSON, from its first element on that the server says nothing of.
const inJSON = `"text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\">a<br/>&#233; <!-- kept --></div>"},` +
	`"extension":[{"url":"http://example.org/weight","valueDecimal":72.50}],"identifier":[{"system":"urn:s","value":"%[1]s"}],` +
	`"name":[{"given":["A",null,"<B>"],"_given":[null,{"id":"g"},` +
	`{"extension":[{"url":"http://example.org/x","valueCode":"y"}]}]}],"birthDate":"1970-03"}`

// TestXMLIsStoredAsItWasSent writes and reads XML on both SQL drivers: alone, in a batch and in a transaction.
func TestXMLIsStoredAsItWasSent(t *testing.T) {
	for _, variant := range []string{"standalone", "distributed"} {
		t.Run(variant, func(t *testing.T) {
			p, limits := openVariant(t, variant)
			w := &xmlWalk{serve(t, p, limits)}
			w.ask(http.StatusNotFound, "GET", "/fhir/Patient/nobody", "", wantsXML)
			for _, step := range []struct {
				name string
				walk func(*xmlWalk)
			}{{"alone", (*xmlWalk).alone}, {"the other form", (*xmlWalk).otherForm}, {"a batch", (*xmlWalk).batch},
				{"a transaction", (*xmlWalk).transaction}, {"searches and histories", (*xmlWalk).bundles},
				{"patches", (*xmlWalk).patches}, {"what XML cannot hold", (*xmlWalk).unshown}, {"outcomes and capabilities", (*xmlWalk).told}} {
				t.Run(step.name, func(t *testing.T) {
					of := *w.served
					of.T = t
					step.walk(&xmlWalk{&of})
				})
			}
			w.verified(true, false)
			before := w.ask(http.StatusOK, "GET", "/fhir/Patient/alone", "", wantsXML)
			w.rebuilt(nil)
			w.verified(true, false)
			if after := w.ask(http.StatusOK, "GET", "/fhir/Patient/alone", "", wantsXML); after != before {
				t.Errorf("after a rebuild it is %s, want %s", after, before)
			}
		})
	}
}

type xmlWalk struct{ *served }

// stamped is the patient as it is read, with a version. The time of it is not looked at.
func (w *xmlWalk) sameAs(got, id, version string) {
	w.Helper()
	start := strings.Index(got, `<lastUpdated value="`)
	if start < 0 {
		w.Fatalf("the answer has no time: %s", got)
	}
	end := start + strings.Index(got[start:], "/>") + len("/>")
	want := strings.Replace(fmt.Sprintf(inXML, id), `<id value="`+id+`"/>`,
		`<id value="`+id+`"/><meta><versionId value="`+version+`"/></meta>`, 1)
	if got = got[:start] + got[end:]; got != want {
		w.Errorf("got %s, want %s", got, want)
	}
}

// holds tells of texts that an answer lacks.
func (w *xmlWalk) holds(got string, texts ...string) {
	w.Helper()
	for _, text := range texts {
		if !strings.Contains(got, text) {
			w.Errorf("%q is not in %s", text, got)
		}
	}
}

func (w *xmlWalk) alone() {
	w.sameAs(w.ask(http.StatusCreated, "PUT", "/fhir/Patient/alone", fmt.Sprintf(inXML, "alone"), sendsXML),
		"alone", "1")
	w.sameAs(w.ask(http.StatusOK, "GET", "/fhir/Patient/alone", "", wantsXML), "alone", "1")
	w.sameAs(w.ask(http.StatusOK, "GET", "/fhir/Patient/alone/_history/1?_format=xml", ""), "alone", "1")
	w.holds(w.ask(http.StatusOK, "GET", "/fhir/Patient/alone", ""), `{"resourceType":"Patient","id":"alone","meta":`,
		fmt.Sprintf(inJSON, "alone"))
	w.holds(w.ask(http.StatusOK, "GET", "/fhir/Patient/alone?_elements=birthDate", "", wantsXML),
		`<Patient xmlns="http://hl7.org/fhir"><id value="alone"/>`, `<code value="SUBSETTED"/>`, `<birthDate value="1970-03"/></Patient>`)
	w.holds(w.ask(http.StatusOK, "GET", "/fhir/Patient/alone?_pretty=true", "", wantsXML), "\n  <name>\n    <given value=\"A\"/>\n")
}

// otherForm: what is said in another form is no other version.
func (w *xmlWalk) otherForm() {
	is := w.ask(http.StatusOK, "GET", "/fhir/Patient/alone", "")
	w.holds(w.ask(http.StatusOK, "PUT", "/fhir/Patient/alone", is), `"versionId":"1"`)
	w.ask(http.StatusCreated, "PUT", "/fhir/Basic/json", `{"code":{"text":"\u0061"},"id":"json","resourceType":"Basic"}`)
	was := w.ask(http.StatusOK, "GET", "/fhir/Basic/json?_format=application/xml", "")
	w.holds(was, `<Basic xmlns="http://hl7.org/fhir"><id value="json"/>`, `<code><text value="a"/></code></Basic>`)
	w.holds(w.ask(http.StatusOK, "PUT", "/fhir/Basic/json", was, sendsXML, wantsJSON), `"versionId":"1"`, `"\u0061"`)
	w.holds(w.ask(http.StatusOK, "PUT", "/fhir/Basic/json", strings.Replace(was, `"a"`, `"b"`, 1), sendsXML, wantsJSON),
		`"versionId":"2"`, `"text":"b"`)
}

// bundled is a bundle with entries that inherit the namespace, one of them with a prefix of its own.
func bundled(kind string, entries ...string) string {
	return `<Bundle xmlns="http://hl7.org/fhir"><type value="` + kind + `"/>` + strings.Join(entries, "") + `</Bundle>`
}

func entryInXML(fullURL, method, url, resource string) string {
	if fullURL != "" {
		fullURL = `<fullUrl value="` + fullURL + `"/>`
	}
	if resource != "" {
		resource = "<resource>" + resource + "</resource>"
	}
	return `<entry>` + fullURL + resource + `<request><method value="` + method + `"/><url value="` + url + `"/></request></entry>`
}

func (w *xmlWalk) batch() {
	got := w.ask(http.StatusOK, "POST", "/fhir", bundled("batch",
		entryInXML("", "PUT", "Basic/b1", `<Basic><id value="b1"/><code><text value="x"/></code></Basic>`),
		entryInXML("", "PUT", "Basic/b2", `<f:Basic xmlns:f="http://hl7.org/fhir"><f:id value="b2"/><f:code><f:text value="y"/></f:code></f:Basic>`),
		entryInXML("", "PUT", "Basic/b3", `<Basic><id value="b4"/></Basic>`),
		entryInXML("", "GET", "Patient/alone", ""), entryInXML("", "GET", "Patient/nobody", "")), sendsXML, wantsXML,
		"Prefer: return=representation")
	w.holds(got, `<Bundle xmlns="http://hl7.org/fhir"><type value="batch-response"/><entry><resource>`+
		`<Basic xmlns="http://hl7.org/fhir"><id value="b1"/><meta><versionId value="1"/>`, `<f:id value="b2"/><f:meta>`,
		`<status value="400"/><outcome><OperationOutcome xmlns="http://hl7.org/fhir"><issue>`, `Bundle.entry[2].resource.id`, `<!-- kept -->`,
		`<status value="404"/><outcome>`)
	w.holds(w.ask(http.StatusOK, "GET", "/fhir/Basic/b1", "", wantsXML),
		`<Basic xmlns="http://hl7.org/fhir"><id value="b1"/><meta>`, `<code><text value="x"/></code></Basic>`)
	w.holds(w.ask(http.StatusOK, "GET", "/fhir/Basic/b2", "", wantsXML), `<f:Basic xmlns="http://hl7.org/fhir" xmlns:f="http://hl7.org/fhir">`)
	w.holds(w.ask(http.StatusOK, "GET", "/fhir/Basic/b2", ""), `"code":{"text":"y"}}`)
}

// transaction: references in elements, extensions of primitives that repeat and narratives are resolved in the XML.
func (w *xmlWalk) transaction() {
	const observation = `<Observation><id value="o"/><text><status value="generated"/>` +
		`<div xmlns="http://www.w3.org/1999/xhtml">&lt;<a title="&quot;" href="urn:uuid:11111111-1111-1111-1111-111111111111">p</a></div></text>` +
		`<extension url="http://example.org/r"><valueReference><reference value="Patient/alone/_history/1"/></valueReference></extension>` +
		`<status value="final"/><code><text value="a &#38; b"/></code><subject><reference value="urn:uuid:11111111-1111-1111-1111-111111111111"/>` +
		`<display value="a&amp;b"/></subject><performer><reference value="Patient?identifier=urn:s%7Calone"/></performer>` +
		`<performer><reference value="http://server.example/fhir/Patient/alone"/></performer></Observation>`
	w.holds(w.ask(http.StatusOK, "POST", "/fhir", bundled("transaction",
		entryInXML("urn:uuid:22222222-2222-2222-2222-222222222222", "PUT", "Observation/o", observation),
		entryInXML("urn:uuid:11111111-1111-1111-1111-111111111111", "POST", "Patient", `<Patient><active value="true"/></Patient>`),
		entryInXML("", "GET", "Patient?_id=alone", "")), sendsXML, wantsXML), `<type value="transaction-response"/>`,
		`<status value="201"/>`, `<resource><Bundle xmlns="http://hl7.org/fhir">`, `<type value="searchset"/>`)
	got := w.ask(http.StatusOK, "GET", "/fhir/Observation/o", "", wantsXML)
	at := strings.Index(got, `<subject><reference value="`) + len(`<subject><reference value="`)
	made := got[at : at+strings.IndexByte(got[at:], '"')]
	if !strings.HasPrefix(made, "Patient/") {
		w.Fatalf("the subject is %q", made)
	}
	want := strings.NewReplacer("urn:uuid:11111111-1111-1111-1111-111111111111", made,
		"Patient?identifier=urn:s%7Calone", "Patient/alone", "http://server.example/fhir/", "").Replace(observation)
	_, want, _ = strings.Cut(want, `<id value="o"/>`)
	w.holds(got, want)
	w.holds(w.ask(http.StatusOK, "GET", "/fhir/Observation?subject="+made, ""), `"total":1`, `"reference":"`+made+`"`)
	w.holds(w.ask(http.StatusConflict, "PUT", "/fhir/Observation/p", `<Observation xmlns="http://hl7.org/fhir"><id value="p"/>`+
		`<status value="final"/><code><text value="x"/></code><subject><reference value="Patient/nobody"/></subject></Observation>`,
		sendsXML, wantsXML), `<expression value="Observation.subject.reference"/>`)
	w.holds(w.ask(http.StatusBadRequest, "POST", "/fhir", bundled("transaction",
		entryInXML("", "POST", "Patient", `<Patient><shade/></Patient>`)), sendsXML, wantsXML),
		`Bundle.entry[0].resource`, `R4 has no element shade here`)
}

func (w *xmlWalk) bundles() {
	got := w.ask(http.StatusOK, "GET", "/fhir/Patient?identifier=urn:s|alone&_include=*", "", wantsXML)
	w.holds(got, `<type value="searchset"/><total value="1"/><link><relation value="self"/>`, `<!-- kept -->`,
		`<search><mode value="match"/></search></entry></Bundle>`)
	w.holds(w.ask(http.StatusOK, "POST", "/fhir/Patient/_search", "_id=alone&_format=xml&_pretty=true",
		"Content-Type: application/x-www-form-urlencoded"), "\n  <type value=\"searchset\"/>\n", `&#233; <!-- kept --></div>`)
	w.holds(w.ask(http.StatusOK, "GET", "/fhir/Observation?_id=o&_include=Observation:subject&_summary=true", "", wantsXML),
		`<mode value="include"/>`, `<code value="SUBSETTED"/>`)
	w.ask(http.StatusNoContent, "DELETE", "/fhir/Basic/b1", "")
	w.holds(w.ask(http.StatusOK, "GET", "/fhir/Basic/b1/_history", "", wantsXML), `<type value="history"/><total value="2"/>`,
		`<request><method value="DELETE"/><url value="Basic/b1"/></request><response><status value="204"/>`,
		`<resource><Basic xmlns="http://hl7.org/fhir"><id value="b1"/>`)
	w.holds(w.ask(http.StatusOK, "GET", "/fhir?_type=Basic,Patient&_sort=_id", ""), `"id":"b2"`, `"id":"alone"`)
}

// patches: a patch may come in XML, and what came in XML may be patched. It is JSON from then on, unless the patch
// changes nothing.
func (w *xmlWalk) patches() {
	patch := func(path string) string {
		return `<Parameters><parameter><name value="operation"/><part><name value="type"/><valueCode value="replace"/></part>` +
			`<part><name value="path"/><valueString value="` + path + `"/></part><part><name value="value"/>` +
			`<valueReference><reference value="urn:uuid:33333333-3333-3333-3333-333333333333"/></valueReference></part></parameter></Parameters>`
	}
	alone := strings.NewReplacer("<Parameters>", `<Parameters xmlns="http://hl7.org/fhir">`,
		"urn:uuid:33333333-3333-3333-3333-333333333333", "Patient/alone").Replace(patch("Observation.performer[0]"))
	w.holds(w.ask(http.StatusOK, "PATCH", "/fhir/Observation/o", alone, sendsXML, wantsXML), `<versionId value="1"/>`,
		`<performer><reference value="Patient/alone"/></performer>`, `href="Patient/`)
	w.holds(w.ask(http.StatusOK, "POST", "/fhir", bundled("batch", entryInXML("", "PATCH", "Observation/o",
		strings.ReplaceAll(alone, "[0]", "[1]"))), sendsXML, wantsXML), `<status value="200"/>`)
	w.holds(w.ask(http.StatusOK, "POST", "/fhir", bundled("transaction",
		entryInXML("urn:uuid:33333333-3333-3333-3333-333333333333", "PUT", "Patient/t", `<Patient><id value="t"/></Patient>`),
		entryInXML("", "PATCH", "Observation/o", patch("Observation.subject"))), sendsXML, wantsXML), `<status value="200"/>`)
	w.holds(w.ask(http.StatusOK, "GET", "/fhir/Observation/o", ""), `"subject":{"reference":"Patient/t"}`,
		`"performer":[{"reference":"Patient/alone"},{"reference":"Patient/alone"}]`)
	w.holds(w.ask(http.StatusBadRequest, "PATCH", "/fhir/Observation/o", "<Parameters/>", sendsXML, wantsXML),
		`namespace of FHIR`)
}

// unshown: what XML cannot hold is told, and a write stands.
func (w *xmlWalk) unshown() {
	const nul = `{"resourceType":"Basic","id":"nul","code":{"text":"a\u0000"}}`
	w.holds(w.ask(http.StatusCreated, "PUT", "/fhir/Basic/nul", nul, wantsXML), `<severity value="information"/>`,
		`<severity value="warning"/>`, `<expression value="Basic.code.text"/>`)
	w.holds(w.ask(http.StatusNotAcceptable, "GET", "/fhir/Basic/nul", "", wantsXML), `<code value="not-supported"/>`,
		`<expression value="Basic.code.text"/>`)
	w.holds(w.ask(http.StatusNotAcceptable, "GET", "/fhir/Basic?_id=nul", "", wantsXML), "Basic/nul: ", `Basic.code.text`)
	w.holds(w.ask(http.StatusNotAcceptable, "GET", "/fhir/Basic/nul/_history", "", wantsXML), `Basic.code.text`)
	w.ask(http.StatusOK, "PUT", "/fhir/Basic/nul", `{"resourceType":"Basic","id":"nul","code":{"text":"\ud800"},"shade":1}`)
	w.holds(w.ask(http.StatusNotAcceptable, "GET", "/fhir/Basic/nul", "", wantsXML), `Basic.`)
	w.holds(w.ask(http.StatusOK, "POST", "/fhir", bundled("batch", entryInXML("", "GET", "Basic/nul", ""),
		entryInXML("", "GET", "Basic/b2", "")), sendsXML, wantsXML), `<status value="406"/>`, `<f:id value="b2"/>`)
	w.ask(http.StatusOK, "GET", "/fhir/Basic/nul", "")
}

// told: what the server says itself is in XML, too.
func (w *xmlWalk) told() {
	w.holds(w.ask(http.StatusNotFound, "GET", "/fhir/Patient/nobody", "", wantsXML),
		`<OperationOutcome xmlns="http://hl7.org/fhir"><issue><severity value="error"/><code value="not-found"/>`)
	w.holds(w.ask(http.StatusNotFound, "GET", "/fhir/Unicorn/1?_format=xml", ""), `<code value="not-supported"/>`)
	w.holds(w.ask(http.StatusBadRequest, "GET", "/fhir/Patient?color=red", "", wantsXML), `<OperationOutcome`)
	w.holds(w.ask(http.StatusMethodNotAllowed, "DELETE", "/fhir/metadata", "", wantsXML), `<OperationOutcome`)
	w.holds(w.ask(http.StatusOK, "GET", "/fhir/metadata", "", wantsXML), `<CapabilityStatement xmlns="http://hl7.org/fhir">`,
		`<format value="application/fhir+xml"/>`, `<format value="xml"/>`)
	w.holds(w.ask(http.StatusOK, "PUT", "/fhir/Patient/alone", fmt.Sprintf(inXML, "alone"), sendsXML, wantsXML,
		"Prefer: return=OperationOutcome"), `<OperationOutcome`, `unchanged`)
	w.holds(w.ask(http.StatusUnsupportedMediaType, "POST", "/fhir/Patient", "x", "Content-Type: text/turtle", wantsXML),
		`application/fhir+xml`)
	w.holds(w.ask(http.StatusNotAcceptable, "GET", "/fhir/Patient/alone", "", "Accept: text/turtle"), `_format=xml`)
}
