package form

import (
	"bytes"
	"strconv"
	"strings"
	"unicode/utf8"

	"binnacle/events"
)

// Namespaces.
const (
	fhirSpace     = "http://hl7.org/fhir"
	xhtmlSpace    = "http://www.w3.org/1999/xhtml"
	xmlSpace      = "http://www.w3.org/XML/1998/namespace"
	instanceSpace = "http://www.w3.org/2001/XMLSchema-instance"
)

// Bounds: how many elements may stand inside each other, as many as arrays and objects of JSON; how many attributes one
// element may have, and how many namespaces may be declared around it; and how many names are remembered.
const (
	maxDepth      = 100
	maxAttributes = 100
	maxBindings   = 100
	maxNames      = 4_096
)

// span is a range of bytes.
type span struct{ start, end int }

// exists tells of a value in a document: none is at its beginning.
func (s span) exists() bool { return s.start > 0 }

// attribute is one of a start tag; declarations of namespaces are no attributes.
type attribute struct {
	name  string // without its prefix
	space string // "": it has no prefix
	value span   // between the quotes
}

// binding is a prefix that stands for a namespace within an element.
type binding struct{ prefix, space string }

// open is an element that is not closed yet.
type open struct {
	name     string // as it is written
	bindings int    // that are in scope around it
}

// token is what a scanner comes to.
type token uint8

const (
	startToken token = iota // of an element; the fields of the scanner tell of it
	endToken
	textToken // that is not white space
	eofToken
)

// scanner reads XML 1.0 in UTF-8 with namespaces, the part of it that FHIR needs: no DOCTYPE, so no entities but the
// five, and no processing instructions but the declaration at the beginning. It holds that elements are nested as they
// should be, that attributes stand once, and that all characters are such of XML. Names are of ASCII. It is no
// decoder: texts and values stay where they are.
type scanner struct {
	data []byte
	at   int

	// of the last token
	start      int    // where it begins
	name       string // of an element, as it is written
	local      string // of an element, without its prefix
	space      string // of an element
	attributes []attribute
	declares   int  // how many of the bindings stand on the element itself
	closed     bool // the element is empty: its end follows, and is a token of its own

	opened   []open
	bindings []binding
	ending   bool                   // the end of an empty element comes next
	began    bool                   // the root element was seen
	entity   func(name string) bool // of entities that are known beside the five; nil: none is
	known    map[string]string      // names that need not be remembered, which nobody changes
	names    map[string]string      // that were read before
}

// failure is what is wrong at a place of the bytes.
type failure struct {
	at   int
	text string
}

func (f *failure) Error() string { return f.text }

// wrong makes the failure at a place.
func wrong(at int, text string, parts ...string) *failure {
	return &failure{at, text + strings.Join(parts, "")}
}

// lineColumn counts lines and columns from 1, columns in characters.
func lineColumn(data []byte, at int) (line, column int) {
	at = min(at, len(data))
	before := data[:at]
	line = bytes.Count(before, []byte{'\n'})
	return line + 1, utf8.RuneCount(before[bytes.LastIndexByte(before, '\n')+1:]) + 1
}

const opForm = "form.JSON"

// refuse makes the error of a failure, at the path of an element.
func refuse(data []byte, f *failure, path string) *events.Error {
	line, column := lineColumn(data, f.at)
	text := strconv.Itoa(line) + ":" + strconv.Itoa(column) + ": "
	if path != "" {
		text += path + ": "
	}
	return events.Errorf(events.Invalid, opForm, "%s%s", text, f.text).At(path)
}

// checkCharacters holds that all bytes are characters of XML in UTF-8.
func checkCharacters(data []byte) *failure {
	for i := 0; i < len(data); {
		c := data[i]
		if c < utf8.RuneSelf {
			if c < ' ' && c != '\n' && c != '\t' && c != '\r' {
				return wrong(i, "a control character, which XML cannot hold")
			}
			i++
			continue
		}
		r, size := utf8.DecodeRune(data[i:])
		if r == utf8.RuneError && size == 1 {
			return wrong(i, "bytes that are not UTF-8; send XML in UTF-8")
		}
		if !isCharacter(r) {
			return wrong(i, "a character that XML cannot hold")
		}
		i += size
	}
	return nil
}

// isCharacter tells whether XML 1.0 can hold a character (section 2.2).
func isCharacter(r rune) bool {
	return r >= ' ' && r <= 0xd7ff || r == '\t' || r == '\n' || r == '\r' || r >= 0xe000 && r <= 0xfffd ||
		r >= 0x10000 && r <= 0x10ffff
}

func isSpace(c byte) bool { return c == ' ' || c == '\n' || c == '\t' || c == '\r' }

func (s *scanner) skipSpace() {
	for s.at < len(s.data) && isSpace(s.data[s.at]) {
		s.at++
	}
}

func (s *scanner) has(prefix string) bool {
	rest := s.data[s.at:]
	return len(rest) >= len(prefix) && string(rest[:len(prefix)]) == prefix
}

