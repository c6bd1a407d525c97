package fhir

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"unicode/utf8"

	"binnacle/events"
)

// Limits of a document.
const (
	MaxDepth = 100       // arrays and objects inside each other; 101 are refused
	MaxBytes = 1<<30 - 1 // bytes of one document: positions on the tape have 30 bits
)

// Parse checks data and makes a Document of it. data must be UTF-8 and one JSON value (RFC 8259) with nothing but
// white space after it, at most [MaxDepth] levels deep and without duplicate keys in any object. Escapes of lone
// surrogates and \u0000 are allowed.
//
// The Document keeps data, which must not be changed from now on. An error is of kind Invalid (TooLarge beyond
// [MaxBytes]); its text has the form "line:column: path: what is wrong", lines and columns from 1, columns in
// characters.
func Parse(data []byte) (*Document, error) {
	d := new(Document)
	if err := d.Reset(data); err != nil {
		return nil, err
	}
	return d, nil
}

// bytesPerWord is how many bytes of a document go to a word of its tape, at the least: FHIR without white space has
// 13 to 19.
const bytesPerWord = 12

// Reset makes d the document of data, as [Parse] does, in the memory of its old tape. Nodes of the old document must
// not be used any more; strings that came from it stay good. After an error d is empty.
func (d *Document) Reset(data []byte) error {
	tape := d.tape[:0]
	// at once, rather than in steps that copy what is there
	if enough := len(data)/bytesPerWord + 8; cap(tape) < enough {
		tape = make([]word, 0, enough)
	}
	p := parser{data: data, tape: tape}
	if err := p.parse(); err != nil {
		*d = Document{tape: p.tape[:0]}
		return err
	}
	*d = Document{data: data, tape: p.tape}
	return nil
}

// frame is one open array or object.
type frame struct {
	open      int    // its place on the tape
	count     int    // values that have begun in it
	key       int    // tape index of the last key; 0 in an array, where no key can be
	seen      uint64 // a bit per hashed key; a clear bit proves that a key is new
	duplicate bool   // two keys may be the same; the end of the object looks
}

type parser struct {
	data  []byte
	tape  []word
	depth int
	stack [MaxDepth]frame
}

// parse fills the tape. It is one loop over the bytes with an explicit stack: what it does with hostile input is
// bounded by MaxDepth frames and one word per value, key and bracket.
func (p *parser) parse() *events.Error {
	data := p.data
	if len(data) > MaxBytes {
		return events.Errorf(events.TooLarge, "fhir.Parse", "the document has %d bytes; the most is %d", len(data),
			MaxBytes)
	}
	var (
		i   int
		f   *frame
		err *events.Error
	)
	if bytes.HasPrefix(data, []byte("\xef\xbb\xbf")) {
		return p.fail(0, "a byte order mark; send UTF-8 without one (RFC 8259, section 8.1)")
	}

value:
	i = skipSpace(data, i)
	if i == len(data) {
		return p.fail(i, "the text ends where a value should stand")
	}
	if f != nil {
		f.count++
	}
	switch data[i] {
	case '"':
		if i, err = p.str(i); err != nil {
			return err
		}
	case '{', '[':
		if p.depth == MaxDepth {
			return p.fail(i, "more than %d levels of arrays and objects", MaxDepth)
		}
		kind := Object
		if data[i] == '[' {
			kind = Array
		}
		f = &p.stack[p.depth]
		*f = frame{open: len(p.tape)}
		p.depth++
		p.tape = append(p.tape, makeWord(kind, i, 0))
		i = skipSpace(data, i+1)
		if i == len(data) {
			return p.fail(i, "the text ends inside an %s", containerName(kind))
		}
		if data[i] == closer(kind) {
			goto end
		}
		if kind == Object {
			goto key
		}
		goto value
	case 't':
		if i, err = p.literal(i, "true", Bool); err != nil {
			return err
		}
	case 'f':
		if i, err = p.literal(i, "false", Bool); err != nil {
			return err
		}
	case 'n':
		if i, err = p.literal(i, "null", Null); err != nil {
			return err
		}
	default:
		if i, err = p.number(i); err != nil {
			return err
		}
	}

after: // a value is complete
	i = skipSpace(data, i)
	if f == nil {
		if i < len(data) {
			return p.fail(i, "more text after the end of the value")
		}
		return nil
	}
	if i == len(data) {
		return p.fail(i, "the text ends inside an %s", containerName(p.tape[f.open].kind()))
	}
	switch kind := p.tape[f.open].kind(); {
	case data[i] == ',' && kind == Array:
		i++
		goto value
	case data[i] == ',':
		if i = skipSpace(data, i+1); i == len(data) {
			return p.fail(i, "the text ends inside an object")
		}
		goto key
	case data[i] == closer(kind):
		goto end
	default:
		return p.fail(i, "a comma or %q should stand here", closer(kind))
	}

key: // i is at what must be the quote of a key
	if data[i] != '"' {
		return p.fail(i, "a key in double quotes should stand here")
	}
	f.key = len(p.tape)
	if i, err = p.str(i); err != nil {
		return err
	}
	p.note(f)
	if i = skipSpace(data, i); i == len(data) || data[i] != ':' {
		return p.fail(i, "a colon should follow the key")
	}
	i++
	goto value

end: // i is at the bracket that closes f
	if f.duplicate {
		if err := p.checkKeys(f); err != nil {
			return err
		}
	}
	p.tape[f.open] |= word(len(p.tape)) << 30
	p.tape = append(p.tape, makeWord(endKind, i, f.count))
	i++
	p.depth--
	f = nil
	if p.depth > 0 {
		f = &p.stack[p.depth-1]
	}
	goto after
}

