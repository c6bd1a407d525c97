package catalog

import (
	"encoding/json"
	"testing"

	"binnacle/events/fhir"
	"binnacle/projections/catalog/r4"
)

func TestAPartKeepsTheBytesOfWhatItKeeps(t *testing.T) {
	c := defaultCatalog(t)
	for _, test := range []struct {
		typ      string
		summary  Summary
		elements []string
		doc      string
		want     string
	}{
		{"Basic", SummaryTrue, nil,
			`{"resourceType":"Basic","id":"1","code":{"text":"a\u00e9"},"extension":[{"url":"x"}]}`,
			`{"resourceType":"Basic","id":"1","code":{"text":"a\u00e9"},"meta":{"tag":[` + subsetted + `]}}`},
		{"Basic", SummaryData, nil,
			`{ "meta" : {"tag":[ {"code":"a"} ],"source":"s"} , "text":{}, "_text":{}, "resourceType" : "Basic" }`,
			`{"meta":{"source":"s","tag":[{"code":"a"},` + subsetted + `]},"resourceType":"Basic"}`},
		{"Binary", SummaryTrue, nil, `{"resourceType":"Binary","contentType":"text/plain","data":"AAAA"}`,
			`{"resourceType":"Binary","contentType":"text/plain","meta":{"tag":[` + subsetted + `]}}`},
		{"DocumentReference", SummaryTrue, nil,
			`{"resourceType":"DocumentReference","status":"current","content":[{"attachment":{"url":"http://x","data":"AAAA","title":"t"},"extension":[1]}],"meta":{}}`,
			`{"resourceType":"DocumentReference","status":"current","content":[{"attachment":{"url":"http://x","title":"t"}}],"meta":{"tag":[` + subsetted + `]}}`},
		{"Patient", "", []string{"name", "deceased"},
			`{"resourceType":"Patient","name":[{"family":"x"}, {"family":"y"} ],"_name":[null],"deceasedBoolean":true,"deceasedDateTime":"2000","gender":"male"}`,
			`{"resourceType":"Patient","name":[{"family":"x"}, {"family":"y"} ],"_name":[null],"deceasedBoolean":true,"deceasedDateTime":"2000","meta":{"tag":[` + subsetted + `]}}`},
		{"Observation", SummaryText, nil,
			`{"resourceType":"Observation","status":"final","_status":{"id":"s"},"code":{"text":"c"},"text":{"div":"d"},"subject":{}}`,
			`{"resourceType":"Observation","status":"final","_status":{"id":"s"},"code":{"text":"c"},"text":{"div":"d"},"meta":{"tag":[` + subsetted + `]}}`},
	} {
		got := string(c.Subset(test.typ, test.summary, test.elements).Append(nil, document(t, test.doc)))
		if got != test.want {
			t.Errorf("%s %v of %s\ngot  %s\nwant %s", test.summary, test.elements, test.doc, got, test.want)
		}
		if !json.Valid([]byte(got)) {
			t.Errorf("no JSON: %s", got)
		}
	}
	if c.Subset("Patient", WholeResource, nil) != nil {
		t.Error("nothing was asked for, and there is a part")
	}
}

func TestEverySummaryHoldsTheMandatoryElements(t *testing.T) {
	c := defaultCatalog(t)
	for _, typ := range c.Types() {
		root := c.summaries.of(typ)
		for _, e := range c.model.PartsOf(typ) {
			for _, s := range c.model.Steps(r4.PlaceOf(typ), e.Name) {
				if root.keys[s.Key] == nil {
					t.Errorf("the summary of %s lacks %s", typ, s.Key)
				}
			}
		}
		if root.whole || root.keys["text"] != nil || root.keys["contained"] != nil || root.keys["extension"] != nil ||
			root.keys["meta"] == nil || root.keys["id"] == nil {
			t.Errorf("the summary of %s", typ)
		}
	}
	if root := c.summaries.of("Patient"); root.keys["name"] == nil {
		t.Error("the summary of a Patient has no name")
	}
}

func FuzzSubset(f *testing.F) {
	c := defaultCatalog(f)
	f.Add([]byte(`{"resourceType":"Patient","name":[{"family":"x","_family":{}},null],"meta":{"tag":{}}}`))
	f.Add([]byte(`{"resourceType":"Observation","component":[[{}],{"code":1}],"meta":[]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		doc, err := fhir.Parse(data)
		if err != nil || doc.Root().Kind() != fhir.Object {
			return
		}
		for _, typ := range []string{"Patient", "Observation", "Bundle"} {
			for _, summary := range []Summary{SummaryTrue, SummaryData, SummaryText} {
				if got := c.Subset(typ, summary, nil).Append(nil, doc); !json.Valid(got) && json.Valid(data) {
					t.Errorf("%s of %q gives %q", summary, data, got)
				}
			}
		}
	})
}
