package fhir

import (
	"bytes"
	"encoding/binary"
	"math/bits"
)

// members goes through the members of one JSON object whose bytes were checked before, without parsing their values.
// On bytes that are no JSON it ends with bad set and never reads beyond them.
type members struct {
	data  []byte
	at    int    // where the next member or the closing brace is looked for
	key   []byte // inside of the key's quotes, as written
	start int    // of the value
	end   int    // of the value, excluded
	count int    // members seen
	bad   bool
}

// objectAt returns the members of the object whose opening brace is at i.
func objectAt(data []byte, i int) members {
	if i >= len(data) || data[i] != '{' {
		return members{bad: true}
	}
	return members{data: data, at: i + 1}
}

func (m *members) next() bool {
	if m.bad {
		return false
	}
	i := skipSpace(m.data, m.at)
	if i < len(m.data) && m.data[i] == '}' {
		return false
	}
	if m.count > 0 {
		if i == len(m.data) || m.data[i] != ',' {
			return m.fail()
		}
		i = skipSpace(m.data, i+1)
	}
	if i == len(m.data) || m.data[i] != '"' {
		return m.fail()
	}
	end := skipString(m.data, i+1)
	if end < 0 {
		return m.fail()
	}
	m.key = m.data[i+1 : end-1]
	if i = skipSpace(m.data, end); i == len(m.data) || m.data[i] != ':' {
		return m.fail()
	}
	m.start = skipSpace(m.data, i+1)
	if m.end = skipValue(m.data, m.start); m.end <= m.start {
		return m.fail()
	}
	m.at = m.end
	m.count++
	return true
}

func (m *members) fail() bool {
	m.bad = true
	return false
}

// is tells whether the present key is name. An escape is longer than what it stands for, so a key with escapes is
// longer than name.
func (m *members) is(name string) bool {
	if len(m.key) <= len(name) || bytes.IndexByte(m.key, '\\') < 0 {
		return string(m.key) == name
	}
	return validEscapes(m.key) && string(unescape(nil, m.key)) == name
}

func validEscapes(s []byte) bool {
	for i := 0; i < len(s); {
		if s[i] != '\\' {
			i++
			continue
		}
		n := escapeLength(s[i:])
		if n == 0 {
			return false
		}
		i += n
	}
	return true
}

// skipValue returns the place after the value that begins at i; i or less when there is none.
func skipValue(data []byte, i int) int {
	if i >= len(data) {
		return -1
	}
	switch data[i] {
	case '"':
		return skipString(data, i+1)
	case '{', '[':
		return skipNested(data, i+1)
	}
	for i < len(data) {
		switch data[i] {
		case ',', '}', ']', ' ', '\n', '\r', '\t':
			return i
		}
		i++
	}
	return i
}

const (
	lowBits  = 0x0101010101010101
	highBits = 0x8080808080808080
)

// skipString returns the place after the closing quote of the string whose inside begins at i; -1 when there is none.
func skipString(data []byte, i int) int {
	for i < len(data) {
		if i+8 <= len(data) {
			w := binary.LittleEndian.Uint64(data[i:])
			quote, slash := w^lowBits*'"', w^lowBits*'\\'
			m := ((quote-lowBits)&^quote | (slash-lowBits)&^slash) & highBits
			if m == 0 {
				i += 8
				continue
			}
			i += bits.TrailingZeros64(m) / 8
		}
		switch data[i] {
		case '"':
			return i + 1
		case '\\':
			i += 2
		default:
			i++
		}
	}
	return -1
}

// skipNested returns the place after the bracket that closes the array or object whose inside begins at i; -1 when
// there is none. It looks at eight bytes at a time for the next quote or bracket; "|0x20" makes [ and { alike, and ]
// and }.
func skipNested(data []byte, i int) int {
	depth := 1
	for i < len(data) {
		if i+8 <= len(data) {
			w := binary.LittleEndian.Uint64(data[i:])
			quote, folded := w^lowBits*'"', w|lowBits*0x20
			open, shut := folded^lowBits*'{', folded^lowBits*'}'
			m := ((quote-lowBits)&^quote | (open-lowBits)&^open | (shut-lowBits)&^shut) & highBits
			if m == 0 {
				i += 8
				continue
			}
			i += bits.TrailingZeros64(m) / 8
		}
		switch data[i] {
		case '"':
			if i = skipString(data, i+1); i < 0 {
				return -1
			}
			continue
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return i + 1
			}
		}
		i++
	}
	return -1
}
