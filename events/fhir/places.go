package fhir

import (
	"iter"
	"strings"

	"binnacle/events"
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
	// an element that may link to something by its URI; a name only if it means the fullUrl of a bundle's entry
	URIPlace
	NarrativePlace // href or src in the div of a Narrative; likewise only if it means a fullUrl
)

// Shape tells what stands under an element, as far as places are concerned. JSON does not show types: "reference" may
// be that of a Reference, or a plain URI. The zero Shape has no places.
type Shape struct {
	Kind     PlaceKind // of the strings of the element itself; 0: they are no places
	Resource bool      // a resource stands here, whose own type tells its shape
	Opaque   bool      // a content of its own, in which nothing is a place: what it names belongs to it

	members map[string]member
	strings bool // those of some member are places
}

// member is what stands under a key of an object.
type member struct {
	*Shape
	Form
}

// Form is the JSON of a member; the zero Form is not known.
type Form struct {
	JSON JSONKind // of the member, or of its items
	Many bool     // it is an array
}

// Set gives a member of an object its shape and its form. The key [TwinMember] stands for all that begin with "_".
func (s *Shape) Set(key string, of *Shape, form Form) {
	if s.members == nil {
		s.members = make(map[string]member)
	}
	s.members[key] = member{of, form}
	s.strings = s.strings || of.Kind != 0
}

// Has tells whether a member has been set.
func (s *Shape) Has(key string) bool { return s.members[key].Shape != nil }

// TwinMember is the key of [Shape.Set] for the twins of primitive elements, which hold ids and extensions (FHIR R4,
// json.html#primitive).
const TwinMember = "_"

// Shapes knows the shape of each resource type; nil for a type that is not known.
type Shapes func(resourceType string) *Shape

// What is under elements that no shape tells of: References by their form, Narratives by their name.
var (
	unknownShape   = &Shape{}
	referenceShape = &Shape{Kind: ReferencePlace}
	narrativeShape = &Shape{Kind: NarrativePlace}
)

// References goes through all places in the resource n that name resources, in the order of the document (FHIR R4,
// http.html#trules): the references, also in extensions and contained resources; the elements that may link by their
// URI; and the links of Narratives that are no fragments of the same page. There are none in a Bundle, which is a
// content of its own, wherever it stands.
func References(n Node, shapes Shapes) iter.Seq[Place] {
	return func(yield func(Place) bool) {
		w := placeWalk{shapes: shapes, yield: yield}
		w.walk(n, w.resource(n))
	}
}

// ReferencesIn goes through the places in a value of a shape, as [References] does in a resource. nil is the shape of
// what is not known.
func ReferencesIn(n Node, of *Shape, shapes Shapes) iter.Seq[Place] {
	if of == nil {
		of = unknownShape
	}
	return func(yield func(Place) bool) {
		w := placeWalk{shapes: shapes, yield: yield}
		w.walk(n, of)
	}
}

// placeWalk is one pass over a resource.
type placeWalk struct {
	shapes Shapes
	yield  func(Place) bool
}

// resource returns the shape of a resource by its type.
func (w *placeWalk) resource(n Node) *Shape {
	if shape := w.shapes(n.Get("resourceType").Text()); shape != nil {
		return shape
	}
	return unknownShape
}

func (w *placeWalk) walk(n Node, s *Shape) bool {
	switch n.Kind() {
	case Object:
		if s.Resource {
			s = w.resource(n)
		}
		if s.Opaque {
			return true
		}
		for key, value := range n.Fields() {
			switch value.Kind() {
			case Object, Array:
			case String:
				if !s.strings && key != "reference" && key != "div" {
					continue
				}
			default:
				continue
			}
			if !w.walk(value, s.member(key)) {
				return false
			}
		}
	case Array:
		for item := range n.Items() {
			if !w.walk(item, s) {
				return false
			}
		}
	case String:
		switch s.Kind {
		case ReferencePlace, URIPlace:
			return w.yield(n.place(s.Kind))
		case NarrativePlace:
			return narrativePlaces(n, w.yield)
		}
	}
	return true
}

// At is the shape of what stands under a key; nil is that of what is not known.
func (s *Shape) At(key string) *Shape {
	if s == nil {
		s = unknownShape
	}
	return s.member(key)
}

// member returns the shape of a member.
func (s *Shape) member(key string) *Shape {
	if found := s.members[key].Shape; found != nil {
		return found
	}
	switch {
	case strings.HasPrefix(key, TwinMember) && s.members[TwinMember].Shape != nil:
		return s.members[TwinMember].Shape
	case key == "reference":
		return referenceShape
	case key == "div":
		return narrativeShape
	}
	return unknownShape
}

// place makes a Place of a whole string.
func (n Node) place(kind PlaceKind) Place {
	start, end := n.Span()
	return Place{n, kind, start + 1, end - 1, n.Text()}
}

// Head returns where in Document.Bytes the first n bytes of the name end: what follows them stays when the range from
// Start to there is replaced.
func (p Place) Head(n int) int {
	cursor := rawCursor{raw: p.Node.doc.data[p.Start:p.End]}
	return p.Start + cursor.to(n)
}

// narrativePlaces finds the links in XHTML. It reads the attributes href and src in quotes of both kinds; XHTML knows
// no others.
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

// rawCursor finds the place in the inside of a JSON string that a place in its unescaped text came from. It goes
// forward only.
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

// Contained is what a resource contains (FHIR R4, references.html#contained). The zero value contains nothing.
type Contained struct {
	start, end int // of the list in Document.Bytes
	ids        map[string]bool
}

// ContainedOf reads what a resource contains. An error is of kind Invalid: two of these resources have one id. It
// names the second.
func ContainedOf(resource Node) (Contained, error) {
	list := resource.Get("contained")
	if list.Kind() != Array {
		return Contained{}, nil
	}
	c := Contained{ids: make(map[string]bool, list.Len())}
	c.start, c.end = list.Span()
	for one := range list.Items() {
		id := one.Get("id")
		switch text := id.Text(); {
		case text == "":
		case c.ids[text]:
			return Contained{}, events.Errorf(events.Invalid, "fhir.Contained",
				"another contained resource has the id %q, too", cut(text, maxPathKey)).At(id.Path())
		default:
			c.ids[text] = true
		}
	}
	return c, nil
}

// Check holds that a [ContainedReference] at a place of the resource leads to something: #id to what is contained,
// with exactly this id, and # alone from there to the resource that contains it (invariant ref-1). An error is of
// kind Invalid and names the place.
func (c Contained) Check(p Place, fragment string) error {
	refused := func(format string, args ...any) error {
		return events.Errorf(events.Invalid, "fhir.Contained", format, args...).At(p.Node.Path())
	}
	switch {
	case fragment == "" && (p.Start < c.start || p.Start >= c.end):
		return refused("the reference # leads from a contained resource to the one that contains it; it stands in " +
			"no contained one")
	case fragment != "" && !c.ids[fragment]:
		return refused("the reference %q leads to no contained resource: none has this id",
			"#"+cut(fragment, maxPathKey))
	}
	return nil
}