// prolog reads the declaration (XML 1.0, section 2.8).
func (s *scanner) prolog() *failure {
	if !s.has("<?xml") || s.at+5 < len(s.data) && !isSpace(s.data[s.at+5]) {
		return nil
	}
	end := bytes.Index(s.data, []byte("?>"))
	if end < 0 {
		return wrong(0, "the XML declaration has no end")
	}
	part := scanner{data: s.data[:end], at: len("<?xml")}
	names, versioned := []string{"version", "encoding", "standalone"}, false
	for {
		before := part.at
		part.skipSpace()
		if part.at == end {
			break
		}
		name, value, f := part.pair()
		if f != nil {
			return f
		}
		for len(names) > 0 && names[0] != name && name != "version" {
			names = names[1:]
		}
		if before == part.at || len(names) == 0 || names[0] != name {
			return wrong(before, "the XML declaration cannot be read")
		}
		names, versioned = names[1:], versioned || name == "version"
		text := string(s.data[value.start:value.end])
		switch {
		case name == "version" && text != "1.0":
			return wrong(value.start, "XML of another version than 1.0")
		case name == "encoding" && !strings.EqualFold(text, "utf-8"):
			return wrong(value.start, "the encoding ", strconv.Quote(short(text)), " is not offered; send XML in UTF-8")
		}
	}
	if !versioned {
		return wrong(0, "the XML declaration has no version")
	}
	s.at = end + 2
	return nil
}

// short cuts what a client has sent for a message.
func short(text string) string {
	const most = 40
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "…"
}

// pair reads a name, an equals sign and a value in quotes.
func (s *scanner) pair() (name string, value span, f *failure) {
	if name, f = s.readName(); f != nil {
		return "", span{}, f
	}
	s.skipSpace()
	if !s.has("=") {
		return "", span{}, wrong(s.at, "the attribute ", short(name), " has no value")
	}
	s.at++
	s.skipSpace()
	if s.at == len(s.data) || s.data[s.at] != '"' && s.data[s.at] != '\'' {
		return "", span{}, wrong(s.at, "the value of ", short(name), " must stand in quotes")
	}
	quote := s.data[s.at]
	s.at++
	length := bytes.IndexByte(s.data[s.at:], quote)
	if length < 0 {
		return "", span{}, wrong(s.at-1, "the value of ", short(name), " has no end")
	}
	value = span{s.at, s.at + length}
	s.at = value.end + 1
	if less := bytes.IndexByte(s.data[value.start:value.end], '<'); less >= 0 {
		return "", span{}, wrong(value.start+less, "a < in a value; write &lt;")
	}
	return name, value, s.checkReferences(value)
}

func (s *scanner) readName() (string, *failure) {
	start := s.at
	for s.at < len(s.data) && isNameByte(s.data[s.at], s.at == start) {
		s.at++
	}
	if s.at == start {
		return "", wrong(start, "a name must stand here")
	}
	name := s.data[start:s.at]
	if known, is := s.known[string(name)]; is {
		return known, nil
	}
	if known, is := s.names[string(name)]; is {
		return known, nil
	}
	if s.names == nil {
		s.names = make(map[string]string)
	}
	kept := string(name)
	if len(s.names) < maxNames {
		s.names[kept] = kept
	}
	return kept, nil
}

func isNameByte(c byte, first bool) bool {
	switch {
	case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c == '_', c == ':':
		return true
	case c >= '0' && c <= '9', c == '-', c == '.':
		return !first
	}
	return false
}

// next goes to the next token. Comments are passed over, and white space between elements.
func (s *scanner) next() (token, *failure) {
	if s.ending {
		s.ending = false
		s.start = s.at
		return endToken, s.close(s.opened[len(s.opened)-1].name)
	}
	for {
		s.start = s.at
		s.skipSpace()
		inside := len(s.opened) > 0
		switch {
		case s.at == len(s.data):
			if inside {
				return eofToken, wrong(s.at, "the text ends inside of ", s.opened[len(s.opened)-1].name)
			}
			if !s.began {
				return eofToken, wrong(s.at, "there is no element")
			}
			return eofToken, nil
		case s.data[s.at] != '<' || s.has("<![CDATA["):
			if !inside {
				return textToken, wrong(s.at, "text outside of the root element")
			}
			return textToken, nil
		case s.has("<!--"):
			if f := s.comment(); f != nil {
				return 0, f
			}
		case s.has("</"):
			s.start = s.at
			s.at += 2
			name, f := s.readName()
			if f == nil {
				s.skipSpace()
				if !s.has(">") {
					f = wrong(s.at, "the end tag of ", short(name), " has no end")
				}
			}
			if f != nil {
				return 0, f
			}
			s.at++
			return endToken, s.close(name)
		case s.has("<!"):
			return 0, wrong(s.at, "a DOCTYPE or another declaration, which FHIR's XML has not")
		case s.has("<?"):
			return 0, wrong(s.at, "a processing instruction; send the resource without it")
		case !inside && s.began:
			return 0, wrong(s.at, "a second root element")
		default:
			return startToken, s.begin()
		}
	}
}

// comment passes over a comment (XML 1.0, section 2.5).
func (s *scanner) comment() *failure {
	start := s.at
	s.at += len("<!--")
	dashes := bytes.Index(s.data[s.at:], []byte("--"))
	if dashes < 0 {
		return wrong(start, "the comment has no end")
	}
	if s.at += dashes; !s.has("-->") {
		return wrong(s.at, "two dashes inside of a comment")
	}
	s.at += len("-->")
	return nil
}

// close ends the innermost element.
func (s *scanner) close(name string) *failure {
	last := len(s.opened) - 1
	if last < 0 || s.opened[last].name != name {
		return wrong(s.start, "the end of ", short(name), " stands where none can be")
	}
	s.bindings = s.bindings[:s.opened[last].bindings]
	s.opened = s.opened[:last]
	return nil
}
