package fhir

import (
	"bytes"
	"strconv"
	"strings"
	"unicode/utf8"

	"binnacle/events"
)

// Bounds of a path in a message, so that a message never carries much of a client's data.
const (
	maxPathKey   = 40  // bytes of one key
	maxPathBytes = 400 // bytes of the whole
)

// Path names the place of n as FHIRPath does, for messages: "Patient.name[0].given[1]". The first part is the
// document's resourceType, and is left out when there is none. Long keys are cut, keys that are no names stand in
// backticks.
func (n Node) Path() string {
	if n.doc == nil {
		return ""
	}
	var b pathBuilder
	tape := n.doc.tape
	b.root(n.doc.Root().Get("resourceType").Text())
	for at := 0; at != n.index; {
		object := tape[at].kind() == Object
		for child, i := at+1, 0; ; i++ {
			key := child
			if object {
				child++
			}
			next := after(tape, child)
			if n.index < next {
				if object {
					b.key(text(n.doc.data, tape[key]))
				} else {
					b.item(i)
				}
				at = child
				break
			}
			child = next
		}
	}
	return b.String()
}

// fail makes the error of what is wrong at a place of the bytes; see [Parse] for its form.
func (p *parser) fail(at int, format string, args ...any) *events.Error {
	line, column := lineColumn(p.data, at)
	path := p.path()
	e := events.Errorf(events.Invalid, "fhir.Parse", format, args...).At(path)
	if path != "" {
		e.Text = path + ": " + e.Text
	}
	e.Text = itoa(line) + ":" + itoa(column) + ": " + e.Text
	return e
}

// path names the place that the parser has come to.
func (p *parser) path() string {
	var b pathBuilder
	if p.depth > 0 {
		b.root(p.rootType())
	}
	for _, f := range p.stack[:p.depth] {
		switch {
		case f.key > 0 && f.key < len(p.tape):
			b.key(text(p.data, p.tape[f.key]))
		case p.tape[f.open].kind() == Array && f.count > 0:
			b.item(f.count - 1)
		}
	}
	return b.String()
}

// rootType finds the resourceType of a document that is not complete: open objects have no end yet, and are the last
// of their parents.
func (p *parser) rootType() string {
	if p.tape[0].kind() != Object {
		return ""
	}
	for k := 1; k+1 < len(p.tape); k = after(p.tape, k+1) {
		value := p.tape[k+1]
		if value.kind() == String && string(inside(p.data, p.tape[k])) == "resourceType" {
			return text(p.data, value)
		}
		if value.kind() >= Array && value.payload() == 0 {
			break
		}
	}
	return ""
}

type pathBuilder struct{ strings.Builder }

func (b *pathBuilder) root(name string) {
	if isTypeName(name) {
		b.WriteString(name)
	}
}

func (b *pathBuilder) key(key string) {
	if b.full() {
		return
	}
	if b.Len() > 0 {
		b.WriteByte('.')
	}
	key = cut(key, maxPathKey)
	if isName(key) {
		b.WriteString(key)
		return
	}
	quoted := strconv.Quote(key)
	b.WriteString("`" + strings.ReplaceAll(quoted[1:len(quoted)-1], "`", "\\`") + "`")
}

func (b *pathBuilder) item(i int) {
	if !b.full() {
		b.WriteString("[" + itoa(i) + "]")
	}
}

// full ends a path that has become too long with an ellipsis, once.
func (b *pathBuilder) full() bool {
	const ellipsis = "…"
	if b.Len() > maxPathBytes && !strings.HasSuffix(b.String(), ellipsis) {
		b.WriteString(ellipsis)
	}
	return b.Len() > maxPathBytes
}

// cut shortens s to at most n bytes and an ellipsis.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "…"
}

// isName tells whether s can stand in a path as it is: a letter or underscore, then letters, digits and underscores.
func isName(s string) bool {
	for i := range len(s) {
		c := s[i]
		if !isLetter(c) && c != '_' && (i == 0 || !isDigit(c)) {
			return false
		}
	}
	return s != ""
}

// lineColumn counts lines and, inside the line, characters, both from 1.
func lineColumn(data []byte, at int) (line, column int) {
	before := data[:min(at, len(data))]
	line = bytes.Count(before, []byte{'\n'}) + 1
	return line, utf8.RuneCount(before[bytes.LastIndexByte(before, '\n')+1:]) + 1
}

func itoa(i int) string { return strconv.Itoa(i) }
