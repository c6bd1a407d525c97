package patch_test

import (
	"strings"
	"testing"

	"binnacle/events"
	"binnacle/projections/fhir/patch"
)

// op writes an operation: its type, its path, and further parts as "name:valueCode=x", JSON behind the equals sign.
func op(typ, path string, parts ...string) string {
	quoted := strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(path)
	text := `{"name":"type","valueCode":"` + typ + `"},{"name":"path","valueString":"` + quoted + `"}`
	for _, part := range parts {
		name, value, _ := strings.Cut(part, ":")
		key, value, _ := strings.Cut(value, "=")
		text += `,{"name":"` + name + `","` + key + `":` + value + `}`
	}
	return `{"name":"operation","part":[` + text + `]}`
}

func parameters(operations ...string) string {
	return `{"resourceType":"Parameters","parameter":[` + strings.Join(operations, ",") + `]}`
}

const (
	text     = `value:valueString="x"`
	nameCode = `name:valueString="gender"`
)

// TestAFHIRPathPatchChangesElements: in any form of JSON that they have, and leaves the bytes beside them.
func TestAFHIRPathPatchChangesElements(t *testing.T) {
	m := model(t)
	const rt = `{"resourceType":"Patient"`
	for _, c := range []struct{ name, before, ops, after string }{
		{"white space and decimals stay", "{\n  \"resourceType\": \"Patient\",\n  \"extension\": [ { \"url\":\"u\", \"valueDecimal\": 1.50 } ]\n}",
			op("add", "Patient", nameCode, `value:valueCode="male"`),
			"{\n  \"resourceType\": \"Patient\",\n  \"extension\": [ { \"url\":\"u\", \"valueDecimal\": 1.50 } ],\n  \"gender\": \"male\"\n}"},
		{"add makes the list", rt + `}`, op("add", "Patient", `name:valueString="name"`, `value:valueHumanName={"text" : "x"}`),
			rt + `,"name":[{"text" : "x"}]}`},
		{"add appends to the list of an item", rt + `,"name":[{"given":["a"]},{"given":["b"]}]}`,
			op("add", "Patient.name[1]", `name:valueString="given"`, text), rt + `,"name":[{"given":["a"]},{"given":["b","x"]}]}`},
		{"a choice gets the key of its type", `{"resourceType":"Observation"}`,
			op("add", "Observation", `name:valueString="value"`, `value:valueQuantity={"value":1.0}`),
			`{"resourceType":"Observation","valueQuantity":{"value":1.0}}`},
		{"a choice by its name in the definition, and in JSON", `{"resourceType":"Observation"}`,
			op("add", "Observation", `name:valueString="value[x]"`, `value:valueString="x"`) + "," +
				op("add", "Observation", `name:valueString="effectiveDateTime"`, `value:valueDateTime="2000"`),
			`{"resourceType":"Observation","valueString":"x","effectiveDateTime":"2000"}`},
		{"a choice gets another key with another type", `{"resourceType":"Observation", "valueQuantity" : {"value":1.0}, "status":"final"}`,
			op("replace", "Observation.value", `value:valueString="x"`),
			`{"resourceType":"Observation", "valueString" : "x", "status":"final"}`},
		{"a choice by its type", `{"resourceType":"Observation","valueQuantity":{"value":1.0,"unit":"g"}}`,
			op("replace", "Observation.value.ofType(Quantity).value", `value:valueDecimal=2.50`),
			`{"resourceType":"Observation","valueQuantity":{"value":2.50,"unit":"g"}}`},
		{"a choice as another type is not there", `{"resourceType":"Observation","valueQuantity":{"value":1.0}}`,
			op("delete", "(Observation.value as string)"), `{"resourceType":"Observation","valueQuantity":{"value":1.0}}`},
		{"where() with and", rt + `,"telecom":[{"system":"phone","use":"home"},{"system":"phone","use":"work"}]}`,
			op("replace", "Patient.telecom.where(system = 'phone' and use = 'work').use", `value:valueCode="old"`),
			rt + `,"telecom":[{"system":"phone","use":"home"},{"system":"phone","use":"old"}]}`},
		{"where() on the element itself", rt + `,"name":[{"given":["a","b","c"]}]}`,
			op("delete", "Patient.name.given.where($this = 'b')"), rt + `,"name":[{"given":["a","c"]}]}`},
		{"first() and last()", rt + `,"name":[{"text":"a"},{"text":"b"},{"text":"c"}]}`,
			op("delete", "Patient.name.first()") + "," + op("delete", "Patient.name.last()"), rt + `,"name":[{"text":"b"}]}`},
		{"tail() and skip()", rt + `,"name":[{"text":"a"},{"text":"b"},{"text":"c"}]}`,
			op("delete", "Patient.name.tail().take(1)") + "," + op("delete", "Patient.name.skip(1)"), rt + `,"name":[{"text":"a"}]}`},
		{"extension(url)", rt + `,"extension":[{"url":"a","valueString":"1"},{"url":"b","valueString":"2"}]}`,
			op("replace", "Patient.extension('b').value", `value:valueInteger=5`),
			rt + `,"extension":[{"url":"a","valueString":"1"},{"url":"b","valueInteger":5}]}`},
		{"exists() and not()", rt + `,"name":[{"text":"a","period":{"end":"2000"}},{"text":"b"}]}`,
			op("delete", "Patient.name.where(period.exists().not())"), rt + `,"name":[{"text":"a","period":{"end":"2000"}}]}`},
		{"numbers are compared by what they count", `{"resourceType":"Observation","component":[{"valueQuantity":{"value":1.50}},{"valueQuantity":{"value":2}}]}`,
			op("delete", "Observation.component.where(value.value = 1.5)"),
			`{"resourceType":"Observation","component":[{"valueQuantity":{"value":2}}]}`},
		{"a path without the type", rt + `,"active":true}`, op("replace", "active", `value:valueBoolean=false`), rt + `,"active":false}`},
		{"delete of what is not there", rt + `}`, op("delete", "Patient.name[3].given.where($this = 'x')"), rt + `}`},
		{"what is emptied goes", rt + `,"contact":[{"name":{"text":"x"}}],"active":true}`, op("delete", "Patient.contact.name.text"),
			rt + `,"active":true}`},
		{"the twins keep step with a list: delete", rt + `,"name":[{"given":["a","b","c"],"_given":[null,{"id":"b"},{"id":"c"}]}]}`,
			op("delete", "Patient.name.given[1]"), rt + `,"name":[{"given":["a","c"],"_given":[null,{"id":"c"}]}]}`},
		{"the twins keep step with a list: the last twin goes", rt + `,"name":[{"given":["a","b"],"_given":[null,{"id":"b"}]}]}`,
			op("delete", "Patient.name.given[1]"), rt + `,"name":[{"given":["a"]}]}`},
		{"the twins keep step with a list: insert", rt + `,"name":[{"given":["a","b"],"_given":[null,{"id":"b"}]}]}`,
			op("insert", "Patient.name.given", "index:valueInteger=0", text), rt + `,"name":[{"given":["x","a","b"],"_given":[null,null,{"id":"b"}]}]}`},
		{"the twins keep step with a list: add", rt + `,"name":[{"given":["a"],"_given":[{"id":"a"}]}]}`,
			op("add", "Patient.name", `name:valueString="given"`, text), rt + `,"name":[{"given":["a","x"],"_given":[{"id":"a"},null]}]}`},
		{"the twins keep step with a list: move", rt + `,"name":[{"given":["a","b","c"],"_given":[{"id":"a"}]}]}`,
			op("move", "Patient.name.given", "source:valueInteger=0", "destination:valueInteger=2"),
			rt + `,"name":[{"given":["b","c","a"],"_given":[null,null,{"id":"a"}]}]}`},
		{"the twins keep step with a list: replace", rt + `,"name":[{"given":["a","b"],"_given":[{"id":"a"},{"id":"b"}]}]}`,
			op("replace", "Patient.name.given[0]", text), rt + `,"name":[{"given":["x","b"],"_given":[null,{"id":"b"}]}]}`},
		{"an item that has but a twin", rt + `,"name":[{"given":["a",null],"_given":[null,{"id":"b"}]}]}`,
			op("delete", "Patient.name.given[1].id"), rt + `,"name":[{"given":["a"]}]}`},
		{"a twin comes with its value", rt + `,"birthDate":"2000"}`,
			`{"name":"operation","part":[{"name":"type","valueCode":"replace"},{"name":"path","valueString":"Patient.birthDate"},` +
				`{"name":"value","valueDate":"2001","_valueDate":{"id":"d"}}]}`, rt + `,"birthDate":"2001","_birthDate":{"id":"d"}}`},
		{"a twin without a value in a list", rt + `,"name":[{"given":["a"]}]}`,
			`{"name":"operation","part":[{"name":"type","valueCode":"add"},{"name":"path","valueString":"Patient.name"},` +
				`{"name":"name","valueString":"given"},{"name":"value","_valueString":{"id":"d"}}]}`,
			rt + `,"name":[{"given":["a",null],"_given":[null,{"id":"d"}]}]}`},
		{"an extension of a primitive", rt + `,"birthDate":"2000","active":true}`,
			`{"name":"operation","part":[{"name":"type","valueCode":"add"},{"name":"path","valueString":"Patient.birthDate"},` +
				`{"name":"name","valueString":"extension"},{"name":"value","part":[{"name":"url","valueUri":"u"},{"name":"value","valueString":"x"}]}]}`,
			rt + `,"birthDate":"2000","_birthDate":{"extension":[{"url":"u","valueString":"x"}]},"active":true}`},
		{"an extension of an item", rt + `,"name":[{"given":["a","b"]}]}`,
			`{"name":"operation","part":[{"name":"type","valueCode":"add"},{"name":"path","valueString":"Patient.name.given[0]"},` +
				`{"name":"name","valueString":"extension"},{"name":"value","part":[{"name":"url","valueUri":"u"},{"name":"value","valueString":"x"}]}]}`,
			rt + `,"name":[{"given":["a","b"],"_given":[{"extension":[{"url":"u","valueString":"x"}]},null]}]}`},
		{"the last extension of a primitive goes", rt + `,"birthDate":"2000","_birthDate":{"extension":[{"url":"u","valueString":"x"}]}}`,
			op("delete", "Patient.birthDate.extension('u')"), rt + `,"birthDate":"2000"}`},
		{"delete of a primitive takes its twin", rt + `,"birthDate":"2000","_birthDate":{"id":"x"},"active":true}`, op("delete", "Patient.birthDate"),
			rt + `,"active":true}`},
		{"insert makes the list", rt + `}`, op("insert", "Patient.name", "index:valueInteger=0", `value:valueHumanName={"text":"x"}`),
			rt + `,"name":[{"text":"x"}]}`},
		{"parts of parts, and a list of them", rt + `}`,
			`{"name":"operation","part":[{"name":"type","valueCode":"add"},{"name":"path","valueString":"Patient"},{"name":"name","valueString":"contact"},` +
				`{"name":"value","part":[{"name":"relationship","part":[{"name":"coding","valueCoding":{"code":"a"}},{"name":"coding","part":[{"name":"code","valueCode":"b"}]}]},` +
				`{"name":"gender","valueCode":"other"},{"name":"name","valueHumanName":{"text":"x"}}]}]}`,
			rt + `,"contact":[{"relationship":[{"coding":[{"code":"a"},{"code":"b"}]}],"gender":"other","name":{"text":"x"}}]}`},
		{"replace by parts", rt + `,"contact":[{"gender":"male","name":{"text":"x"}}]}`,
			`{"name":"operation","part":[{"name":"type","valueCode":"replace"},{"name":"path","valueString":"Patient.contact[0]"},` +
				`{"name":"value","part":[{"name":"gender","valueCode":"other"}]}]}`, rt + `,"contact":[{"gender":"other"}]}`},
		{"a contained resource", rt + `}`,
			`{"name":"operation","part":[{"name":"type","valueCode":"add"},{"name":"path","valueString":"Patient"},{"name":"name","valueString":"contained"},` +
				`{"name":"value","resource":{"resourceType":"Organization","id":"o"}}]},` + op("add", "Patient.contained.where(id = 'o')", `name:valueString="name"`, text),
			rt + `,"contained":[{"resourceType":"Organization","id":"o","name":"x"}]}`},
		{"items of a content reference", `{"resourceType":"Questionnaire","item":[{"linkId":"1","item":[{"linkId":"2"}]}]}`,
			op("add", "Questionnaire.item.item.where(linkId = '2')", `name:valueString="text"`, text),
			`{"resourceType":"Questionnaire","item":[{"linkId":"1","item":[{"linkId":"2","text":"x"}]}]}`},
		{"a code in valueString", rt + `,"gender":"male"}`, op("replace", "Patient.gender", `value:valueString="female"`), rt + `,"gender":"female"}`},
		{"a quantity of a profile", `{"resourceType":"Condition"}`, op("add", "Condition", `name:valueString="onset"`, `value:valueAge={"value":5}`),
			`{"resourceType":"Condition","onsetAge":{"value":5}}`},
	} {
		typ, _, _ := strings.Cut(strings.Split(c.before, `"`)[3], `"`)
		got, err := apply(m, typ, parameters(c.ops), c.before)
		if err != nil || got != c.after {
			t.Errorf("%s:\ngot  %s, %v\nwant %s", c.name, got, err, c.after)
		}
	}
}