// note records the key just read in the object's filter, so that the end of the object needs a closer look only when
// two keys fell on one bit.
func (p *parser) note(f *frame) {
	w := p.tape[f.key]
	n := w.payload()
	h := uint64(n)
	if n > 0 {
		key := p.data[w.start()+1 : w.start()+1+n]
		h = h*0x9e3779b97f4a7c15 ^ uint64(key[0])<<16 ^ uint64(key[n/2])<<8 ^ uint64(key[n-1])
		h *= 0xff51afd7ed558ccd
	}
	bit := uint64(1) << (h >> 58)
	if f.seen&bit != 0 || w.escaped() {
		f.duplicate = true
	}
	f.seen |= bit
}

// str reads the string whose opening quote is at i, puts it on the tape and returns the place after its closing quote.
func (p *parser) str(i int) (int, *events.Error) {
	data := p.data
	start := i
	var escaped word
	i++
	for {
		if i+8 <= len(data) {
			m := special(binary.LittleEndian.Uint64(data[i:]))
			if m == 0 {
				i += 8
				continue
			}
			i += bits.TrailingZeros64(m) / 8
		} else if i == len(data) {
			return 0, p.fail(start, "the text ends inside the string that begins here")
		}
		switch c := data[i]; {
		case c == '"':
			p.tape = append(p.tape, makeWord(String, start, i-start-1)|escaped)
			return i + 1, nil
		case c == '\\':
			escaped = wordEscaped
			n := escapeLength(data[i:])
			if n == 0 {
				return 0, p.fail(i,
					`not an escape that JSON knows: \" \\ \/ \b \f \n \r \t and \u with four hexadecimal digits`)
			}
			i += n
		case c < ' ':
			return 0, p.fail(i, "the control character U+%04X inside a string; write it as an escape", c)
		case c < utf8.RuneSelf:
			i++
		default:
			r, n := utf8.DecodeRune(data[i:])
			if r == utf8.RuneError && n == 1 {
				return 0, p.fail(i, "the byte 0x%02X is not UTF-8", c)
			}
			i += n
		}
	}
}

// special marks (by their high bits) the bytes of w that need a look: quote, backslash, controls and what is not
// ASCII. Marks above the lowest one may be false.
func special(w uint64) uint64 {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	quote := w ^ ones*'"'
	slash := w ^ ones*'\\'
	return ((quote-ones)&^quote | (slash-ones)&^slash | (w-ones*' ')&^w | w) & highs
}

// escapeLength tells the length of the escape that data begins with; 0 when there is none.
func escapeLength(data []byte) int {
	if len(data) < 2 {
		return 0
	}
	switch data[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2
	case 'u':
		if len(data) < 6 {
			return 0
		}
		for _, c := range data[2:6] {
			if hexDigit(c) < 0 {
				return 0
			}
		}
		return 6
	}
	return 0
}

func (p *parser) literal(i int, text string, kind JSONKind) (int, *events.Error) {
	if !bytes.HasPrefix(p.data[i:], []byte(text)) {
		return 0, p.fail(i, "no JSON value begins like this; strings need double quotes")
	}
	p.tape = append(p.tape, makeWord(kind, i, len(text)))
	return i + len(text), nil
}

// number reads a number (RFC 8259, section 6).
func (p *parser) number(i int) (int, *events.Error) {
	data, start := p.data, i
	if data[i] == '-' {
		i++
	}
	whole := digits(data, i)
	switch {
	case whole == i && i == start:
		return 0, p.fail(start, "no JSON value begins like this; strings need double quotes")
	case whole == i:
		return 0, p.fail(start, "a minus sign without digits")
	case data[i] == '0' && whole > i+1:
		return 0, p.fail(start, "a number with a leading zero")
	}
	i = whole
	if i < len(data) && data[i] == '.' {
		end := digits(data, i+1)
		if end == i+1 {
			return 0, p.fail(start, "a number without digits after its decimal point")
		}
		i = end
	}
	if i < len(data) && (data[i] == 'e' || data[i] == 'E') {
		i++
		if i < len(data) && (data[i] == '+' || data[i] == '-') {
			i++
		}
		end := digits(data, i)
		if end == i {
			return 0, p.fail(start, "a number without digits in its exponent")
		}
		i = end
	}
	p.tape = append(p.tape, makeWord(Number, start, i-start))
	return i, nil
}

// digits returns the place after the digits that begin at i.
func digits(data []byte, i int) int {
	for i < len(data) && data[i]-'0' < 10 {
		i++
	}
	return i
}

// skipSpace returns the place of the first byte from i on that is no white space. Pretty printed documents are half
// spaces, so runs of them are taken eight at a time.
func skipSpace(data []byte, i int) int {
	for i < len(data) {
		switch data[i] {
		case ' ':
			if i+8 <= len(data) {
				if x := binary.LittleEndian.Uint64(data[i:]) ^ 0x2020202020202020; x == 0 {
					i += 8
				} else {
					i += bits.TrailingZeros64(x) / 8
				}
				continue
			}
			i++
		case '\n', '\r', '\t':
			i++
		default:
			return i
		}
	}
	return i
}

func closer(kind JSONKind) byte {
	if kind == Array {
		return ']'
	}
	return '}'
}

func containerName(kind JSONKind) string {
	if kind == Array {
		return "array"
	}
	return "object"
}
