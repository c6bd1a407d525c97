package form_test

import (
	"strings"
	"testing"
	"time"

	"binnacle/events"
	"binnacle/events/fhir"
	"binnacle/projections/fhir/form"
)

// patient puts XML into a Patient.
func patient(inside string) string {
	return `<Patient xmlns="http://hl7.org/fhir">` + inside + `</Patient>`
}

// div puts XHTML into a narrative.
func div(inside string) string {
	return patient(`<text><status value="generated"/><div xmlns="http://www.w3.org/1999/xhtml">` + inside + `</div></text>`)
}

func TestXMLIsMappedToJSON(t *testing.T) {
	for _, test := range []struct{ name, xml, want string }{
		{"an empty resource", `<Patient xmlns="http://hl7.org/fhir"/>`, `{"resourceType":"Patient"}`},
		{"a declaration, comments and white space", "<?xml version='1.0' encoding='utf-8' standalone=\"yes\"?>\n<!-- a - b -->" +
			patient("\n <!----> <active value='true' ></active >\t") + "<!-- c -->\n", `{"resourceType":"Patient","active":true}`},
		{"a schema's place", `<Patient xmlns="http://hl7.org/fhir" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" ` +
			`xsi:schemaLocation="a b"><id value="x"/></Patient>`, `{"resourceType":"Patient","id":"x"}`},
		{"a prefix", `<f:Patient xmlns:f="http://hl7.org/fhir"><f:active value="true"/></f:Patient>`,
			`{"resourceType":"Patient","active":true}`},
		{"attributes that are elements in JSON", patient(`<extension url="u" id="i"><valueString id="s" value="x"/></extension>`),
			`{"resourceType":"Patient","extension":[{"url":"u","id":"i","valueString":"x","_valueString":{"id":"s"}}]}`},
		{"the id of a resource that has an extension", patient(`<id value="x"><extension url="u"/></id>`),
			`{"resourceType":"Patient","id":"x","_id":{"extension":[{"url":"u"}]}}`},
		{"a primitive without a value", patient(`<birthDate><extension url="u"><valueCode value="c"/></extension></birthDate>`),
			`{"resourceType":"Patient","_birthDate":{"extension":[{"url":"u","valueCode":"c"}]}}`},
		{"a twin behind values", patient(`<name><given value="a"/><given value="b" id="x"/><given value="c"/></name>`),
			`{"resourceType":"Patient","name":[{"given":["a","b","c"],"_given":[null,{"id":"x"},null]}]}`},
		{"a twin of a twin", patient(`<name><given><extension url="u"><valueString><extension url="v"/></valueString></extension></given></name>`),
			`{"resourceType":"Patient","name":[{"given":[null],"_given":[{"extension":[{"url":"u","_valueString":{"extension":[{"url":"v"}]}}]}]}]}`},
		{"references to characters", patient(`<name><family value="&lt;&gt;&amp;&quot;&apos;&#10;&#x1F600;&#233;"/></name>`),
			`{"resourceType":"Patient","name":[{"family":"<>&\"'\n` + "\U0001F600é" + `"}]}`},
		{"white space in values is a space", patient("<name><family value='a\tb\r\nc\nd'/></name>"),
			`{"resourceType":"Patient","name":[{"family":"a b c d"}]}`},
		{"numbers as they are written", patient(`<multipleBirthInteger value="-0"/><extension url="u"><valueDecimal value="1.500E+07"/></extension>`),
			`{"resourceType":"Patient","multipleBirthInteger":-0,"extension":[{"url":"u","valueDecimal":1.500E+07}]}`},
		{"contained resources", patient(`<contained><Basic><id value="a"/></Basic></contained><contained><Basic/></contained>`),
			`{"resourceType":"Patient","contained":[{"resourceType":"Basic","id":"a"},{"resourceType":"Basic"}]}`},
		{"a narrative as it stands", div("\n a&amp;b &#160;<p title='\"'>x</p><!-- c --><br /><![CDATA[<]]>\r\n"),
			`{"resourceType":"Patient","text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\">\n a&amp;b &#160;<p title='\"'>x</p><!-- c --><br /><![CDATA[<]]>\r\n</div>"}}`},
		{"an element without anything", patient(`<name/>`), `{"resourceType":"Patient","name":[{}]}`},
		{"the resources of Bundles and Parameters",
			`<Bundle xmlns="http://hl7.org/fhir"><entry><resource><Parameters><parameter><name value="r"/><resource><Patient/></resource></parameter></Parameters></resource></entry></Bundle>`,
			`{"resourceType":"Bundle","entry":[{"resource":{"resourceType":"Parameters","parameter":[{"name":"r","resource":{"resourceType":"Patient"}}]}}]}`},
	} {
		got, err := form.JSON([]byte(test.xml))
		if err != nil || string(got) != test.want {
			t.Errorf("%s: got %s, %v, want %s", test.name, got, err, test.want)
		}
	}
}