func TestAFHIRPathPatchThatCanNotBeReadIsInvalid(t *testing.T) {
	m := model(t)
	for _, c := range []struct{ patch, text string }{
		{`{"resourceType":"Patient"}`, "PUT"},
		{`{}`, "Parameters"},
		{`{"resourceType":"Parameters","parameter":{}}`, "is an array"},
		{parameters(`{"name":"other"}`), "operation 0 of the FHIRPath Patch: a parameter has the name operation"},
		{parameters(`5`), "has the name operation"},
		{parameters(`{"name":"operation","part":[{"name":"path","valueString":"Patient"}]}`), "type is missing"},
		{parameters(op("merge", "Patient")), `the type is "merge"`},
		{parameters(op("delete", "Patient.active"), op("add", "Patient", nameCode)), "operation 1 of the FHIRPath Patch: the part value is missing"},
		{parameters(op("add", "Patient", text)), "name is missing"},
		{parameters(op("delete", "")), "path has a text"},
		{parameters(op("delete", "Patient.active", text)), `"value" doesn't belong to delete`},
		{parameters(op("delete", "Patient.active", `path:valueString="x"`)), "stands twice"},
		{parameters(op("insert", "Patient.name", "index:valueInteger=-1", text)), "whole number"},
		{parameters(op("insert", "Patient.name", `index:valueString="1"`, text)), "whole number"},
		{parameters(op("insert", "Patient.name.first()", "index:valueInteger=1", text)), "names a list"},
		{parameters(op("insert", "Patient", "index:valueInteger=1", text)), "names a list"},
		{parameters(op("move", "Patient.name[1]", "source:valueInteger=1", "destination:valueInteger=1")), "names a list"},
		{parameters(op("delete", "Patient.name +")), "not in the subset"},
		{parameters(op("delete", "Patient.name.repeat(x)")), "repeat() is not known"},
		{parameters(op("delete", "Patient.name.where()")), "where() has 0 arguments"},
		{parameters(op("delete", "Patient.name.where(%sct = 1)")), "%sct is not known"},
		{parameters(op("delete", "Patient.value.ofType('x')")), "the name of a type"},
		{parameters(op("delete", "Observation.status")), "is one of Observation"},
		{parameters(op("replace", "Patient.active", `value:valueNothing=1`)), "no datatype"},
		{parameters(op("replace", "Patient.active", `value:valueBoolean="x"`)), "another form"},
		{parameters(op("replace", "Patient.active", `value:valueHumanName={}`)), "is empty"},
		{parameters(op("replace", "Patient.active", `value:part=[]`)), "an array of them"},
		{parameters(op("replace", "Patient.active", `value:shade=1`)), "doesn't know"},
		{parameters(`{"name":"operation","part":[{"name":"type","valueCode":"replace"},{"name":"path","valueString":"Patient.active"},{"name":"value","valueBoolean":true,"valueString":"x"}]}`), "several types"},
		{parameters(`{"name":"operation","part":[{"name":"type","valueCode":"replace"},{"name":"path","valueString":"Patient.active"},{"name":"value"}]}`), "one value[x]"},
	} {
		_, err := patch.Parse(m, "Patient", []byte(c.patch))
		if events.KindOf(err) != events.Invalid || !strings.Contains(events.TextOf(err), c.text) {
			t.Errorf("%s: got %v, want %q", c.patch, err, c.text)
		}
	}
}

