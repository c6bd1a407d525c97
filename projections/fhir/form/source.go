package form

import (
	"bytes"
	"cmp"
	"slices"
	"strings"

	"binnacle/events"
	"binnacle/events/fhir"
)

// Source tells of a document of JSON that was made of XML where its texts and its resources came from. A nil Source is
// that of a document that was JSON all along: each place came from itself.
type Source struct {
	xml       []byte
	texts     []mark     // ascending by json, once they are sorted
	resources []resource // as they begin, ascending
}

// mark is the beginning of a text.
type mark struct {
	json     int  // the place inside of the quotes
	xml      span // inside of the quotes of an attribute, or of a div
	verbatim bool // a div, which stands in the text as it is
}

// resource is one of those in the document.
type resource struct {
	json   int // where its object begins
	xml    span
	behind int    // of its name in the start tag
	spaces string // the declarations of namespaces that it lacks to stand alone
}

func (s *Source) marks() int {
	if s == nil {
		return 0
	}
	return len(s.texts)
}

func (s *Source) mark(json int, xml span, verbatim bool) {
	if s != nil {
		s.texts = append(s.texts, mark{json, xml, verbatim})
	}
}

// move moves marks that were made in a part which now begins at a place.
func (s *Source) move(marks []span, by int) {
	if s == nil {
		return
	}
	for _, part := range marks {
		for i := part.start; i < part.end; i++ {
			s.texts[i].json += by
		}
	}
}

// begin notes the resource whose start tag was read just now.
func (s *Source) begin(r *reader, root bool) int {
	if s == nil {
		return 0
	}
	one := resource{json: len(r.out), xml: span{start: r.start}, behind: r.start + 1 + len(r.name)}
	if !root {
		one.spaces = inherited(r.bindings, r.declares)
	}
	s.resources = append(s.resources, one)
	return len(s.resources) - 1
}

func (s *Source) end(r *reader, mark int) {
	if s != nil {
		s.resources[mark].xml.end = r.at
	}
}

// inherited writes the declarations of namespaces that are in scope around an element which has some itself.
func inherited(bindings []binding, own int) string {
	var text strings.Builder
	for i := len(bindings) - own - 1; i >= 0; i-- {
		one := bindings[i]
		if slices.ContainsFunc(bindings[i+1:], func(b binding) bool { return b.prefix == one.prefix }) {
			continue
		}
		text.WriteString(" xmlns")
		if one.prefix != "" {
			text.WriteString(":" + one.prefix)
		}
		text.WriteString(`="`)
		text.Write(appendValue(nil, []byte(one.space)))
		text.WriteByte('"')
	}
	return text.String()
}

func (s *Source) sort() {
	if s != nil {
		slices.SortStableFunc(s.texts, func(a, b mark) int { return cmp.Compare(a.json, b.json) })
	}
}

// Part is a resource of a document as it was sent, to be a content of its own.
type Part struct {
	Content []byte
	source  *Source
	start   int // in the XML, or in the JSON of a nil source
	behind  int // what stands behind this place in the XML has moved
	moved   int
}

// Part returns the bytes that a resource was sent as: the node itself of a nil Source.
func (s *Source) Part(node fhir.Node) (Part, error) {
	start, _ := node.Span()
	root := node == node.Document().Root()
	if s == nil {
		if root { // white space around it is part of what was sent
			return Part{Content: node.Document().Bytes()}, nil
		}
		return Part{Content: node.Raw(), start: start}, nil
	}
	if root {
		return Part{Content: s.xml, source: s}, nil
	}
	at, found := slices.BinarySearchFunc(s.resources, start, func(r resource, at int) int { return cmp.Compare(r.json, at) })
	if !found {
		return Part{}, events.Errorf(events.Internal, "form.Part", "%s is no resource of the XML", node.Path())
	}
	one := s.resources[at]
	content := s.xml[one.xml.start:one.xml.end:one.xml.end]
	if one.spaces != "" {
		content = slices.Concat(s.xml[one.xml.start:one.behind], []byte(one.spaces), s.xml[one.behind:one.xml.end])
	}
	return Part{content, s, one.xml.start, one.behind, len(one.spaces)}, nil
}

// Place returns where in the content a place inside of a text of the document came from.
func (p *Part) Place(json []byte, place int) int {
	if p.source == nil {
		return place - p.start
	}
	place = p.source.Place(json, place)
	if place >= p.behind {
		place += p.moved
	}
	return place - p.start
}

// Mapped tells whether places of the content are other ones than those of the document, and may have another order.
func (p *Part) Mapped() bool { return p.source != nil }

// Place returns where in the XML a place inside of a text of the JSON came from.
func (s *Source) Place(json []byte, place int) int {
	at, found := slices.BinarySearchFunc(s.texts, place, func(m mark, at int) int { return cmp.Compare(m.json, at) })
	if !found {
		at--
	}
	if at < 0 {
		return 0
	}
	m := s.texts[at]
	length := unescapedLength(json[m.json:place]) // of the text before the place
	if m.verbatim {
		return m.xml.start + length
	}
	raw := s.xml[m.xml.start:m.xml.end]
	from := 0
	for length > 0 && from < len(raw) {
		size := 1
		if raw[from] == '&' {
			_, size = reference(raw[from:])
		} else if bytes.HasPrefix(raw[from:], []byte("\r\n")) {
			size = 2
		}
		length -= len(decode(nil, raw[from:from+size]))
		from += size
	}
	return m.xml.start + from
}

// unescapedLength counts the bytes of a text that appendString has written: its escapes are of one byte each.
func unescapedLength(text []byte) (length int) {
	for i := 0; i < len(text); i++ {
		if text[i] == '\\' {
			if i++; i < len(text) && text[i] == 'u' {
				i += 4
			}
		}
		length++
	}
	return length
}