func TestXMLIsRefusedWithItsPlace(t *testing.T) {
	deep := strings.Repeat(`<extension url="u">`, 101)
	for _, test := range []struct{ name, xml, want string }{
		{"nothing behind the declaration", `<?xml version="1.0"?>`, "1:22: there is no element"},
		{"a text alone", `<?xml version="1.0"?>x`, "1:22: text outside"},
		{"an end that lacks", `<Patient xmlns="http://hl7.org/fhir">`, "the text ends inside of Patient"},
		{"an end of another element", patient(`<name></nam>`), "1:44: Patient.name[0]: the end of nam"},
		{"an end too many", patient(``) + `</Patient>`, "the end of Patient stands where none can be"},
		{"a second root", patient(``) + `<a/>`, "a second root element"},
		{"a DOCTYPE", `<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>`, "1:1: a DOCTYPE"},
		{"a bomb", `<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]>` + patient(`<id value="&b;"/>`),
			"1:22: a DOCTYPE"},
		{"an entity of HTML", div(`&nbsp;`), "& begins no reference"},
		{"an entity of nobody", patient(`<id value="&x;"/>`), "1:49: Patient: & begins no reference"},
		{"a character that is none", patient(`<id value="&#0;"/>`), "& begins no reference"},
		{"a lone surrogate", patient(`<id value="&#xD800;"/>`), "& begins no reference"},
		{"a processing instruction", patient(`<?php x ?>`), "a processing instruction"},
		{"a stylesheet", `<?xml-stylesheet href="x"?>` + patient(``), "1:1: a processing instruction"},
		{"another encoding", `<?xml version="1.0" encoding="latin1"?>` + patient(``), `1:31: the encoding "latin1"`},
		{"another version", `<?xml version="1.1"?>` + patient(``), `another version`},
		{"a declaration without a version", `<?xml encoding="utf-8"?>` + patient(``), `no version`},
		{"bytes that are no UTF-8", patient("<id value=\"\xff\"/>"), "not UTF-8"},
		{"a control character", patient("<id value=\"\x01\"/>"), "a control character"},
		{"U+FFFE", patient("<id value=\"\ufffe\"/>"), "a character that XML cannot hold"},
		{"no namespace", `<Patient/>`, "the element Patient is not in the namespace of FHIR"},
		{"another namespace", patient(`<active xmlns="urn:x" value="true"/>`), "in another namespace"},
		{"a prefix of nobody", patient(`<f:active value="true"/>`), "stands for no namespace"},
		{"an unknown type", `<Unicorn xmlns="http://hl7.org/fhir"/>`, "Unicorn is not a resource type"},
		{"an abstract type", `<Resource xmlns="http://hl7.org/fhir"/>`, "not a resource type"},
		{"an unknown element", patient("\n<name><shade value=\"x\"/></name>"), "2:7: Patient.name[0]: R4 has no element shade"},
		{"an unknown attribute", patient(`<active value="true" shade="x"/>`), "no attribute shade"},
		{"an attribute of a resource", `<Patient xmlns="http://hl7.org/fhir" id="x"/>`, "a resource has no attribute id"},
		{"an element that is an attribute", patient(`<extension><url value="u"/></extension>`), "no element url"},
		{"an attribute twice", patient(`<active value="true" value="true"/>`), "the attribute value stands twice"},
		{"a declaration twice", `<Patient xmlns="http://hl7.org/fhir" xmlns="http://hl7.org/fhir"/>`, "declared twice"},
		{"attributes without space", patient(`<active id="a"value="true"/>`), "white space must stand"},
		{"a < in a value", patient(`<id value="<"/>`), "write &lt;"},
		{"an element twice that R4 has once", patient(`<active value="true"/><active value="true"/>`), "the element active stands twice"},
		{"elements that do not follow each other", patient(`<name/><active value="true"/><name/>`), "the elements name do not follow each other"},
		{"a text", patient(`<active>true</active>`), "text stands where"},
		{"a CDATA section", patient(`<![CDATA[ ]]>`), "text stands where"},
		{"no value", patient(`<active/>`), "neither a value nor an extension"},
		{"no value in a list", patient(`<name><given/></name>`), "neither a value nor an extension"},
		{"a number that is none", patient(`<multipleBirthInteger value="+1"/>`), "a number is wanted"},
		{"a number with zeros in front", patient(`<multipleBirthInteger value="01"/>`), "a number is wanted"},
		{"a boolean that is none", patient(`<active value="1"/>`), "true or false"},
		{"no resource contained", patient(`<contained/>`), "a resource must stand here"},
		{"two resources contained in one", patient(`<contained><Basic/><Basic/></contained>`), "one resource stands here"},
		{"an attribute of contained", patient(`<contained id="x"><Basic/></contained>`), "has no attributes"},
		{"too deep", patient(deep), "more than 100 levels"},
		{"a narrative that is too deep", div(strings.Repeat("<b>", 101)), "more than 100 levels"},
		{"a narrative in FHIR's namespace", patient(`<text><div>x</div></text>`), "in another namespace than http://www.w3.org/1999/xhtml"},
		{"a narrative with a prefix", patient(`<text><h:div xmlns:h="http://www.w3.org/1999/xhtml"/></text>`), "must declare its namespace itself"},
		{"an element of FHIR in a narrative", div(`<name xmlns="http://hl7.org/fhir"/>`), "is not one of XHTML"},
		{"an attribute with a prefix in a narrative", div(`<b xmlns:x="urn:x" x:y="z"/>`), "has a prefix"},
		{"a narrative with ]]>", div(`]]>`), "]]> in a text"},
		{"two dashes in a comment", patient(`<!-- a -- b -->`), "two dashes"},
		{"a comment without an end", patient(`<!-- a`), "the comment has no end"},
		{"too many attributes", patient(`<active ` + attributes(101) + `/>`), "more than 100 attributes"},
		{"too many namespaces", patient(`<active ` + strings.ReplaceAll(attributes(101), "a", "xmlns:a") + `/>`), "more than 100 declarations"},
	} {
		got, err := form.JSON([]byte(test.xml))
		if events.KindOf(err) != events.Invalid || !strings.Contains(events.TextOf(err), test.want) {
			t.Errorf("%s: got %s, %v, want %q", test.name, got, err, test.want)
		}
	}
}

