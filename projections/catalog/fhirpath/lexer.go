package fhirpath

import (
	"strconv"
	"strings"
)

type tokenKind uint8

const (
	endToken tokenKind = iota
	nameToken
	quotedNameToken // `name`: never a keyword
	stringToken
	numberToken
	variableToken
	symbolToken
)

type token struct {
	kind     tokenKind
	text     string // a name or string without its quotes and escapes
	position int
}

// describe names a token for a message.
func (t token) describe() string {
	switch t.kind {
	case endToken:
		return "the end of the expression"
	case stringToken:
		return "the string '" + t.text + "'"
	}
	return strconv.Quote(t.text)
}

// next reads the token at or after position i and returns the place after it.
func next(text string, i int) (token, int, *Error) {
	for i < len(text) && (text[i] == ' ' || text[i] == '\t' || text[i] == '\n' || text[i] == '\r') {
		i++
	}
	if i == len(text) {
		return token{kind: endToken, position: i}, i, nil
	}
	start := i
	switch c := text[i]; {
	case isLetter(c):
		i = endOfName(text, i)
		return token{nameToken, text[start:i], start}, i, nil
	case c == '`' || c == '\'' || c == '"':
		kind := stringToken
		if c != '\'' {
			kind = quotedNameToken
		}
		value, end, err := quoted(text, i)
		return token{kind, value, start}, end, err
	case c >= '0' && c <= '9':
		for i < len(text) && text[i] >= '0' && text[i] <= '9' {
			i++
		}
		if i+1 < len(text) && text[i] == '.' && text[i+1] >= '0' && text[i+1] <= '9' {
			for i++; i < len(text) && text[i] >= '0' && text[i] <= '9'; {
				i++
			}
		}
		return token{numberToken, text[start:i], start}, i, nil
	case c == '%' || c == '$':
		if i+1 < len(text) && text[i+1] == '`' {
			value, end, err := quoted(text, i+1)
			return token{variableToken, text[i:i+1] + value, start}, end, err
		}
		i = endOfName(text, i+1)
		return token{variableToken, text[start:i], start}, i, nil
	}
	for _, symbol := range [...]string{"!=", "<=", ">=", "!~", "//", "/*"} {
		if strings.HasPrefix(text[i:], symbol) {
			return token{symbolToken, symbol, start}, i + len(symbol), nil
		}
	}
	for n := 1; ; n++ { // a whole character, so that a message never holds half of one
		if i+n == len(text) || text[i+n]&0xC0 != 0x80 {
			return token{symbolToken, text[i : i+n], start}, i + n, nil
		}
	}
}

func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' || c == '_' }

func endOfName(text string, i int) int {
	for i < len(text) && (isLetter(text[i]) || text[i] >= '0' && text[i] <= '9') {
		i++
	}
	return i
}

// quoted reads what stands between the quote at start and the next one like it.
func quoted(text string, start int) (value string, end int, err *Error) {
	var b strings.Builder
	for i := start + 1; i < len(text); i++ {
		switch c := text[i]; c {
		case text[start]:
			return b.String(), i + 1, nil
		case '\\':
			i++
			if i == len(text) {
				continue
			}
			switch c := text[i]; c {
			case '\'', '"', '`', '\\', '/':
				b.WriteByte(c)
			case 'n':
				b.WriteByte('\n')
			case 'r':
				b.WriteByte('\r')
			case 't':
				b.WriteByte('\t')
			case 'f':
				b.WriteByte('\f')
			case 'u':
				if i+4 >= len(text) {
					return "", len(text), Errorf(i-1, "\\u needs four hexadecimal digits")
				}
				r, bad := strconv.ParseUint(text[i+1:i+5], 16, 16)
				if bad != nil {
					return "", len(text), Errorf(i-1, "\\u needs four hexadecimal digits")
				}
				b.WriteRune(rune(r))
				i += 4
			default:
				return "", len(text), Errorf(i-1, "the escape \\%c is not one of FHIRPath's", c)
			}
		default:
			b.WriteByte(c)
		}
	}
	return "", len(text), Errorf(start, "the quote that opens here is never closed")
}
