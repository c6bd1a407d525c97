package patch

import (
	"bytes"
	"slices"

	"binnacle/events"
	"binnacle/events/fhir"
)

// Bounds of one patch. They are part of what a patch means: a rebuild decides as the first projector has.
const (
	MaxBytes = 64 << 20 // bytes of the result
	maxTaken = 16 << 20 // bytes that copies may add, all together
	maxOpen  = 1 << 20  // members and items of the arrays and objects that a patch leads into
	maxWork  = 1 << 24  // members and items that are looked at
	maxParts = 200_000  // operations, and parts of their values
	maxPaths = 1 << 20  // bytes of all FHIRPaths
)

// value is a JSON value that may change. One that nobody has looked into is the bytes that it came with.
type value struct {
	node fhir.Node  // the bytes; none: it was made here
	in   *container // what it consists of since it was opened; nil: it was not
}

// container is an array or an object that was opened. Its place in memory stays.
type container struct {
	kind  fhir.JSONKind
	items []item
	tail  []byte // between the last item and the bracket
	held  bool   // it had items once: without any it has become empty
}

// item is an item of an array or a member of an object. head is all that stands between the value before it, or the
// bracket, and its own value: white space, the comma and the key.
type item struct {
	head []byte
	key  string // unescaped
	value
}

// tree is a document that is changed.
type tree struct {
	root  value
	open  int // items that were opened
	work  int // items that were looked at
	taken int // bytes that were copied
}

func (v *value) exists() bool { return v.in != nil || v.node.Exists() }

func (v *value) kind() fhir.JSONKind {
	if v.in != nil {
		return v.in.kind
	}
	return v.node.Kind()
}

// costs notes that n items are looked at. Kind TooCostly: it is too much.
func (t *tree) costs(n int) *events.Error {
	if t.work += n; t.work > maxWork {
		return events.Errorf(events.TooCostly, opPatch, "the patch takes more than %d steps through the document; "+
			"send it in several parts, or the whole resource", maxWork)
	}
	return nil
}

// into returns what an array or object consists of, in which items may be changed; nil for any other value.
func (t *tree) into(v *value) (*container, *events.Error) {
	if v.in != nil || v.node.Kind() < fhir.Array {
		return v.in, nil
	}
	if t.open += v.node.Len(); t.open > maxOpen {
		return nil, events.Errorf(events.TooCostly, opPatch, "the patch leads into arrays and objects of more than %d "+
			"items; send the whole resource", maxOpen)
	}
	data := v.node.Document().Bytes()
	start, end := v.node.Span()
	c := &container{kind: v.node.Kind(), items: make([]item, 0, v.node.Len()+1), held: v.node.Len() > 0}
	at := start + 1
	add := func(key string, node fhir.Node) {
		from, to := node.Span()
		c.items = append(c.items, item{head: data[at:from:from], key: key, value: value{node: node}})
		at = to
	}
	if c.kind == fhir.Array {
		for one := range v.node.Items() {
			add("", one)
		}
	} else {
		for key, one := range v.node.Fields() {
			add(key, one)
		}
	}
	c.tail = data[at : end-1 : end-1]
	v.in = c
	return c, t.costs(len(c.items))
}

// find returns the place of a member; -1 when there is none.
func (t *tree) find(c *container, key string) (int, *events.Error) {
	at := slices.IndexFunc(c.items, func(i item) bool { return i.key == key })
	seen := at
	if seen < 0 {
		seen = len(c.items)
	}
	return at, t.costs(seen + 1)
}

// insert puts a value before the item at a place, or at the end. White space becomes like that beside it.
func (t *tree) insert(c *container, at int, key string, v value) *events.Error {
	next := item{key: key, value: v}
	lead, colon := c.style(at)
	next.head = makeHead(at > 0, lead, key, colon, c.kind == fhir.Object)
	if at == 0 && len(c.items) > 0 {
		lead := c.items[0].lead()
		if len(c.items) > 1 {
			lead = c.items[1].lead()
		}
		c.items[0].head = slices.Concat([]byte{','}, lead, c.items[0].own())
	}
	c.items = slices.Insert(c.items, at, next)
	c.held = true
	return t.costs(1 + (len(c.items)-at)/4)
}

// style is the white space that an item at a place gets: before it, and between its key and its value.
func (c *container) style(at int) (lead, colon []byte) {
	colon = []byte{':'}
	if len(c.items) == 0 {
		return nil, colon
	}
	beside := min(at, len(c.items)-1)
	if at > 0 && beside == 0 { // there is but one
		lead = c.items[0].lead()
	} else {
		lead = c.items[beside].lead()
	}
	if c.kind == fhir.Object {
		own := c.items[beside].own()
		colon = own[keyEnd(own):]
	}
	return lead, colon
}

