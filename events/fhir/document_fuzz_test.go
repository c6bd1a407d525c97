package fhir

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"binnacle/events"
)

// FuzzParse holds Parse against encoding/json: it accepts the same texts, but for duplicate keys, depth and UTF-8,
// and reads the same values from them; each node's span is a JSON value of its own.
func FuzzParse(f *testing.F) {
	for _, data := range samples(f) {
		f.Add(data)
	}
	for _, data := range []string{
		`{"a":1,"\u0061":2}`, `{"a":1,"b":{"a":[1,{}]}}`, `["\ud800\udc00","\udc00","\ud800\ud800\udc00"]`, `[1.5e-3,-0,0.0]`, strings.Repeat("[", 101) + strings.Repeat("]", 101),
		`{"a":1,"b":1,"c":1,"d":1,"e":1,"f":1,"g":1,"h":1,"i":1,"j":1,"k":1,"l":1,"m":1,"n":1,"o":1,"p":1,"q":1,"r":{"a":1},"a":1}`,
		"\"\xff\"", "\xef\xbb\xbf1", `"\ud83d\u0041"`, ` {"": [] } `, `{"\ud800":1,"\ud801":2}`,
	} {
		f.Add([]byte(data))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		d, err := Parse(data)
		if err != nil {
			checkRefusal(t, data, err.(*events.Error))
			return
		}
		decoder := json.NewDecoder(bytes.NewReader(data))
		decoder.UseNumber()
		var want any
		if err := decoder.Decode(&want); err != nil {
			t.Fatalf("encoding/json refuses what Parse accepts: %v", err)
		}
		if !utf8.Valid(data) {
			t.Fatal("Parse accepts what is not UTF-8")
		}
		compare(t, d.Root(), want, "root")
		checkSpans(t, d.Root())
		if len(d.tape) > len(data) {
			t.Errorf("%d words for %d bytes", len(d.tape), len(data))
		}
	})
}

func checkRefusal(t *testing.T, data []byte, e *events.Error) {
	t.Helper()
	if e.Kind != events.Invalid || !utf8.ValidString(e.Text) || len(e.Text) > 1000 {
		t.Errorf("the refusal is %v %q", e.Kind, e.Text)
	}
	switch {
	case strings.HasSuffix(e.Text, "duplicate key"):
		if !hasDuplicateKey(data) {
			t.Errorf("no key stands twice: %s", e.Text)
		}
	case strings.Contains(e.Text, "is not UTF-8"), strings.Contains(e.Text, "a byte order mark"):
		if utf8.Valid(data) && !bytes.HasPrefix(data, []byte("\xef\xbb\xbf")) {
			t.Errorf("it is UTF-8: %s", e.Text)
		}
	case strings.Contains(e.Text, "more than 100 levels"):
		if bytes.Count(data, []byte("["))+bytes.Count(data, []byte("{")) <= MaxDepth {
			t.Errorf("it is not so deep: %s", e.Text)
		}
	default:
		if json.Valid(data) {
			t.Errorf("encoding/json accepts what Parse refuses: %s", e.Text)
		}
	}
}

// hasDuplicateKey reads tokens until it sees a key for the second time in one object.
func hasDuplicateKey(data []byte) bool {
	type level struct {
		keys map[string]bool // nil in an array
		key  bool            // the next string is a key
	}
	var stack []level
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	for {
		token, err := decoder.Token()
		if err != nil {
			return false
		}
		if delim, ok := token.(json.Delim); ok && (delim == '}' || delim == ']') {
			stack = stack[:len(stack)-1]
			continue
		}
		if n := len(stack); n > 0 && stack[n-1].keys != nil {
			top := &stack[n-1]
			if top.key {
				if top.keys[token.(string)] {
					return true
				}
				top.keys[token.(string)] = true
			}
			top.key = !top.key
		}
		switch token {
		case json.Delim('{'):
			stack = append(stack, level{keys: map[string]bool{}, key: true})
		case json.Delim('['):
			stack = append(stack, level{})
		}
	}
}

// checkSpans checks that the raw bytes of each node are a JSON value that parses into a node with as many parts, and
// that children lie inside their parents in order.
func checkSpans(t *testing.T, n Node) {
	t.Helper()
	if len(n.Raw()) < 1000 {
		again, err := Parse(n.Raw())
		if err != nil {
			t.Fatalf("the raw bytes %q are no JSON value: %v", n.Raw(), err)
		}
		if r := again.Root(); r.Kind() != n.Kind() || r.Text() != n.Text() || r.Len() != n.Len() {
			t.Errorf("%q reads differently alone", n.Raw())
		}
		_ = n.Path()
	}
	start, end := n.Span()
	at := start
	child := func(c Node) {
		s, e := c.Span()
		if s <= at || e >= end {
			t.Fatalf("a child spans %d to %d inside %d to %d", s, e, at, end)
		}
		at = e
		checkSpans(t, c)
	}
	switch n.Kind() {
	case Array:
		for c := range n.Items() {
			child(c)
		}
	case Object:
		for _, c := range n.Fields() {
			child(c)
		}
	}
}
