package patch

import (
	"strconv"
	"strings"

	"binnacle/events"
	"binnacle/events/fhir"
)

// step is one operation of a JSON Patch (RFC 6902, section 4).
type step struct {
	op         string
	path, from pointer
	value      fhir.Node // of add, replace and test
	index      int       // in the patch
}

// pointer is a JSON Pointer (RFC 6901).
type pointer struct {
	text   string
	tokens []string // unescaped
}

// maxSaid is how many bytes of a client's text a message repeats.
const maxSaid = 200

func readSteps(list fhir.Node) ([]step, *events.Error) {
	if err := checkParts(list.Len()); err != nil {
		return nil, err
	}
	steps := make([]step, 0, list.Len())
	for n := range list.Items() {
		s, err := readStep(n)
		if err != nil {
			err.Text = "operation " + strconv.Itoa(len(steps)) + " of the JSON Patch: " + err.Text
			return nil, err
		}
		s.index = len(steps)
		steps = append(steps, s)
	}
	return steps, nil
}

// checkParts bounds what a patch consists of. Kind TooLarge.
func checkParts(n int) *events.Error {
	if n > maxParts {
		return events.Errorf(events.TooLarge, opPatch, "the patch has more than %d operations and parts, which is the "+
			"most; send it in several", maxParts)
	}
	return nil
}

func readStep(n fhir.Node) (s step, err *events.Error) {
	if n.Kind() != fhir.Object {
		return s, malformed("an operation is an object; this is %s", n.Kind())
	}
	op := n.Get("op")
	if op.Kind() != fhir.String {
		return s, malformed("it needs the string op, one of add, remove, replace, move, copy and test")
	}
	s.op = op.Text()
	needsValue, needsFrom := false, false
	switch s.op {
	case "remove":
	case "add", "replace", "test":
		needsValue = true
	case "move", "copy":
		needsFrom = true
	default:
		return s, malformed("op is %.40q; it must be one of add, remove, replace, move, copy and test", s.op)
	}
	if s.path, err = readPointer(n, "path", s.op); err != nil {
		return s, err
	}
	if needsFrom {
		if s.from, err = readPointer(n, "from", s.op); err != nil {
			return s, err
		}
	}
	if s.value = n.Get("value"); needsValue && !s.value.Exists() {
		return s, malformed("%s needs a value, which may be null", s.op)
	}
	if s.op == "move" && s.from.holds(s.path) {
		return s, malformed("%.200q can't be moved into itself, to %.200q", s.from.text, s.path.text)
	}
	return s, nil
}

func readPointer(n fhir.Node, member, op string) (pointer, *events.Error) {
	at := n.Get(member)
	if at.Kind() != fhir.String {
		return pointer{}, malformed("%s needs the string %s, a JSON Pointer as in /name/0/family", op, member)
	}
	p := pointer{text: at.Text()}
	if p.text == "" {
		return p, nil
	}
	if p.text[0] != '/' {
		return p, malformed("the %s %.200q is no JSON Pointer: it begins with a slash, as in /name/0/family", member,
			p.text)
	}
	if strings.Count(p.text, "/") > fhir.MaxDepth {
		return p, malformed("the %s %.200q leads deeper than the %d levels that a document has at the most", member,
			p.text, fhir.MaxDepth)
	}
	p.tokens = strings.Split(p.text[1:], "/")
	for i, token := range p.tokens {
		if strings.IndexByte(token, '~') < 0 {
			continue
		}
		rest := strings.NewReplacer("~0", "", "~1", "").Replace(token)
		if strings.IndexByte(rest, '~') >= 0 {
			return p, malformed("the %s %.200q is no JSON Pointer: ~ stands for itself as ~0, and for a slash as ~1",
				member, p.text)
		}
		p.tokens[i] = strings.NewReplacer("~1", "/", "~0", "~").Replace(token)
	}
	return p, nil
}

// holds tells whether what another pointer leads to is inside of what this one leads to.
func (p pointer) holds(other pointer) bool {
	return len(other.tokens) > len(p.tokens) && p.same(other, len(p.tokens))
}

// same tells whether the first n tokens are the same.
func (p pointer) same(other pointer, n int) bool {
	for i := range n {
		if p.tokens[i] != other.tokens[i] {
			return false
		}
	}
	return true
}

// upTo is the beginning of the pointer, with n tokens, for a message.
func (p pointer) upTo(n int) string {
	var b strings.Builder
	for _, token := range p.tokens[:n] {
		b.WriteByte('/')
		b.WriteString(strings.NewReplacer("~", "~0", "/", "~1").Replace(token))
	}
	return said(b.String())
}

// said is a client's text as a message repeats it.
func said(text string) string {
	if text == "" {
		return "the document"
	}
	if len(text) > maxSaid {
		text = strings.ToValidUTF8(text[:maxSaid], "") + "…"
	}
	return strconv.Quote(text)
}