func makeHead(comma bool, lead []byte, key string, colon []byte, named bool) []byte {
	head := make([]byte, 0, len(lead)+len(key)+len(colon)+3)
	if comma {
		head = append(head, ',')
	}
	head = append(head, lead...)
	if named {
		head = append(fhir.AppendString(head, key), colon...)
	}
	return head
}

// remove takes an item away.
func (t *tree) remove(c *container, at int) *events.Error {
	if at == 0 && len(c.items) > 1 {
		c.items[1].head = slices.Concat(c.items[0].lead(), c.items[1].own())
	}
	c.items = slices.Delete(c.items, at, at+1)
	return t.costs(1 + (len(c.items)-at)/4)
}

// move brings an item of an array to another place. White space stays where it is.
func (t *tree) move(c *container, from, to int) *events.Error {
	step := 1
	if to < from {
		step = -1
	}
	moved := c.items[from].value
	for i := from; i != to; i += step {
		c.items[i].value = c.items[i+step].value
	}
	c.items[to].value = moved
	return t.costs(1 + (to-from)*step)
}

// rename gives a member another key.
func (c *container) rename(at int, key string) {
	one := &c.items[at]
	own := one.own()
	head := slices.Clone(one.head[:len(one.head)-len(own)])
	one.head = append(fhir.AppendString(head, key), own[keyEnd(own):]...)
	one.key = key
}

// lead is the white space before an item, behind the comma.
func (i *item) lead() []byte {
	start := 0
	if comma := bytes.IndexByte(i.head, ','); comma >= 0 && len(bytes.TrimLeft(i.head[:comma], " \t\r\n")) == 0 {
		start = comma + 1
	}
	rest := i.head[start:]
	return rest[:len(rest)-len(bytes.TrimLeft(rest, " \t\r\n"))]
}

// own is the part of an item's head that stands behind the white space: its key and the colon.
func (i *item) own() []byte { return bytes.TrimLeft(i.head, " \t\r\n,") }

// keyEnd is where a key ends that a text begins with.
func keyEnd(text []byte) int {
	for i := 1; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(text)
}

// size is how many bytes a value has that stands below depth others. Kind TooLarge, and Unprocessable when it is too
// deep.
func (t *tree) size(v *value, depth int) (int, *events.Error) {
	if v.in == nil {
		start, end := v.node.Span()
		return end - start, nil
	}
	if depth == fhir.MaxDepth {
		return 0, tooDeep()
	}
	if err := t.costs(len(v.in.items)); err != nil {
		return 0, err
	}
	n := 2 + len(v.in.tail)
	for i := range v.in.items {
		inner, err := t.size(&v.in.items[i].value, depth+1)
		if err != nil {
			return 0, err
		}
		if n += len(v.in.items[i].head) + inner; n > MaxBytes {
			return 0, tooLarge()
		}
	}
	return n, nil
}

// append writes a value.
func (v *value) append(dst []byte) []byte {
	if v.in == nil {
		return append(dst, v.node.Raw()...)
	}
	brackets := "[]"
	if v.in.kind == fhir.Object {
		brackets = "{}"
	}
	dst = append(dst, brackets[0])
	for i := range v.in.items {
		dst = append(dst, v.in.items[i].head...)
		dst = v.in.items[i].value.append(dst)
	}
	return append(append(dst, v.in.tail...), brackets[1])
}

// take makes a copy of a value, which changes apart from it.
func (t *tree) take(v *value) (value, *events.Error) {
	n, err := t.size(v, 0)
	if err != nil {
		return value{}, err
	}
	if t.taken += n; t.taken > maxTaken {
		return value{}, events.Errorf(events.TooLarge, opPatch, "the patch copies more than %d bytes, which is the most",
			maxTaken)
	}
	if v.in == nil {
		return *v, nil
	}
	doc, bad := fhir.Parse(v.append(make([]byte, 0, n)))
	if bad != nil {
		return value{}, tooDeep()
	}
	return value{node: doc.Root()}, nil
}

// bytes writes the document. What stood around it stays there.
func (t *tree) bytes(before []byte) ([]byte, *events.Error) {
	n, err := t.size(&t.root, 0)
	if err != nil {
		return nil, err
	}
	left := before[:len(before)-len(bytes.TrimLeft(before, " \t\r\n"))]
	right := before[len(bytes.TrimRight(before, " \t\r\n")):]
	if len(left)+n+len(right) > MaxBytes {
		return nil, tooLarge()
	}
	after := append(make([]byte, 0, len(left)+n+len(right)), left...)
	return append(t.root.append(after), right...), nil
}

func tooLarge() *events.Error {
	return events.Errorf(events.TooLarge, opPatch, "the patch makes more than %d bytes of the document, which is the "+
		"most", MaxBytes)
}

func tooDeep() *events.Error {
	return events.Errorf(events.Unprocessable, opPatch, "the patch makes more than %d levels of arrays and objects, "+
		"which is the most", fhir.MaxDepth)
}