// attributes writes many.
func attributes(n int) string {
	var list []string
	for i := range n {
		list = append(list, "a"+strings.Repeat("x", i)+`="v"`)
	}
	return strings.Join(list, " ")
}

func TestJSONIsMappedToXML(t *testing.T) {
	for _, test := range []struct{ name, json, want string }{
		{"the order of the definitions", `{"birthDate":"1970","extension":[{"valueCode":"c","url":"u"}],"id":"x","resourceType":"Patient"}`,
			patient(`<id value="x"/><extension url="u"><valueCode value="c"/></extension><birthDate value="1970"/>`)},
		{"extensions before those that modify", `{"resourceType":"Patient","modifierExtension":[{"url":"m"}],"extension":[{"url":"u"}],"contained":[{"resourceType":"Basic"}]}`,
			patient(`<contained><Basic/></contained><extension url="u"/><modifierExtension url="m"/>`)},
		{"a twin alone", `{"resourceType":"Patient","name":[{"_given":[{"id":"a"}],"given":[null,"b"]}]}`,
			patient(`<name><given id="a"/><given value="b"/></name>`)},
		{"more twins than values", `{"resourceType":"Patient","name":[{"given":["a"],"_given":[null,{"id":"b"}]}]}`,
			patient(`<name><given value="a"/><given id="b"/></name>`)},
		{"characters that XML would change", `{"resourceType":"Patient","name":[{"family":"<&>\"\n\r\t\ud83d\ude00\/"}]}`,
			patient("<name><family value=\"&lt;&amp;>&quot;&#10;&#13;&#9;\U0001F600/\"/></name>")},
		{"digits as they stand", `{"resourceType":"Observation","valueQuantity":{"value":1.50e1}}`,
			`<Observation xmlns="http://hl7.org/fhir"><valueQuantity><value value="1.50e1"/></valueQuantity></Observation>`},
		{"a narrative without its namespace, with what HTML has", `{"resourceType":"Patient","text":{"div":" <div id='x'>a&nbsp;<b>c</b>\r</div> "}}`,
			patient(`<text><div xmlns="http://www.w3.org/1999/xhtml" id='x'>a&#160;<b>c</b>&#13;</div></text>`)},
	} {
		got, err := form.XML([]byte(test.json))
		if err != nil || string(got) != test.want {
			t.Errorf("%s: got %s, %v, want %s", test.name, got, err, test.want)
		}
	}
}

