package form

import (
	"slices"
	"unicode/utf8"

	"binnacle/events"
	"binnacle/events/fhir"
)

// XML returns a document of JSON as XML (FHIR R4, xml.html): the root element and nothing before it. Elements have the
// order of the definitions. The texts of values, the digits of numbers and narratives are those of the JSON.
//
// Kind Unsupported: there is something that FHIR's XML cannot hold, and the error names its path: what R4 does not
// have, values of another kind than R4's, null and empty arrays that stand for nothing, characters as \u0000 and lone
// surrogates, and narratives that are no well-formed XHTML. Kind Invalid: it is no JSON.
func XML(document []byte) ([]byte, error) { return appendXML(nil, document) }

func appendXML(dst, document []byte) ([]byte, error) {
	schema, err := theSchema()
	if err != nil {
		return nil, err
	}
	var doc fhir.Document
	if err := doc.Reset(document); err != nil {
		return nil, err
	}
	if dst == nil {
		dst = make([]byte, 0, len(document)+len(document)/4)
	}
	w := writer{schema: schema, out: dst}
	if err := w.resource(doc.Root(), true); err != nil {
		return nil, err
	}
	return w.out, nil
}

// writer maps JSON to XML.
type writer struct {
	schema *schema
	out    []byte
	found  []foundMember // of all objects that are open
}

// foundMember is a member of an object with what it has beside its value.
type foundMember struct {
	member
	value, twin fhir.Node
}

// unable is the error of what XML cannot hold.
func unable(n fhir.Node, format string, args ...any) error {
	path := n.Path()
	return events.Errorf(events.Unsupported, "form.XML", "as XML it cannot be shown: %s "+format,
		append([]any{path}, args...)...).At(path)
}

// resource writes a resource. The root of a document declares the namespace.
func (w *writer) resource(n fhir.Node, root bool) error {
	typ := n.Get("resourceType").Text()
	c := w.schema.resource(typ)
	if c == nil {
		return unable(n, "is no resource of FHIR R4")
	}
	w.out = append(append(w.out, '<'), typ...)
	if root {
		w.out = append(w.out, ` xmlns="`+fhirSpace+`"`...)
	}
	return w.content(n, c, typ)
}

// content writes what is in an object behind the name and the attributes of its element, and the element's end.
func (w *writer) content(n fhir.Node, c *class, name string) error {
	at := len(w.found)
	if err := w.find(n, c); err != nil {
		return err
	}
	found := w.found[at:]
	if len(found) == 0 {
		w.out = append(w.out, "/>"...)
		return nil
	}
	w.out = append(w.out, '>')
	for i := range found {
		if err := w.write(&found[i]); err != nil {
			return err
		}
	}
	w.found = w.found[:at]
	w.end(name)
	return nil
}

func (w *writer) end(name string) {
	w.out = append(append(append(w.out, "</"...), name...), '>')
}

// find sorts the members of an object, and writes those that are attributes.
func (w *writer) find(n fhir.Node, c *class) error {
	at := len(w.found)
	sorted := true
	for key, value := range n.Fields() {
		if key == "resourceType" && c.resource {
			continue
		}
		name, twin := twinOf(key)
		m, known := c.members[name]
		if !known || twin && (m.kind != primitiveKind || c.attribute(name)) {
			return unable(value, "is no element of FHIR R4")
		}
		if c.attribute(name) {
			if err := w.attribute(name, value); err != nil {
				return err
			}
			continue
		}
		one := foundMember{member: m}
		same := -1
		if m.kind == primitiveKind {
			same = slices.IndexFunc(w.found[at:], func(f foundMember) bool { return f.place == m.place })
		}
		if same < 0 {
			sorted = sorted && (len(w.found) == at || w.found[len(w.found)-1].place < m.place)
			w.found = append(w.found, one)
			same = len(w.found) - 1 - at
		}
		if twin {
			w.found[at+same].twin = value
		} else {
			w.found[at+same].value = value
		}
	}
	if !sorted {
		slices.SortFunc(w.found[at:], func(a, b foundMember) int { return a.place - b.place })
	}
	return nil
}

// attribute writes an attribute.
func (w *writer) attribute(name string, value fhir.Node) error {
	if value.Kind() != fhir.String {
		return unable(value, "is %s, and R4 has a string there", value.Kind())
	}
	w.out = append(append(append(w.out, ' '), name...), `="`...)
	if err := w.text(value); err != nil {
		return err
	}
	w.out = append(w.out, '"')
	return nil
}

// write writes the elements of a member.
func (w *writer) write(f *foundMember) error {
	if f.kind == primitiveKind {
		return w.primitives(f)
	}
	if !f.many {
		return w.element(f, f.value)
	}
	if f.value.Kind() != fhir.Array || f.value.Len() == 0 {
		return unable(f.value, "is no array with something in it, as R4 has there")
	}
	for item := range f.value.Items() {
		if err := w.element(f, item); err != nil {
			return err
		}
	}
	return nil
}

// element writes an element that is no primitive.
func (w *writer) element(f *foundMember, n fhir.Node) error {
	if f.kind == narrativeKind {
		return w.narrative(n)
	}
	if n.Kind() != fhir.Object {
		return unable(n, "is %s, and R4 has an object there", n.Kind())
	}
	w.out = append(append(w.out, '<'), f.name...)
	if f.kind == complexKind {
		return w.content(n, f.of, f.name)
	}
	w.out = append(w.out, '>')
	if err := w.resource(n, false); err != nil {
		return err
	}
	w.end(f.name)
	return nil
}

