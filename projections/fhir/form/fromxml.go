package form

import (
	"strconv"
	"strings"

	"binnacle/events"
	"binnacle/events/fhir"
)

// reader maps XML to JSON in one pass (FHIR R4, xml.html and json.html).
type reader struct {
	scanner
	schema *schema
	out    []byte
	path   []step   // of the elements that are open
	source *Source  // where the texts came from; nil: nobody asks
	seen   []uint64 // bits of the members that were seen, of all objects that are open
}

// step is an element on the way to another one.
type step struct {
	name  string
	index int // among those of its name; -1: R4 has it once
}

// pathOf writes a way as FHIRPath does.
func pathOf(steps []step) string {
	var path strings.Builder
	for i, s := range steps {
		if i > 0 {
			path.WriteByte('.')
		}
		path.WriteString(s.name)
		if s.index >= 0 {
			path.WriteString("[" + strconv.Itoa(s.index) + "]")
		}
	}
	return path.String()
}

// read maps a document.
func (r *reader) read() error {
	f := checkCharacters(r.data)
	if f == nil {
		f = r.document()
	}
	if f != nil {
		return refuse(r.data, f, pathOf(r.path))
	}
	return nil
}

func (r *reader) document() *failure {
	f := r.prolog()
	if f != nil {
		return f
	}
	// nothing but an element can be first: text, the end and what else there is are failures here
	if _, f = r.next(); f != nil {
		return f
	}
	if f = r.resource(true); f != nil {
		return f
	}
	_, f = r.next()
	return f
}

// resource maps a resource, whose start tag was read just now.
func (r *reader) resource(root bool) *failure {
	if r.space != fhirSpace {
		return wrong(r.start, "the element ", short(r.name), ` is not in the namespace of FHIR: xmlns="`+fhirSpace+`"`)
	}
	typ := r.local
	c := r.schema.resource(typ)
	if c == nil {
		return wrong(r.start, short(typ), " is not a resource type of FHIR R4")
	}
	if root {
		r.path = append(r.path, step{typ, -1})
	}
	mark := r.source.begin(r, root)
	r.out = append(append(append(r.out, `{"resourceType":"`...), typ...), '"')
	for _, a := range r.attributes {
		if !root || a.space != instanceSpace {
			return wrong(a.value.start, "a resource has no attribute ", short(a.name))
		}
	}
	if f := r.members(c, true); f != nil {
		return f
	}
	r.out = append(r.out, '}')
	r.source.end(r, mark)
	return nil
}

// group is what follows each other under one name.
type group struct {
	member
	count int
	twins []byte // of primitives that repeat: what they have beside their values; nil: nothing yet
	moves []span // the marks of texts in twins
}

// members maps the elements inside of one, up to its end, and what ends an object stays for others to write. comma: a
// member stands in the object already.
func (r *reader) members(c *class, comma bool) *failure {
	at, words := len(r.seen), (len(c.members)+63)/64
	for range words {
		r.seen = append(r.seen, 0)
	}
	var g group
	for {
		kind, f := r.next()
		if f != nil {
			return f
		}
		if kind == endToken {
			r.finish(&g)
			r.seen = r.seen[:at]
			return nil
		}
		if kind == textToken {
			return wrong(r.at, "text stands where R4 has elements alone; the value of an element is its attribute value")
		}
		m, f := r.memberOf(c)
		if f != nil {
			return f
		}
		if g.count == 0 || m.name != g.name {
			r.finish(&g)
			word, bit := &r.seen[at+m.place/64], uint64(1)<<(m.place%64)
			if *word&bit != 0 {
				return wrong(r.start, "the elements ", m.name, " do not follow each other")
			}
			*word |= bit
			g = group{member: m}
			r.path = append(r.path, step{m.name, -1})
		} else if !m.many {
			return wrong(r.start, "the element ", m.name, " stands twice, and R4 has it once")
		}
		if m.many {
			r.path[len(r.path)-1].index = g.count
		}
		if f := r.item(&g, &comma); f != nil {
			return f
		}
		g.count++
	}
}

// memberOf finds the member that the element at hand is.
func (r *reader) memberOf(c *class) (member, *failure) {
	m, known := c.members[r.local]
	space := fhirSpace
	if m.kind == narrativeKind {
		space = xhtmlSpace
	}
	if !known || r.space != space || c.attribute(r.local) {
		name := short(r.name)
		if known && !c.attribute(r.local) {
			return m, wrong(r.start, "the element ", name, " is in another namespace than "+space)
		}
		return m, wrong(r.start, "R4 has no element ", name, " here")
	}
	return m, nil
}

// finish ends a group.
func (r *reader) finish(g *group) {
	if g.count == 0 {
		return
	}
	r.path = r.path[:len(r.path)-1]
	if !g.many {
		return
	}
	r.out = append(r.out, ']')
	if g.twins == nil {
		return
	}
	r.key("_", g.name)
	r.out = append(r.out, '[')
	r.source.move(g.moves, len(r.out))
	r.out = append(append(r.out, g.twins...), ']')
}

func (r *reader) key(before, name string) {
	r.out = append(append(append(append(r.out, `,"`...), before...), name...), '"', ':')
}

// item maps one element of a group.
func (r *reader) item(g *group, comma *bool) *failure {
	name := g.name
	if g.kind == primitiveKind && !g.many {
		return r.primitive(g, comma)
	}
	if g.count == 0 {
		r.open(name, comma)
		if g.many {
			r.out = append(r.out, '[')
		}
	} else {
		r.out = append(r.out, ',')
	}
	switch g.kind {
	case primitiveKind:
		return r.repeated(g)
	case narrativeKind:
		return r.narrative()
	case resourceKind:
		return r.inner()
	}
	r.out = append(r.out, '{')
	if f := r.object(g.of); f != nil {
		return f
	}
	r.out = append(r.out, '}')
	return nil
}