func TestWhatXMLCannotHoldIsRefusedWithItsPath(t *testing.T) {
	for _, test := range []struct{ name, json, path string }{
		{"NUL", `{"resourceType":"Patient","name":[{"family":"a\u0000"}]}`, "Patient.name[0].family"},
		{"a form feed", `{"resourceType":"Patient","language":"\f"}`, "Patient.language"},
		{"a lone high surrogate", `{"resourceType":"Patient","language":"\ud800"}`, "Patient.language"},
		{"a lone low surrogate", `{"resourceType":"Patient","language":"\udc00\ud800"}`, "Patient.language"},
		{"U+FFFF", "{\"resourceType\":\"Patient\",\"language\":\"\uffff\"}", "Patient.language"},
		{"an unknown element", `{"resourceType":"Patient","name":[{"shade":1}]}`, "Patient.name[0].shade"},
		{"comments of an older FHIR", `{"resourceType":"Patient","fhir_comments":["a"]}`, "Patient.fhir_comments"},
		{"a twin of what is no primitive", `{"resourceType":"Patient","_name":[{"id":"a"}]}`, "Patient._name"},
		{"a twin of an attribute", `{"resourceType":"Patient","extension":[{"_url":{"id":"a"}}]}`, "Patient.extension[0]._url"},
		{"an unknown type", `{"resourceType":"Unicorn"}`, "Unicorn"},
		{"an unknown type inside", `{"resourceType":"Patient","contained":[{"resourceType":"Unicorn"}]}`, "Patient.contained[0]"},
		{"a type inside of what is no resource", `{"resourceType":"Patient","name":[{"resourceType":"HumanName"}]}`, "Patient.name[0].resourceType"},
		{"an empty array", `{"resourceType":"Patient","name":[]}`, "Patient.name"},
		{"an array that should be none", `{"resourceType":"Patient","maritalStatus":[{}]}`, "Patient.maritalStatus"},
		{"null", `{"resourceType":"Patient","active":null}`, "Patient.active"},
		{"null without a twin", `{"resourceType":"Patient","name":[{"given":["a",null]}]}`, "Patient.name[0].given[1]"},
		{"a number that is a string", `{"resourceType":"Observation","valueInteger":"1"}`, "Observation.valueInteger"},
		{"a narrative that is not well-formed", `{"resourceType":"Patient","text":{"div":"<div><br></div>"}}`, "Patient.text.div"},
		{"a narrative with another one behind", `{"resourceType":"Patient","text":{"div":"<div/><div/>"}}`, "Patient.text.div"},
		{"a narrative that is no div", `{"resourceType":"Patient","text":{"div":"<p/>"}}`, "Patient.text.div"},
		{"a narrative with a DOCTYPE", `{"resourceType":"Patient","text":{"div":"<!DOCTYPE x><div/>"}}`, "Patient.text.div"},
	} {
		got, err := form.XML([]byte(test.json))
		e, is := err.(*events.Error) //nolint:errorlint // the error itself is looked at
		if !is || e.Kind != events.Unsupported || e.Expression != test.path || !strings.Contains(e.Text, test.path) {
			t.Errorf("%s: got %s, %v, want it refused at %s", test.name, got, err, test.path)
		}
	}
}

