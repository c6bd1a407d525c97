package form

import (
	"bytes"
	"strconv"
	"strings"
	"unicode/utf8"
)

// checkReferences holds that each & begins a reference to a character of XML.
func (s *scanner) checkReferences(in span) *failure {
	for i := in.start; i < in.end; {
		and := bytes.IndexByte(s.data[i:in.end], '&')
		if and < 0 {
			return nil
		}
		i += and
		if _, size := reference(s.data[i:in.end]); size > 0 {
			i += size
			continue
		}
		if name, named := entityAt(s.data[i:in.end]); named && s.entity != nil && s.entity(name) {
			i++
			continue
		}
		return wrong(i, "& begins no reference that XML has without a DTD; write &amp;, or the character itself")
	}
	return nil
}

// entityAt returns the name in a reference to an entity.
func entityAt(text []byte) (name string, named bool) {
	end := bytes.IndexByte(text[:min(len(text), 34)], ';')
	if end < 2 {
		return "", false
	}
	return string(text[1:end]), true
}

// reference returns the character that the reference at the beginning of a text stands for, and how many bytes it
// takes; 0 when there is none.
func reference(text []byte) (r rune, size int) {
	end := bytes.IndexByte(text[:min(len(text), 16)], ';')
	if end < 2 {
		return 0, 0
	}
	switch name := string(text[1:end]); name {
	case "lt":
		r = '<'
	case "gt":
		r = '>'
	case "amp":
		r = '&'
	case "quot":
		r = '"'
	case "apos":
		r = '\''
	default:
		digits, isNumber := strings.CutPrefix(name, "#")
		base := 10
		if hexadecimal, is := strings.CutPrefix(digits, "x"); is {
			digits, base = hexadecimal, 16
		}
		n, err := strconv.ParseUint(digits, base, 32)
		if !isNumber || err != nil || n > utf8.MaxRune || !isCharacter(rune(n)) {
			return 0, 0
		}
		r = rune(n)
	}
	return r, end + 1
}

// decode appends what the value of an attribute stands for (XML 1.0, section 3.3.3): white space is a space, unless it
// is written as a reference, and the two characters of a line's end are one.
func decode(dst, value []byte) []byte {
	for i := 0; i < len(value); {
		switch c := value[i]; c {
		case '&':
			r, size := reference(value[i:])
			dst = utf8.AppendRune(dst, r)
			i += max(1, size)
			continue
		case '\r':
			if i+1 < len(value) && value[i+1] == '\n' {
				i++
			}
			dst = append(dst, ' ')
		case '\n', '\t':
			dst = append(dst, ' ')
		default:
			dst = append(dst, c)
		}
		i++
	}
	return dst
}
