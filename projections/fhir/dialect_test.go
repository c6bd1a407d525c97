package fhir_test

import (
	"bytes"
	"testing"

	"binnacle/events"
	"binnacle/projections"
	"binnacle/projections/catalog"
	"binnacle/projections/fhir"
	"binnacle/projections/projectionstest"
)

func update(typ, id, content string) events.Change {
	return events.Change{Operation: events.Update, Type: typ, ID: id, Content: []byte(content), Entry: -1}
}

// patientXML says what the first patient of the test says.
const patientXML = `<?xml version="1.0"?>
<Patient xmlns="http://hl7.org/fhir">
 <!-- in another form -->
 <id value="a"/>
 <identifier><system value="urn:s"/><value value="1"/></identifier>
 <link><other><reference value="Patient/b/_history/2"/></other><type value="refer"/></link>
</Patient>`

func TestWhatIsSaidInAnotherFormIsTheSame(t *testing.T) {
	c, err := catalog.Default()
	if err != nil {
		t.Fatal(err)
	}
	d := fhir.New(c)
	const said = `{"link":[{"other":{"reference":"Patient/\u0062/_history/2"},"type":"refer"}],` +
		`"identifier":[{"value":"1","system":"urn:s"}],"resourceType":"Patient"}`
	for _, test := range []struct {
		before, after string
		want          bool
	}{
		{said, patientXML, true}, {patientXML, said, true},
		{patientXML, `<Patient xmlns="http://hl7.org/fhir"><identifier><system value="urn:s"/><value value="1"/>` +
			`</identifier><link><other><reference value="Patient/b/_history/2"/></other><type value="refer"/></link></Patient>`,
			true},
		{patientXML, `{"resourceType":"Patient"}`, false},
		{`{"resourceType":"Patient","shade":1}`, `<Patient xmlns="http://hl7.org/fhir"/>`, false},
		{`{"resourceType":"Patient"}`, `<Patient xmlns="http://hl7.org/fhir"/>`, true},
		{`<a/>`, `<b/>`, false},
	} {
		if got := d.Same([]byte(test.before), []byte(test.after)); got != test.want {
			t.Errorf("of %s and %s it says %t, want %t", test.before, test.after, got, test.want)
		}
	}
}

func TestFHIRIsADialect(t *testing.T) {
	c, err := catalog.Default()
	if err != nil {
		t.Fatal(err)
	}
	d := fhir.New(c)
	patient := update("Patient", "a",
		`{"resourceType":"Patient","id":"a",
		"identifier":[{"system":"urn:s","value":"1"}],
		"link":[{"other":{"reference":"Patient/b/_history/2"},"type":"refer"}]}`)
	linked := update("Patient", "a",
		`{"resourceType":"Patient","managingOrganization":{"reference":"Organization?identifier=urn:s|1"}}`)
	query := []byte("Organization?identifier=urn:s|1")
	start := bytes.Index(linked.Content, query)
	linked.Links = []events.Link{{Start: start, End: start + len(query), Change: -1, Type: "Organization",
		Query: "identifier=urn:s|1"}}
	linkedXML := update("Patient", "a", `<Patient xmlns="http://hl7.org/fhir"><managingOrganization>`+
		`<reference value="Organization?identifier=urn:s|1"/></managingOrganization></Patient>`)
	start = bytes.Index(linkedXML.Content, query)
	linkedXML.Links = []events.Link{{Start: start, End: start + len(query), Change: -1, Type: "Organization",
		Query: "identifier=urn:s|1"}}
	projectionstest.Dialect(t, projectionstest.DialectSample{
		Dialect: d,
		Changes: []events.Change{patient,
			update("Patient", "a", string(patient.Content[:len(patient.Content)-1])+
				` , "meta":{ "versionId":"7","lastUpdated":"2020-01-02T00:00:00Z"} }`),
			update("Observation", "o",
				`{"resourceType":"Observation","status":"final","code":{"text":"x"},
				"effectiveDateTime":"2020-01-02"}`),
			update("Patient", "a", patientXML), update("Patient", "x", `<Patient xmlns="http://hl7.org/fhir"><id value="x"/></Patient>`)},
		Linked: []events.Change{linked, linkedXML},
		Wrong: []events.Change{update("Patient", "a", `{"resourceType":"Observation"}`),
			update("Patient", "a b", `{"resourceType":"Patient"}`),
			update("Patient", "a", `{"resourceType":"Patient",`), update("Patient", "a", "\x00\xff"),
			update("Patient", "a", `<Patient xmlns="http://hl7.org/fhir"><id value="a"/>`),
			update("Patient", "a", `<Observation xmlns="http://hl7.org/fhir"><id value="a"/></Observation>`)},
	})

	p, err := d.Prepare(&patient)
	if err != nil || p.ID != "a" || p.Exact {
		t.Fatalf("got %+v, %v", p, err)
	}
	inXML := update("Patient", "a", patientXML)
	if read, err := d.Prepare(&inXML); err != nil || read.ID != "a" {
		t.Errorf("XML is prepared as %+v, %v", read, err)
	} else if found := read.Content.Mentions("main", nil); len(found) != 1 || found[0].ID != "b" {
		t.Errorf("XML mentions %+v", found)
	}
	mentions := p.Content.Mentions("main", nil)
	if len(mentions) != 1 {
		t.Fatalf("got %+v", mentions)
	}
	want := projections.Mention{Key: projections.Key{Tenant: "main", Type: "Patient", ID: "b"}, Link: -1,
		Version: "2", Place: mentions[0].Place}
	if mentions[0] != want || p.Content.Path(want.Place) != "Patient.link[0].other.reference" {
		t.Errorf("got %+v at %s, want %+v", mentions[0], p.Content.Path(want.Place), want)
	}
	if query, err := d.Condition("main", "Patient", "birthdate=ge2000"); events.KindOf(err) != events.TooCostly ||
		query.Type != "Patient" {
		t.Errorf("a condition by a range alone: got %+v, %v, want the query and an error of kind %s", query, err,
			events.TooCostly)
	}
	if dialects, err := projections.NewDialects(d, projectionstest.Opaque{}); err != nil ||
		fhir.CatalogOf(dialects) != c || dialects.Digest() != c.Digest() {
		t.Errorf("among others it has the catalog %p, digest %s, %v", fhir.CatalogOf(dialects), dialects.Digest(),
			err)
	}
}
