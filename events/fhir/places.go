package fhir

import (
	"iter"
	"strings"
)

// Place is one place in a document that names another resource, or may name one.
type Place struct {
	Node  Node      // the string that it stands in
	Kind  PlaceKind // what the string is
	Start int       // the range of the name in Document.Bytes, without quotes; replace it with [Splice]
	End   int
	Value string // the name, unescaped
}

// PlaceKind tells what a [Place] is.
type PlaceKind uint8

// The kinds of places.
const (
	ReferencePlace PlaceKind = 1 + iota // Reference.reference
	URIPlace                            // another string that begins with urn:uuid: or urn:oid:; a name only if it equals the fullUrl of a bundle's entry
	NarrativePlace                      // href or src in the div of a Narrative; likewise only if it equals a fullUrl
)

// References goes through all places in n and below it that name resources, in the order of the document (FHIR R4, http.html#trules):
// the string member "reference" of any object, also in extensions and contained resources; every other string that begins with
// urn:uuid: or urn:oid:, where an element of a URI type may stand; and the links of Narratives that are no fragments of the same page.
func References(n Node) iter.Seq[Place] {
	return func(yield func(Place) bool) { walkPlaces(n, "", yield) }
}

func walkPlaces(n Node, key string, yield func(Place) bool) bool {
	switch n.Kind() {
	case Object:
		for key, value := range n.Fields() {
			if !walkPlaces(value, key, yield) {
				return false
			}
		}
	case Array:
		for item := range n.Items() {
			if !walkPlaces(item, key, yield) {
				return false
			}
		}
	case String:
		switch {
		case key == "reference":
			return yield(n.place(ReferencePlace))
		case key == "div":
			return narrativePlaces(n, yield)
		case holdsURI(key):
			if value := n.Text(); strings.HasPrefix(value, "urn:uuid:") || strings.HasPrefix(value, "urn:oid:") {
				return yield(n.place(URIPlace))
			}
		}
	}
	return true
}

// place makes a Place of a whole string.
func (n Node) place(kind PlaceKind) Place {
	start, end := n.Span()
	return Place{n, kind, start + 1, end - 1, n.Text()}
}

// holdsURI tells whether an element of a URI type may have this key. The keys of extensions say their type; an element "value" is the
// text of an Identifier or ContactPoint, where a urn is a business identifier that must stay.
func holdsURI(key string) bool {
	switch key {
	case "value":
		return false
	case "valueUri", "valueUrl", "valueCanonical", "valueOid", "valueUuid":
		return true
	}
	const value = "value"
	typed := len(key) > len(value) && strings.HasPrefix(key, value) && key[len(value)] >= 'A' && key[len(value)] <= 'Z'
	return !typed
}

// narrativePlaces finds the links in XHTML. It reads the attributes href and src in quotes of both kinds; XHTML knows no others.
func narrativePlaces(n Node, yield func(Place) bool) bool {
	text := n.Text()
	if !strings.Contains(text, "href") && !strings.Contains(text, "src") {
		return true
	}
	start, end := n.Span()
	at := rawCursor{raw: n.doc.data[start+1 : end-1]}
	for i := 0; i < len(text); {
		equals := strings.IndexByte(text[i:], '=')
		if equals < 0 {
			return true
		}
		equals += i
		i = equals + 1
		name := strings.TrimRight(text[:equals], " \t\r\n")
		if !hasAttribute(name, "href") && !hasAttribute(name, "src") {
			continue
		}
		for i < len(text) && strings.IndexByte(" \t\r\n", text[i]) >= 0 {
			i++
		}
		if i == len(text) || text[i] != '"' && text[i] != '\'' {
			continue
		}
		length := strings.IndexByte(text[i+1:], text[i])
		if length < 0 {
			return true
		}
		from := i + 1
		i = from + length + 1
		value := text[from : from+length]
		if value == "" || value[0] == '#' {
			continue
		}
		left := at.to(from)
		right := at.to(from + length)
		if !yield(Place{n, NarrativePlace, start + 1 + left, start + 1 + right, value}) {
			return false
		}
	}
	return true
}

// hasAttribute tells whether text ends in the attribute name, which white space must precede.
func hasAttribute(text, name string) bool {
	before, found := strings.CutSuffix(text, name)
	return found && before != "" && strings.IndexByte(" \t\r\n", before[len(before)-1]) >= 0
}

// rawCursor finds the place in the inside of a JSON string that a place in its unescaped text came from. It goes forward only.
type rawCursor struct {
	raw       []byte
	in, out   int // places in raw and in the text that belong together
	character [4]byte
}

func (c *rawCursor) to(out int) int {
	for c.out < out {
		if c.raw[c.in] != '\\' {
			c.in++
			c.out++
			continue
		}
		n := escapeLength(c.raw[c.in:])
		if n == 6 {
			n += pairLength(c.raw[c.in:])
		}
		c.out += len(unescape(c.character[:0], c.raw[c.in:c.in+n]))
		c.in += n
	}
	return c.in
}

// pairLength returns 6 when raw begins with the escapes of a surrogate pair: the second belongs to the first.
func pairLength(raw []byte) int {
	if len(raw) < 12 || escapeLength(raw[6:]) != 6 {
		return 0
	}
	if high, low := hexRune(raw[2:]), hexRune(raw[8:]); high>>10 == 0xd800>>10 && low>>10 == 0xdc00>>10 {
		return 6
	}
	return 0
}