func TestAFHIRPathPatchThatTheResourceDoesNotAllowIsUnprocessable(t *testing.T) {
	m := model(t)
	const before = `{"resourceType":"Patient","active":true,"name":[{"text":"a"},{"text":"b"}],"deceasedBoolean":true,"link":"x"}`
	for _, c := range []struct{ op, text string }{
		{op("add", "Patient", nameCode, text) + "," + op("replace", "Patient.birthDate", text), "operation 1 of the FHIRPath Patch (replace \"Patient.birthDate\"): the path leads to nothing"},
		{op("add", "Patient.contact", nameCode, text), "leads to nothing"},
		{op("add", "Patient.name", `name:valueString="text"`, text), "leads to 2 elements"},
		{op("delete", "Patient.name"), "leads to 2 elements"},
		{op("replace", "Patient.name", text), "Patient.name[0] and Patient.name[1]"},
		{op("add", "Patient", `name:valueString="active"`, "value:valueBoolean=true"), "is there already"},
		{op("add", "Patient", `name:valueString="deceased"`, `value:valueDateTime="2000"`), "deceasedBoolean is there already"},
		{op("add", "Patient", `name:valueString="shade"`, text), `has no element "shade"`},
		{op("delete", "Patient.shade"), `has no element "shade"`},
		{op("add", "Patient", `name:valueString="multipleBirth"`, text), "can't be of the type string"},
		{op("add", "Patient", `name:valueString="maritalStatus"`, text), "is of the type CodeableConcept"},
		{op("add", "Patient", `name:valueString="maritalStatus"`, `value:valueIdentifier={"value":"x"}`), "is of the type CodeableConcept"},
		{op("add", "Patient", `name:valueString="contact"`, `value:valueHumanName={"text":"x"}`), "is of the type BackboneElement"},
		{op("replace", "Patient.active", text), "is of the type boolean"},
		{op("insert", "Patient.name", "index:valueInteger=3", `value:valueHumanName={"text":"x"}`), "has 2 items"},
		{op("insert", "Patient.active", "index:valueInteger=0", "value:valueBoolean=true"), "is no list"},
		{op("insert", "Patient.name.given", "index:valueInteger=0", text), "stands in 2 elements"},
		{op("insert", "Patient.link.other", "index:valueInteger=0", text), "is no list"},
		{op("move", "Patient.name", "source:valueInteger=2", "destination:valueInteger=0"), "has 2 items"},
		{op("move", "Patient.name", "source:valueInteger=0", "destination:valueInteger=2"), "has 2 items"},
		{op("delete", "Patient"), "the resource itself"},
		{op("replace", "Patient", `value:resource={"resourceType":"Patient"}`), "the resource itself"},
		{op("delete", "Patient.name.exists()"), "no element"},
		{op("delete", "Patient.name.where(text | 'x')"), "gives 2 values"},
		{op("delete", "Patient.where(name = 'x')"), "" /* two names are no text */},
		{op("delete", "Patient.name.single()"), "single() is asked of 2"},
		{op("add", "Patient.link", `name:valueString="type"`, text), "no object"},
		{op("insert", "Patient.link", "index:valueInteger=0", `value:part=[{"name":"type","valueCode":"x"}]`), "no array"},
	} {
		got, err := apply(m, "Patient", parameters(c.op), before)
		if c.text == "" && err == nil && got == before {
			continue
		}
		if events.KindOf(err) != events.Unprocessable || !strings.Contains(events.TextOf(err), c.text) {
			t.Errorf("%s: got %s, %v, want %q", c.op, got, err, c.text)
		}
	}
}