// open writes the key of a member.
func (r *reader) open(name string, comma *bool) {
	if *comma {
		r.out = append(r.out, ',')
	}
	*comma = true
	r.out = append(append(append(r.out, '"'), name...), '"', ':')
}

// object maps what is in a complex element: first what are attributes in XML.
func (r *reader) object(c *class) *failure {
	comma := false
	for _, a := range r.attributes {
		if a.space != "" || !c.attribute(a.name) {
			return wrong(a.value.start, "R4 has no attribute ", short(a.name), " here")
		}
		r.open(a.name, &comma)
		r.text(a.value)
	}
	return r.members(c, comma)
}

// inner maps the one resource in an element.
func (r *reader) inner() *failure {
	if len(r.attributes) > 0 {
		return wrong(r.start, "an element that holds a resource has no attributes")
	}
	kind, f := r.next()
	if f != nil {
		return f
	}
	if kind != startToken {
		return wrong(r.start, "a resource must stand here")
	}
	if f := r.resource(false); f != nil {
		return f
	}
	if kind, f = r.next(); f == nil && kind != endToken {
		f = wrong(r.start, "one resource stands here, and nothing beside it")
	}
	return f
}

// narrative keeps a div as it stands.
func (r *reader) narrative() *failure {
	start := r.start
	if f := r.div(); f != nil {
		return f
	}
	r.source.mark(len(r.out)+1, span{start, r.at}, true)
	r.out = appendString(r.out, r.data[start:r.at])
	return nil
}

// primitive maps a primitive element that stands alone.
func (r *reader) primitive(g *group, comma *bool) *failure {
	value, id, f := r.valueOf()
	if f != nil {
		return f
	}
	if value.exists() {
		r.open(g.name, comma)
		if f := r.value(g.json, value); f != nil {
			return f
		}
	}
	if r.closed && !id.exists() {
		return r.bare(value)
	}
	before := len(r.out)
	r.open("_"+g.name, comma)
	wrote, f := r.twin(id)
	switch {
	case f != nil:
		return f
	case !wrote && !value.exists():
		return wrong(r.start, "the element has neither a value nor an extension")
	case !wrote:
		r.out = r.out[:before]
	}
	return nil
}

// repeated maps a primitive element that may repeat: what it has beside its value goes to an array of its own.
func (r *reader) repeated(g *group) *failure {
	value, id, f := r.valueOf()
	if f != nil {
		return f
	}
	if !value.exists() {
		r.out = append(r.out, "null"...)
	} else if f := r.value(g.json, value); f != nil {
		return f
	}
	if r.closed && !id.exists() {
		if g.twins != nil {
			g.twins = append(g.twins, ",null"...)
		}
		return r.bare(value)
	}
	out, twins, from := r.out, g.twins, r.source.marks()
	if twins == nil {
		twins = make([]byte, 0, 64)
		for range g.count {
			twins = append(twins, "null,"...)
		}
	} else {
		twins = append(twins, ',')
	}
	r.out = twins
	wrote, f := r.twin(id)
	twins, r.out = r.out, out
	switch {
	case f != nil:
		return f
	case wrote:
		g.twins = twins
		g.moves = append(g.moves, span{from, r.source.marks()})
	case !value.exists():
		return wrong(r.start, "the element has neither a value nor an extension")
	case g.twins != nil:
		g.twins = append(g.twins, ",null"...) // of the twin that is none a comma was written, elsewhere
	}
	return nil
}

// bare passes over the end of an empty element without an id.
func (r *reader) bare(value span) *failure {
	if !value.exists() {
		return wrong(r.start, "the element has neither a value nor an extension")
	}
	_, f := r.next()
	return f
}

// twin writes what a primitive has beside its value, up to its end; it writes nothing when that is nothing.
func (r *reader) twin(id span) (wrote bool, f *failure) {
	at := len(r.out)
	r.out = append(r.out, '{')
	comma := false
	if id.exists() {
		r.open("id", &comma)
		r.text(id)
	}
	if f := r.members(r.schema.element, comma); f != nil {
		return false, f
	}
	if len(r.out) == at+1 {
		r.out = r.out[:at]
		return false, nil
	}
	r.out = append(r.out, '}')
	return true, nil
}

// valueOf reads the attributes of a primitive element; the zero span is one that is not there.
func (r *reader) valueOf() (value, id span, f *failure) {
	for i := range r.attributes {
		a := r.attributes[i]
		switch {
		case a.space == "" && a.name == "value":
			value = a.value
		case a.space == "" && a.name == "id":
			id = a.value
		default:
			return span{}, span{}, wrong(a.value.start, "R4 has no attribute ", short(a.name), " here")
		}
	}
	return value, id, nil
}

// fromXML maps a document of XML to JSON. keep: where each text came from is kept, too.
func fromXML(content []byte, keep bool) (document []byte, source *Source, err error) {
	schema, err := theSchema()
	if err != nil {
		return nil, nil, err
	}
	if len(content) > fhir.MaxBytes {
		return nil, nil, events.Errorf(events.TooLarge, opForm, "the document has %d bytes; the most is %d", len(content),
			fhir.MaxBytes)
	}
	r := &reader{scanner: scanner{data: content, known: schema.names}, schema: schema, out: make([]byte, 0, len(content)+len(content)/8)}
	if keep {
		r.source = &Source{xml: content}
	}
	if err := r.read(); err != nil {
		return nil, nil, err
	}
	r.source.sort()
	return r.out, r.source, nil
}
