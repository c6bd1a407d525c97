package form

import (
	"strconv"
	"strings"
	"time"

	"binnacle/events"
	"binnacle/events/fhir"
)

// Stamp appends a content to dst in the form that is wanted, InJSON or InXML, with what the server says of it: id,
// meta.versionId and meta.lastUpdated, as [fhir.Stamp] does. All other bytes of a content that has this form stay as
// they are; another one is mapped.
//
// Kind Unsupported: XML cannot hold the content, see [XML]. Kind Internal: it is no resource.
func Stamp(dst, content []byte, wanted Form, id string, version int64, lastUpdated time.Time) ([]byte, error) {
	is := Of(content)
	if is == InXML && wanted == InXML {
		return stampXML(dst, content, id, version, lastUpdated)
	}
	if is != InJSON {
		var err error
		if content, err = JSON(content); err != nil {
			return nil, err
		}
	}
	if wanted != InXML {
		return fhir.Stamp(dst, content, id, version, lastUpdated)
	}
	stamped, err := fhir.Stamp(nil, content, id, version, lastUpdated)
	if err != nil {
		return nil, err
	}
	return appendXML(dst, stamped)
}

// stamped are the places of what the server says in XML.
type stamped struct {
	scanner
	prefix  string // of the root's name, with its colon
	edits   []fhir.Edit
	id      string
	version string
	updated string
}

func stampXML(dst, content []byte, id string, version int64, lastUpdated time.Time) ([]byte, error) {
	schema, err := theSchema()
	if err != nil {
		return nil, err
	}
	s := &stamped{scanner: scanner{data: content, known: schema.names}, id: id, version: strconv.FormatInt(version, 10),
		updated: lastUpdated.UTC().Format("2006-01-02T15:04:05.000Z")}
	if f := s.find(); f != nil {
		return nil, events.Errorf(events.Internal, "form.Stamp", "the content is no resource in XML: %s", f.text)
	}
	at := 0
	for _, e := range s.edits {
		dst = append(append(dst, content[at:e.Start]...), e.New...)
		at = e.End
	}
	return append(dst, content[at:]...), nil
}

// find looks at the elements in the root, until id and meta were there.
func (s *stamped) find() *failure {
	f := s.prolog()
	if f == nil {
		_, f = s.next()
	}
	if f != nil {
		return f
	}
	prefix, _, prefixed := strings.Cut(s.name, ":")
	if prefixed {
		s.prefix = prefix + ":"
	}
	if s.closed {
		s.fill(s.element("id", s.id) + s.meta())
		return nil
	}
	inside := s.at
	first, meta := inside, false // where the id's and the meta's elements go
	id := false
	for !id || !meta {
		kind, f := s.next()
		if f != nil {
			return f
		}
		if kind == endToken {
			break
		}
		switch {
		case kind != startToken:
			return wrong(s.at, "text")
		case s.space == fhirSpace && s.local == "id":
			s.set(s.id)
			id = true
			if f := s.skip(); f != nil {
				return f
			}
			first = s.at
		case s.space == fhirSpace && s.local == "meta":
			meta = true
			if f := s.intoMeta(); f != nil {
				return f
			}
		default:
			if f := s.skip(); f != nil {
				return f
			}
		}
	}
	missing := ""
	if !id {
		missing = s.element("id", s.id)
	}
	if !meta {
		missing += s.meta()
	}
	s.insert(first, missing)
	return nil
}

// element is an element with a value that needs no escapes.
func (s *stamped) element(name, value string) string {
	return "<" + s.prefix + name + ` value="` + value + `"/>`
}

func (s *stamped) meta() string {
	return "<" + s.prefix + "meta>" + s.element("versionId", s.version) + s.element("lastUpdated", s.updated) +
		"</" + s.prefix + "meta>"
}

// insert puts a text at a place, before what comes later.
func (s *stamped) insert(at int, text string) { s.edit(fhir.Edit{Start: at, End: at, New: text}) }

func (s *stamped) edit(e fhir.Edit) {
	i := len(s.edits)
	for i > 0 && s.edits[i-1].Start > e.Start {
		i--
	}
	s.edits = append(s.edits[:i], append([]fhir.Edit{e}, s.edits[i:]...)...)
}

// fill puts a text into the empty element whose tag was read just now.
func (s *stamped) fill(text string) {
	s.edit(fhir.Edit{Start: s.at - len("/>"), End: s.at, New: ">" + text + "</" + s.name + ">"})
}

// set gives the element whose tag was read just now a value.
func (s *stamped) set(value string) {
	for _, a := range s.attributes {
		if a.space == "" && a.name == "value" {
			s.edit(fhir.Edit{Start: a.value.start, End: a.value.end, New: value})
			return
		}
	}
	s.insert(s.start+1+len(s.name), ` value="`+value+`"`)
}

// skip goes to the end of the element whose tag was read just now.
func (s *stamped) skip() *failure {
	for depth := len(s.opened); len(s.opened) >= depth; {
		kind, f := s.next()
		if f == nil && kind == textToken {
			f = s.text()
		}
		if f != nil {
			return f
		}
	}
	return nil
}

// intoMeta puts the two values that stand in meta. What it lacks goes behind its extensions.
func (s *stamped) intoMeta() *failure {
	if s.closed {
		s.fill(s.element("versionId", s.version) + s.element("lastUpdated", s.updated))
		return s.skip()
	}
	behind := s.at
	version, updated := false, false
	for depth := len(s.opened); len(s.opened) >= depth; {
		kind, f := s.next()
		switch {
		case f != nil:
			return f
		case kind == textToken:
			return wrong(s.at, "text")
		case kind == endToken:
			continue
		}
		extension := s.local == "extension"
		switch {
		case s.space != fhirSpace:
		case s.local == "versionId":
			s.set(s.version)
			version = true
		case s.local == "lastUpdated":
			s.set(s.updated)
			updated = true
		}
		if f := s.skip(); f != nil {
			return f
		}
		if extension {
			behind = s.at
		}
	}
	missing := ""
	if !version {
		missing = s.element("versionId", s.version)
	}
	if !updated {
		missing += s.element("lastUpdated", s.updated)
	}
	if missing != "" {
		s.insert(behind, missing)
	}
	return nil
}
