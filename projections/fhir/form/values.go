package form

import (
	"strings"

	"binnacle/events/fhir"
)

// value writes the value of a primitive: the digits of a number as they stand.
func (r *reader) value(kind fhir.JSONKind, value span) *failure {
	text := r.data[value.start:value.end]
	switch kind {
	case fhir.Bool:
		if string(text) != "true" && string(text) != "false" {
			return wrong(value.start, "a boolean is true or false")
		}
	case fhir.Number:
		if !isNumber(text) {
			return wrong(value.start, "a number is wanted, as FHIR and JSON write it")
		}
	default:
		r.text(value)
		return nil
	}
	r.out = append(r.out, text...)
	return nil
}

// isNumber tells whether a text is a number of JSON (RFC 8259, section 6).
func isNumber(text []byte) bool {
	digits := func() bool {
		n := 0
		for n < len(text) && text[n] >= '0' && text[n] <= '9' {
			n++
		}
		text = text[n:]
		return n > 0
	}
	cut := func(characters string) bool {
		if len(text) == 0 || strings.IndexByte(characters, text[0]) < 0 {
			return false
		}
		text = text[1:]
		return true
	}
	cut("-")
	if !cut("0") && !digits() {
		return false
	}
	if cut(".") && !digits() {
		return false
	}
	if cut("eE") {
		cut("+-")
		if !digits() {
			return false
		}
	}
	return len(text) == 0
}

// text writes a value as a JSON string.
func (r *reader) text(value span) {
	raw := r.data[value.start:value.end]
	r.source.mark(len(r.out)+1, value, false)
	for _, c := range raw {
		if c == '&' || c < ' ' {
			r.out = appendString(r.out, decode(nil, raw))
			return
		}
	}
	r.out = appendString(r.out, raw)
}

// appendString appends UTF-8 as a JSON string in quotes.
func appendString(dst, text []byte) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	done := 0
	for i, c := range text {
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		dst = append(dst, text[done:i]...)
		done = i + 1
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\r':
			dst = append(dst, '\\', 'r')
		case '\t':
			dst = append(dst, '\\', 't')
		default:
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
	}
	return append(append(dst, text[done:]...), '"')
}
