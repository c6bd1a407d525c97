package extract

import (
	"errors"
	"testing"

	"binnacle/events"
	"binnacle/events/fhir"
)

// TestElementsHaveTheirJSONForm: of all elements, whether a parameter reads them or not, and not of what R4 doesn't
// have.
func TestElementsHaveTheirJSONForm(t *testing.T) {
	c := compiled(t)
	for inside, place := range map[string]string{ // of a Patient; the place where it is wrong, "": nowhere
		`"contained":"x"`:    "Patient.contained",
		`"contained":{}`:     "Patient.contained",
		`"contained":["x"]`:  "Patient.contained[0]",
		`"contained":[null]`: "Patient.contained[0]",
		`"contained":[{"resourceType":"Observation","note":5}]`:                                              "Patient.contained[0].note",
		`"contained":[{"resourceType":"Nonsense","note":5}]`:                                                 "Patient.contained[0].resourceType",
		`"contained":[{"resourceType":5}]`:                                                                   "Patient.contained[0].resourceType",
		`"contained":[{"resourceType":"patient"}]`:                                                           "Patient.contained[0].resourceType",
		`"contained":[{"resourceType":"Resource"}]`:                                                          "Patient.contained[0].resourceType",
		`"contained":[{"resourceType":"Parameters"}]`:                                                        "",
		`"contained":[{}]`:                                                                                   "Patient.contained[0]",
		`"contained":[{"resourceType":"List"},{"id":"z"}]`:                                                   "Patient.contained[1]",
		`"contained":[{"resourceType":"Parameters","parameter":[{"resource":{"resourceType":"Nonsense"}}]}]`: "Patient.contained[0].parameter[0].resource.resourceType",
		`"text":"x"`:                         "Patient.text",
		`"text":{"div":5}`:                   "Patient.text.div",
		`"text":[{"div":"x"}]`:               "Patient.text",
		`"meta":"x"`:                         "Patient.meta",
		`"meta":{"tag":{}}`:                  "Patient.meta.tag",
		`"meta":{"tag":["x"]}`:               "Patient.meta.tag[0]",
		`"meta":{"profile":"x"}`:             "Patient.meta.profile",
		`"meta":{"profile":[5]}`:             "Patient.meta.profile[0]",
		`"meta":{"versionId":5}`:             "Patient.meta.versionId",
		`"extension":{"url":"x"}`:            "Patient.extension",
		`"extension":[{"url":5}]`:            "Patient.extension[0].url",
		`"extension":[{"valueInteger":"5"}]`: "Patient.extension[0].valueInteger",
		`"extension":[{"valueBoolean":true,"valueDecimal":1.50,"extension":[{"valueQuantity":{"value":"1"}}]}]`: "Patient.extension[0].extension[0].valueQuantity.value",
		`"modifierExtension":5`:                 "Patient.modifierExtension",
		`"identifier":{}`:                       "Patient.identifier",
		`"identifier":[{"type":{"coding":{}}}]`: "Patient.identifier[0].type.coding",
		`"implicitRules":{}`:                    "Patient.implicitRules",
		`"multipleBirthInteger":"2"`:            "Patient.multipleBirthInteger",
		`"multipleBirthBoolean":null`:           "Patient.multipleBirthBoolean",
		`"photo":[{"size":"5"}]`:                "Patient.photo[0].size",
		`"contact":[{"name":[]}]`:               "Patient.contact[0].name",
		`"_birthDate":"x"`:                      "Patient._birthDate",
		`"_birthDate":{"id":5}`:                 "Patient._birthDate.id",
		`"name":[{"given":["a",null],"_given":[null,{"extension":[{"url":"x"}]}]}]`:                                                "",
		`"name":[{"given":["a"],"_given":[5]}]`:                                                                                    "Patient.name[0]._given[0]",
		`"shade":5,"_shade":{"x":1},"fhir_comments":["x"]`:                                                                         "",
		`"contained":[{"resourceType":"Bundle","type":"collection","entry":[{"resource":{"resourceType":"Patient","text":"x"}}]}]`: "",
		`"contained":[{"resourceType":"Bundle","type":"collection","entry":{}}]`:                                                   "Patient.contained[0].entry",
	} {
		doc, err := fhir.Parse([]byte(`{"resourceType":"Patient",` + inside + `}`))
		if err != nil {
			t.Fatal(err)
		}
		err = c.Check(doc.Root())
		var told *events.Error
		if place == "" && err != nil || place != "" && (!errors.As(err, &told) || told.Kind != events.Invalid ||
			told.Expression != place) {
			t.Errorf("%s: got %v, want it refused at %q", inside, err, place)
		}
	}
}
