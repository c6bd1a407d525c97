package form_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"binnacle/events/fhir"
	"binnacle/projections/fhir/form"
)

// placesOf visits the strings in a document: its places one by one, with the text before each.
func placesOf(node fhir.Node, visit func(place int, before string)) {
	switch node.Kind() {
	case fhir.Object:
		for key, value := range node.Fields() {
			if key != "resourceType" {
				placesOf(value, visit)
			}
		}
	case fhir.Array:
		for item := range node.Items() {
			placesOf(item, visit)
		}
	case fhir.String:
		start, end := node.Span()
		raw := node.Document().Bytes()
		for place := start + 1; place < end; place++ {
			part, err := fhir.Parse(append(append([]byte{'"'}, raw[start+1:place]...), '"'))
			if err == nil { // else the place is inside of an escape or a character
				visit(place, part.Root().Text())
			}
		}
	}
}

func TestPlacesOfTheDocumentAreFoundInTheXML(t *testing.T) {
	const family, twin, href = `a&#38;b&#x1F600;c&lt;d`, `&quot;t`, `<a href="x&amp;y">é</a>`
	content := []byte(`<?xml version="1.0"?><Patient xmlns="http://hl7.org/fhir"><text><div xmlns="http://www.w3.org/1999/xhtml">` +
		href + `</div></text><name><family value="` + family + `"/><given value="g1"><extension url="u"><valueString value="` +
		twin + `"><extension url="tt"/></valueString></extension></given><given value="g2"/></name></Patient>`)
	document, source, err := form.Parsed(content)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := fhir.Parse(document)
	if err != nil {
		t.Fatal(err)
	}
	part, err := source.Part(doc.Root())
	if err != nil || !bytes.Equal(part.Content, content) || !part.Mapped() {
		t.Fatalf("the content is %s, %v", part.Content, err)
	}
	for _, find := range []struct{ json, xml string }{
		{`a&b`, family}, {`b` + "\U0001F600", family[len("a&#38;"):]}, {"c<d", "c&lt;d"}, {`<d"`, `&lt;d"`}, {`\"t`, twin}, {`t","_v`, `t"><extension url="tt"`},
		{`g1`, `g1`}, {`g2`, `g2`}, {`u"`, `u"`}, {`tt"}`, `tt"/>`}, {`x&amp;y`, `x&amp;y`}, {`é<`, `é<`},
	} {
		place, want := bytes.Index(document, []byte(find.json)), bytes.Index(content, []byte(find.xml))
		if got := part.Place(document, place); got != want {
			t.Errorf("%q of %s is found at %d, want %d", find.json, document, got, want)
		}
	}
}

func TestAResourceIsCutOutSuchThatItStandsAlone(t *testing.T) {
	const bundle = `<Bundle xmlns="http://hl7.org/fhir" xmlns:x="urn:&amp;x"><entry><resource><Patient ><contained>` +
		`<Basic><id value="b"/></Basic></contained><active value="true"/></Patient></resource></entry>` +
		`<entry><resource><f:Basic xmlns:f="http://hl7.org/fhir" xmlns=""><f:language value="l"/></f:Basic></resource></entry></Bundle>`
	document, source, err := form.Parsed([]byte(bundle))
	if err != nil {
		t.Fatal(err)
	}
	doc, err := fhir.Parse(document)
	if err != nil {
		t.Fatal(err)
	}
	wants := []string{`<Patient xmlns:x="urn:&amp;x" xmlns="http://hl7.org/fhir" ><contained><Basic><id value="b"/></Basic></contained><active value="true"/></Patient>`,
		`<f:Basic xmlns:x="urn:&amp;x" xmlns:f="http://hl7.org/fhir" xmlns=""><f:language value="l"/></f:Basic>`}
	n := 0
	for entry := range doc.Root().Get("entry").Items() {
		part, err := source.Part(entry.Get("resource"))
		if err != nil || string(part.Content) != wants[n] {
			t.Errorf("got %s, %v, want %s", part.Content, err, wants[n])
		}
		if mapped, err := form.JSON(part.Content); err != nil || !bytes.Equal(mapped, entry.Get("resource").Raw()) {
			t.Errorf("alone it says %s, %v, want %s", mapped, err, entry.Get("resource").Raw())
		}
		n++
	}
	if n != len(wants) {
		t.Errorf("%d resources were seen, want %d", n, len(wants))
	}
}

func TestABundleIsWrittenInBothForms(t *testing.T) {
	total := int64(1)
	head := fhir.BundleHead{Type: "searchset", ID: "i", Total: &total, LastUpdated: time.Unix(0, 0),
		Links: []fhir.BundleLink{{Relation: "self", URL: "http://x?a&b"}}}
	entries := []fhir.BundleEntry{
		{FullURL: "http://x/Basic/1", Resource: []byte(`{"resourceType":"Basic","id":"1"}`), SearchMode: "match"},
		{Resource: []byte("<?xml version='1.0'?>\n" + patient(`<id value="2"/>`)), Request: &fhir.BundleRequest{Method: "PUT", URL: "Patient/2"},
			Response: &fhir.BundleResponse{Status: 201, Location: "l", ETag: `W/"1"`, LastModified: time.Unix(1, 0),
				Outcome: fhir.OperationOutcome(fhir.Issue{Code: "informational", Diagnostics: "d"})}},
	}
	write := func(wanted form.Form) string {
		var out strings.Builder
		w := form.NewBundleWriter(&out, head, wanted)
		for _, entry := range entries {
			if wanted == form.InJSON && form.Of(entry.Resource) == form.InXML {
				entry.Resource, _ = form.JSON(entry.Resource)
			}
			if err := w.Entry(entry); err != nil {
				t.Fatal(err)
			}
		}
		if wanted == form.InXML {
			if err := w.Entry(fhir.BundleEntry{Resource: []byte(`{"resourceType":"Unicorn"}`)}); err == nil {
				t.Error("a resource that R4 does not have is written")
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	document, written := write(form.InJSON), write(form.InXML)
	if got, err := form.JSON([]byte(written)); err != nil || string(got) != document {
		t.Errorf("the XML %s says %s, %v, want %s", written, got, err, document)
	}
	if !strings.Contains(written, `<resource>`+patient(`<id value="2"/>`)+`</resource>`) {
		t.Errorf("XML is written anew: %s", written)
	}
	const lines = "<Bundle xmlns=\"http://hl7.org/fhir\">\n  <id value=\"i\"/>\n  <meta>\n    <lastUpdated"
	for size := 1; size < 40; size += 13 {
		var out strings.Builder
		indenter := form.NewIndenter(&out)
		for at := 0; at < len(written); at += size {
			if _, err := indenter.Write([]byte(written[at:min(at+size, len(written))])); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := form.JSON([]byte(out.String())); err != nil || string(got) != document || !strings.HasPrefix(out.String(), lines) {
			t.Errorf("in lines it is %s, %v", out.String(), err)
		}
	}
}
