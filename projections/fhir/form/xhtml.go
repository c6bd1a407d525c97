package form

import (
	"bytes"
	"encoding/xml"
	"strconv"
	"unicode/utf8"
)

// div passes over the div of a Narrative, whose start tag was read just now. It is kept as it stands, so it must be
// whole by itself: all elements are in the namespace of XHTML, which the div declares, and have no prefixes.
func (s *scanner) div() *failure {
	depth := len(s.opened)
	declared := false
	for _, b := range s.bindings[len(s.bindings)-s.declares:] {
		declared = declared || b.prefix == ""
	}
	if !declared || s.name != "div" {
		return wrong(s.start, `the div must declare its namespace itself: <div xmlns="`+xhtmlSpace+`">`)
	}
	for {
		if f := s.isXHTML(); f != nil {
			return f
		}
		for {
			kind, f := s.next()
			if f == nil && kind == textToken {
				f = s.text()
			}
			if f != nil {
				return f
			}
			if kind == startToken {
				break
			}
			if kind == endToken && len(s.opened) < depth {
				return nil
			}
		}
	}
}

// isXHTML holds that the element that was read just now is one of XHTML.
func (s *scanner) isXHTML() *failure {
	if s.space != xhtmlSpace || s.name != s.local {
		return wrong(s.start, "the element ", short(s.name), " in a narrative is not one of XHTML")
	}
	for _, a := range s.attributes {
		if a.space != "" && a.space != xmlSpace {
			return wrong(a.value.start, "the attribute ", short(a.name), " in a narrative has a prefix")
		}
	}
	return nil
}

// text passes over a text or a CDATA section.
func (s *scanner) text() *failure {
	if s.has("<![CDATA[") {
		end := bytes.Index(s.data[s.at:], []byte("]]>"))
		if end < 0 {
			return wrong(s.at, "the CDATA section has no end")
		}
		s.at += end + len("]]>")
		return nil
	}
	in := span{s.at, len(s.data)}
	if less := bytes.IndexByte(s.data[s.at:], '<'); less >= 0 {
		in.end = s.at + less
	}
	if end := bytes.Index(s.data[in.start:in.end], []byte("]]>")); end >= 0 {
		return wrong(in.start+end, "]]> in a text; write ]]&gt;")
	}
	s.at = in.end
	return s.checkReferences(in)
}

// isHTMLEntity tells whether HTML has an entity that XML has not. In JSON a narrative may use it (FHIR R4,
// narrative.html).
func isHTMLEntity(name string) bool {
	_, known := xml.HTMLEntity[name]
	return known
}

// appendDiv appends the div of a Narrative as XML has it: with its namespace, and without the entities that HTML alone
// has. false: it is no well-formed XHTML.
func appendDiv(dst, div []byte) ([]byte, bool) {
	div = bytes.TrimSpace(div)
	if checkCharacters(div) != nil {
		return dst, false
	}
	s := &scanner{data: div, entity: isHTMLEntity}
	if kind, f := s.next(); f != nil || kind != startToken || s.name != "div" {
		return dst, false
	}
	nameEnd := s.start + len("<div")
	if s.space == "" && s.declares == 0 {
		dst = append(dst, div[s.start:nameEnd]...)
		dst = append(dst, ` xmlns="`+xhtmlSpace+`"`...)
		s.bindings, s.declares = append(s.bindings, binding{"", xhtmlSpace}), 1
		s.space = xhtmlSpace
		div = div[nameEnd:]
	}
	if s.div() != nil {
		return dst, false
	}
	if kind, f := s.next(); f != nil || kind != eofToken || s.start != len(s.data) {
		return dst, false
	}
	return appendPlain(dst, div), true
}

// appendPlain appends XML without the entities that HTML alone has, and with line ends that a reader of XML keeps.
func appendPlain(dst, text []byte) []byte {
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '\r':
			dst = append(dst, "&#13;"...)
			continue
		case '&':
			if _, size := reference(text[i:]); size > 0 {
				break
			}
			if name, named := entityAt(text[i:]); named && isHTMLEntity(name) {
				r, _ := utf8.DecodeRuneInString(xml.HTMLEntity[name])
				dst = append(strconv.AppendInt(append(dst, "&#"...), int64(r), 10), ';')
				i += len(name) + 1
				continue
			}
		}
		dst = append(dst, text[i])
	}
	return dst
}
