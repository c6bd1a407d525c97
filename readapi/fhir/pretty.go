package fhir

import (
	"bytes"
	"io"

	"binnacle/projections/fhir/form"
)

// Indented makes a stream of lines for people before another stream, in a form.
func Indented(to io.Writer, of form.Form) io.Writer {
	if of == form.InXML {
		return form.NewIndenter(to)
	}
	return NewIndenter(to)
}

// Indenter writes JSON with a line for each member and element, as it comes: it holds no more than what it is given.
// Between the tokens it changes white space alone.
type Indenter struct {
	to       interface{ Write([]byte) (int, error) }
	out      []byte
	depth    int
	opened   bool // the last token began an object or array
	quoted   bool // within a string
	escaping bool // behind a backslash
}

// NewIndenter makes an Indenter that writes to a stream.
func NewIndenter(to interface{ Write([]byte) (int, error) }) *Indenter { return &Indenter{to: to} }

// Write takes a part of the JSON, which may end anywhere.
func (p *Indenter) Write(data []byte) (int, error) {
	p.out = p.out[:0]
	for _, c := range data {
		if p.quoted {
			p.out = append(p.out, c)
			switch {
			case p.escaping:
				p.escaping = false
			case c == '\\':
				p.escaping = true
			case c == '"':
				p.quoted = false
			}
			continue
		}
		p.token(c)
	}
	if _, err := p.to.Write(p.out); err != nil {
		return 0, err
	}
	return len(data), nil
}

// token takes a byte outside of strings.
func (p *Indenter) token(c byte) {
	switch c {
	case ' ', '\t', '\n', '\r':
		return
	case '}', ']':
		if p.depth--; !p.opened {
			p.line()
		}
		p.opened = false
		p.out = append(p.out, c)
		return
	case ',':
		p.out = append(p.out, c)
		p.line()
		return
	case ':':
		p.out = append(p.out, c, ' ')
		return
	}
	if p.opened {
		p.line()
	}
	p.out = append(p.out, c)
	if p.opened = c == '{' || c == '['; p.opened {
		p.depth++
	}
	p.quoted = c == '"'
}

func (p *Indenter) line() {
	p.out = append(p.out, '\n')
	p.out = append(p.out, bytes.Repeat([]byte("  "), max(0, p.depth))...)
}
