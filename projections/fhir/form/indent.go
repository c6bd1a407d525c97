package form

import (
	"bytes"
	"io"
)

// Indenter writes XML of FHIR with a line for each element, as it comes. Between elements it changes white space alone,
// and in a narrative nothing.
type Indenter struct {
	to     io.Writer
	out    []byte
	tag    []byte // what has come of a tag, from its < on
	quote  byte   // that a value in the tag began with; 0: outside of values
	depth  int
	div    int  // levels of a narrative that are open
	opened bool // the last tag began an element
	lines  bool // something was written
}

// NewIndenter makes an Indenter that writes to a stream.
func NewIndenter(to io.Writer) *Indenter { return &Indenter{to: to} }

// Write takes a part of the XML, which may end anywhere.
func (p *Indenter) Write(data []byte) (int, error) {
	p.out = p.out[:0]
	for _, c := range data {
		if len(p.tag) == 0 && c != '<' {
			if p.div > 0 {
				p.out = append(p.out, c)
			}
			continue
		}
		if p.tag = append(p.tag, c); p.ended(c) {
			p.write()
			p.tag = p.tag[:0]
		}
	}
	if _, err := p.to.Write(p.out); err != nil {
		return 0, err
	}
	return len(data), nil
}

// ended tells whether a byte ends the tag.
func (p *Indenter) ended(c byte) bool {
	switch {
	case bytes.HasPrefix(p.tag, []byte("<!--")):
		return len(p.tag) >= len("<!---->") && bytes.HasSuffix(p.tag, []byte("-->"))
	case bytes.HasPrefix(p.tag, []byte("<![CDATA[")):
		return bytes.HasSuffix(p.tag, []byte("]]>"))
	case p.quote != 0:
		if c == p.quote {
			p.quote = 0
		}
		return false
	case (c == '"' || c == '\'') && p.tag[1] != '!':
		p.quote = c
		return false
	}
	return c == '>'
}

// write writes a tag that is whole.
func (p *Indenter) write() {
	ends := p.tag[1] == '/'
	begins := !ends && p.tag[1] != '!' && p.tag[1] != '?' && p.tag[len(p.tag)-2] != '/'
	switch {
	case p.div > 0:
		p.out = append(p.out, p.tag...)
		if begins {
			p.div++
		} else if ends {
			p.div--
		}
		p.opened = false
		return
	case ends:
		p.depth--
		if !p.opened {
			p.line()
		}
	default:
		p.line()
	}
	p.out = append(p.out, p.tag...)
	if p.opened = begins; !begins {
		return
	}
	if name := p.tag[1:]; bytes.HasPrefix(name, []byte("div")) && !isNameByte(name[3], false) {
		p.div = 1
		return
	}
	p.depth++
}

func (p *Indenter) line() {
	if p.lines {
		p.out = append(p.out, '\n')
		p.out = append(p.out, bytes.Repeat([]byte("  "), max(0, p.depth))...)
	}
	p.lines = true
}
