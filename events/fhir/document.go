package fhir

import (
	"iter"
	"unsafe"
)

// JSONKind is the kind of a JSON value.
type JSONKind uint8

// The kinds of JSON values.
const (
	None JSONKind = iota // the zero Node: nothing is there
	Null
	Bool
	Number
	String
	Array
	Object
)

var kindNames = [...]string{None: "nothing", Null: "null", Bool: "a boolean", Number: "a number", String: "a string",
	Array: "an array", Object: "an object"}

// String names the kind with its article.
func (k JSONKind) String() string { return kindNames[k] }

// Document is a parsed JSON document: its bytes and a tape of eight bytes for each value, key and closing bracket.
// Parse once, read many times; reading is safe for concurrent use.
type Document struct {
	data []byte
	tape []word
}

// Clear makes d the zero Document, but for the memory of its tape, which the next Reset uses. Nodes of d must not be
// used any more; strings that came from it stay good.
func (d *Document) Clear() { *d = Document{tape: d.tape[:0]} }

// Bytes returns what was parsed. It must not be changed.
func (d *Document) Bytes() []byte { return d.data }

// Root returns the document's one value; the zero Node for the zero Document.
func (d *Document) Root() Node {
	if len(d.tape) == 0 {
		return Node{}
	}
	return Node{doc: d}
}

// word is one entry of the tape: bits 0–29 the start of the value in the bytes, bits 30–59 the payload, bit 60 "the
// string has escapes", bits 61–63 the kind. The payload is the length between the quotes of a string, the length of a
// number, bool or null, the tape index of its end for an array or object, and in that end word (which starts at the
// bracket) the number of members. A member of an object is two entries: its key as a string, and its value.
type word uint64

const (
	wordMask    = 1<<30 - 1
	wordEscaped = word(1) << 60
	endKind     = JSONKind(7) // closes an array or an object; no Node ever stands on it
)

func makeWord(kind JSONKind, start, payload int) word {
	return word(kind)<<61 | word(payload)<<30 | word(start)
}

func (w word) kind() JSONKind { return JSONKind(w >> 61) }
func (w word) start() int     { return int(w & wordMask) }
func (w word) payload() int   { return int(w>>30) & wordMask }
func (w word) escaped() bool  { return w&wordEscaped != 0 }

// Node is a value in a [Document]. The zero Node means "absent": every method may be called on it. Nodes are small
// and comparable; two are equal when they are the same place of the same Document.
type Node struct {
	doc   *Document
	index int // on the tape; never that of a key or an end
}

func (n Node) word() word { return n.doc.tape[n.index] }

// Document returns the document that n is in; nil for the zero Node.
func (n Node) Document() *Document { return n.doc }

// Place is where n is in its document, for [Document.NodeAt].
func (n Node) Place() int { return n.index }

// NodeAt returns the node at a place that [Node.Place] has told of this Document.
func (d *Document) NodeAt(place int) Node { return Node{doc: d, index: place} }

// Exists tells whether there is a value; JSON's null is one.
func (n Node) Exists() bool { return n.doc != nil }

// Kind tells the kind of the value; None for the zero Node.
func (n Node) Kind() JSONKind {
	if n.doc == nil {
		return None
	}
	return n.word().kind()
}

// Get returns the member of an object by its unescaped key; the zero Node when it is absent or n is no object. It
// scans the members and allocates nothing, unless keys in the document have escapes.
func (n Node) Get(key string) Node {
	if n.Kind() != Object {
		return Node{}
	}
	data, tape := n.doc.data, n.doc.tape
	for k, end := n.index+1, n.word().payload(); k < end; k = after(tape, k+1) {
		if w := tape[k]; w.escaped() {
			if text(data, w) == key {
				return Node{n.doc, k + 1}
			}
		} else if w.payload() == len(key) && string(inside(data, w)) == key {
			return Node{n.doc, k + 1}
		}
	}
	return Node{}
}

// Fields goes through the members of an object in the order of the document: unescaped key, value. There are none
// when n is no object. Keys follow the rule of [Node.Text].
func (n Node) Fields() iter.Seq2[string, Node] {
	return func(yield func(string, Node) bool) {
		if n.Kind() != Object {
			return
		}
		for k, end := n.index+1, n.word().payload(); k < end; k = after(n.doc.tape, k+1) {
			if !yield(text(n.doc.data, n.doc.tape[k]), Node{n.doc, k + 1}) {
				return
			}
		}
	}
}

// Items goes through the values of an array. A value that is no array comes itself, once: FHIR's paths read "name"
// and "name[0]" alike. The zero Node has no items.
func (n Node) Items() iter.Seq[Node] {
	return func(yield func(Node) bool) {
		switch n.Kind() {
		case None:
		case Array:
			for i, end := n.index+1, n.word().payload(); i < end; i = after(n.doc.tape, i) {
				if !yield(Node{n.doc, i}) {
					return
				}
			}
		default:
			yield(n)
		}
	}
}

// Len counts the members of an object or the values of an array; 0 for anything else.
func (n Node) Len() int {
	if n.Kind() < Array {
		return 0
	}
	return n.doc.tape[n.word().payload()].payload()
}

// Text returns the unescaped value of a string, where lone surrogates become U+FFFD, or the literal text of a number
// or bool; "" for anything else. A text without escapes shares the document's bytes and keeps all of them in memory:
// use strings.Clone for one that outlives the work on the document.
func (n Node) Text() string {
	if n.doc == nil {
		return ""
	}
	switch w := n.word(); w.kind() {
	case String:
		return text(n.doc.data, w)
	case Bool, Number:
		return view(n.Raw())
	}
	return ""
}

// Raw returns the exact bytes of the value; nil for the zero Node. It must not be changed.
func (n Node) Raw() []byte {
	if n.doc == nil {
		return nil
	}
	start, end := n.Span()
	return n.doc.data[start:end:end]
}

// Span returns the range of the value in Document.Bytes, start included and end excluded; the quotes of a string are
// part of it.
func (n Node) Span() (start, end int) {
	if n.doc == nil {
		return 0, 0
	}
	w := n.word()
	switch w.kind() {
	case String:
		return w.start(), w.start() + w.payload() + 2
	case Array, Object:
		return w.start(), n.doc.tape[w.payload()].start() + 1
	}
	return w.start(), w.start() + w.payload()
}

// after returns the tape index that follows the value at i.
func after(tape []word, i int) int {
	if w := tape[i]; w.kind() >= Array {
		return w.payload() + 1
	}
	return i + 1
}

// inside returns the bytes between the quotes of a string.
func inside(data []byte, w word) []byte {
	start := w.start() + 1
	return data[start : start+w.payload()]
}

// text returns the unescaped text of a string; a view of data when there are no escapes.
func text(data []byte, w word) string {
	if !w.escaped() {
		return view(inside(data, w))
	}
	return view(unescape(make([]byte, 0, w.payload()), inside(data, w)))
}

// view makes a string of bytes that nobody changes from now on, without a copy.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