// narrative writes a div.
func (w *writer) narrative(n fhir.Node) error {
	if n.Kind() != fhir.String {
		return unable(n, "is %s, and R4 has XHTML in a string there", n.Kind())
	}
	if holdsNone(n.Raw()) {
		return unable(n, "has a character that XML cannot hold")
	}
	var well bool
	if w.out, well = appendDiv(w.out, []byte(n.Text())); !well {
		return unable(n, "is no well-formed div of XHTML")
	}
	return nil
}

// primitives writes the elements of a primitive member with what they have beside their values.
func (w *writer) primitives(f *foundMember) error {
	if !f.many {
		return w.primitive(f, f.value, f.twin)
	}
	for _, list := range []fhir.Node{f.value, f.twin} {
		if list.Exists() && (list.Kind() != fhir.Array || list.Len() == 0) {
			return unable(list, "is no array with something in it, as R4 has there")
		}
	}
	twins := slices.Collect(f.twin.Items())
	n := 0
	for value := range f.value.Items() {
		var twin fhir.Node
		if n < len(twins) {
			twin = twins[n]
		}
		if err := w.primitive(f, value, twin); err != nil {
			return err
		}
		n++
	}
	for _, twin := range twins[min(n, len(twins)):] {
		if err := w.primitive(f, fhir.Node{}, twin); err != nil {
			return err
		}
	}
	return nil
}

// primitive writes one element of a primitive member. In arrays null stands for nothing.
func (w *writer) primitive(f *foundMember, value, twin fhir.Node) error {
	hasValue, hasTwin := value.Exists() && value.Kind() != fhir.Null, twin.Exists() && twin.Kind() != fhir.Null
	switch {
	case !hasValue && !hasTwin:
		if !value.Exists() {
			value = twin
		}
		return unable(value, "is null without an extension in its place")
	case hasTwin && twin.Kind() != fhir.Object:
		return unable(twin, "is %s, and R4 has an object there", twin.Kind())
	case hasValue && value.Kind() != f.json:
		return unable(value, "is %s, and R4 has %s there", value.Kind(), f.json)
	}
	w.out = append(append(w.out, '<'), f.name...)
	at := len(w.found)
	if hasTwin {
		if err := w.find(twin, w.schema.element); err != nil { // which writes the id
			return err
		}
	}
	if hasValue {
		w.out = append(w.out, ` value="`...)
		if err := w.text(value); err != nil {
			return err
		}
		w.out = append(w.out, '"')
	}
	if len(w.found) == at {
		w.out = append(w.out, "/>"...)
		return nil
	}
	w.out = append(w.out, '>')
	for i := at; i < len(w.found); i++ {
		if err := w.write(&w.found[i]); err != nil {
			return err
		}
	}
	w.found = w.found[:at]
	w.end(f.name)
	return nil
}

// text writes a string, number or boolean within the quotes of an attribute.
func (w *writer) text(n fhir.Node) error {
	raw := n.Raw()
	if n.Kind() != fhir.String {
		w.out = append(w.out, raw...)
		return nil
	}
	if holdsNone(raw) {
		return unable(n, "has a character that XML cannot hold")
	}
	w.out = appendValue(w.out, []byte(n.Text()))
	return nil
}

// holdsNone tells whether a JSON string has characters that XML cannot hold: as escapes, or as they are.
func holdsNone(raw []byte) bool {
	for i := 0; i < len(raw); {
		switch c := raw[i]; {
		case c == 0xef: // U+FFFE and U+FFFF are none
			r, size := utf8.DecodeRune(raw[i:])
			if !isCharacter(r) {
				return true
			}
			i += size
		case c != '\\':
			i++
		case raw[i+1] == 'b', raw[i+1] == 'f':
			return true
		case raw[i+1] != 'u':
			i += 2
		default:
			r := hexRune(raw[i+2:])
			i += 6
			if r >= 0xd800 && r < 0xdc00 && i+6 <= len(raw) && raw[i] == '\\' && raw[i+1] == 'u' {
				if low := hexRune(raw[i+2:]); low >= 0xdc00 && low < 0xe000 {
					r = 0x10000
					i += 6
				}
			}
			if !isCharacter(r) {
				return true
			}
		}
	}
	return false
}

// hexRune reads the four digits of an escape.
func hexRune(digits []byte) (r rune) {
	for _, c := range digits[:4] {
		switch {
		case c <= '9':
			c -= '0'
		default:
			c = c | 0x20 - 'a' + 10
		}
		r = r<<4 | rune(c)
	}
	return r
}

// appendValue writes a text within the quotes of an attribute, such that a reader of XML gets it back.
func appendValue(dst, text []byte) []byte {
	done := 0
	for i, c := range text {
		var escaped string
		switch c {
		case '&':
			escaped = "&amp;"
		case '<':
			escaped = "&lt;"
		case '"':
			escaped = "&quot;"
		case '\n':
			escaped = "&#10;"
		case '\r':
			escaped = "&#13;"
		case '\t':
			escaped = "&#9;"
		default:
			continue
		}
		dst = append(append(dst, text[done:i]...), escaped...)
		done = i + 1
	}
	return append(dst, text[done:]...)
}