func TestXMLIsStampedWhereItStands(t *testing.T) {
	at := time.Date(2026, 11, 30, 12, 0, 0, 5_000_000, time.UTC)
	const meta = `<versionId value="3"/><lastUpdated value="2026-11-30T12:00:00.005Z"/>`
	for _, test := range []struct{ name, content, want string }{
		{"an empty resource", `<Patient xmlns="http://hl7.org/fhir"/>`, patient(`<id value="x"/><meta>` + meta + `</meta>`)},
		{"neither id nor meta", patient(" <active value='true'/>"), patient(`<id value="x"/><meta>` + meta + `</meta> <active value='true'/>`)},
		{"an id", "<?xml version='1.0'?>\n" + patient("\n <id  value = 'old' /><active value='true'/>"),
			"<?xml version='1.0'?>\n" + patient("\n <id  value = 'x' /><meta>"+meta+"</meta><active value='true'/>")},
		{"an id without a value", patient(`<id><extension url="u"/></id>`), patient(`<id value="x"><extension url="u"/></id><meta>` + meta + `</meta>`)},
		{"a meta alone", patient(`<!-- a --><meta><tag/></meta>`), patient(`<id value="x"/><!-- a --><meta>` + meta + `<tag/></meta>`)},
		{"an empty meta", patient(`<id value="y"/><meta/>`), patient(`<id value="x"/><meta>` + meta + `</meta>`)},
		{"both values", patient(`<id value="y"/><meta><versionId value="7"/><lastUpdated value="then"/><source value="s"/></meta>`),
			patient(`<id value="x"/><meta>` + meta + `<source value="s"/></meta>`)},
		{"one of them, behind an extension", patient(`<id value="y"/><meta id="m"><extension url="u"/><lastUpdated value="then"/></meta>`),
			patient(`<id value="x"/><meta id="m"><extension url="u"/>` + meta + `</meta>`)},
		{"the other order", patient(`<meta><lastUpdated value="then"/></meta><active value="true"/><id value="y"/>`),
			patient(`<meta><versionId value="3"/><lastUpdated value="2026-11-30T12:00:00.005Z"/></meta><active value="true"/><id value="x"/>`)},
		{"an id that is another element's", patient(`<contained><Basic><id value="b"/><meta/></Basic></contained>`),
			patient(`<id value="x"/><meta>` + meta + `</meta><contained><Basic><id value="b"/><meta/></Basic></contained>`)},
		{"a prefix", `<f:Patient xmlns:f="http://hl7.org/fhir"/>`,
			`<f:Patient xmlns:f="http://hl7.org/fhir"><f:id value="x"/><f:meta><f:versionId value="3"/><f:lastUpdated value="2026-11-30T12:00:00.005Z"/></f:meta></f:Patient>`},
	} {
		got, err := form.Stamp(nil, []byte(test.content), form.InXML, "x", 3, at)
		if err != nil || string(got) != test.want {
			t.Errorf("%s: got %s, %v, want %s", test.name, got, err, test.want)
		}
		if again, err := form.Stamp(nil, got, form.InXML, "x", 3, at); err != nil || string(again) != test.want {
			t.Errorf("%s: stamped again it is %s, %v", test.name, again, err)
		}
		document, err := form.Stamp(nil, []byte(test.content), form.InJSON, "x", 3, at)
		mapped, wrong := form.JSON(got)
		if err != nil || wrong != nil || !fhir.Same(document, mapped) || !strings.Contains(string(document), `"versionId":"3"`) {
			t.Errorf("%s: as JSON it is %s, %v, and its XML says %s, %v", test.name, document, err, mapped, wrong)
		}
	}
	if got, err := form.Stamp([]byte("-"), []byte(`{"resourceType":"Basic"}`), form.InXML, "x", 3, at); err != nil ||
		string(got) != `-<Basic xmlns="http://hl7.org/fhir"><id value="x"/><meta>`+meta+`</meta></Basic>` {
		t.Errorf("JSON becomes %s, %v", got, err)
	}
	if _, err := form.Stamp(nil, []byte("<"), form.InXML, "x", 3, at); events.KindOf(err) != events.Internal {
		t.Errorf("what was never stored: got %v", err)
	}
}
