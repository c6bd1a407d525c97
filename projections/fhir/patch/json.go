package patch

import (
	"strconv"
	"strings"

	"binnacle/events"
	"binnacle/events/fhir"
)

// apply does the operations of a JSON Patch in their order.
func (t *tree) apply(steps []step) error {
	for i := range steps {
		s := &steps[i]
		if err := t.do(s); err != nil {
			err.Text = "operation " + strconv.Itoa(s.index) + " of the JSON Patch (" + s.op + " " + said(s.path.text) +
				"): " + err.Text
			return err
		}
	}
	return nil
}

func (t *tree) do(s *step) *events.Error {
	switch s.op {
	case "add":
		return t.add(s.path, value{node: s.value})
	case "remove":
		_, err := t.drop(s.path)
		return err
	case "replace":
		at, err := t.at(s.path)
		if err == nil {
			*at = value{node: s.value}
		}
		return err
	case "test":
		at, err := t.at(s.path)
		if err != nil {
			return err
		}
		same, err := t.equal(at, s.value)
		if err == nil && !same {
			err = impossible("the value there is another one than the test wants")
		}
		return err
	}
	from, err := t.at(s.from)
	if err != nil {
		return err
	}
	if s.op == "copy" {
		taken, err := t.take(from)
		if err != nil {
			return err
		}
		return t.add(s.path, taken)
	}
	if len(s.from.tokens) == len(s.path.tokens) && s.from.same(s.path, len(s.path.tokens)) {
		return nil
	}
	moved, err := t.drop(s.from)
	if err != nil {
		return err
	}
	return t.add(s.path, moved)
}

// at returns the value that a pointer leads to.
func (t *tree) at(p pointer) (*value, *events.Error) { return t.walk(p, len(p.tokens)) }

// walk goes the first n steps of a pointer.
func (t *tree) walk(p pointer, n int) (*value, *events.Error) {
	v := &t.root
	for i, token := range p.tokens[:n] {
		c, at, err := t.place(v, p, i, token, false)
		if err != nil {
			return nil, err
		}
		v = &c.items[at].value
	}
	return v, nil
}

// place finds what a token means in a value, the one with the number i of a pointer. fresh: it may be that of an item
// or member that is not there; at is then -1 for a member.
func (t *tree) place(v *value, p pointer, i int, token string, fresh bool) (c *container, at int, err *events.Error) {
	if c, err = t.into(v); err != nil {
		return nil, 0, err
	}
	if c == nil {
		return nil, 0, impossible("%s is %s, in which nothing is", p.upTo(i), v.kind())
	}
	if c.kind == fhir.Object {
		if at, err = t.find(c, token); err == nil && at < 0 && !fresh {
			err = impossible("there is nothing at %s", p.upTo(i+1))
		}
		return c, at, err
	}
	last := len(c.items) - 1
	if fresh {
		last++
		if token == "-" {
			return c, last, nil
		}
	}
	if at, err = arrayIndex(token); err != nil {
		return nil, 0, err
	}
	if at > last {
		return nil, 0, impossible("there is nothing at %s: the array has %d items", p.upTo(i+1), len(c.items))
	}
	return c, at, t.costs(1)
}

// arrayIndex reads a token as the index of an array (RFC 6901, section 4).
func arrayIndex(token string) (int, *events.Error) {
	if token == "" || strings.Trim(token, "0123456789") != "" || token[0] == '0' && len(token) > 1 {
		return 0, impossible("%.60q is no index of an array: it is a number from 0 on, without zeros before it, or - "+
			"behind the last item of an array to which something is added", token)
	}
	if len(token) > len("1000000000") {
		return maxOpen, nil // more than any array has
	}
	at, _ := strconv.Atoi(token) // digits alone
	return at, nil
}

// add puts a value where a pointer leads (RFC 6902, section 4.1).
func (t *tree) add(p pointer, v value) *events.Error {
	if len(p.tokens) == 0 {
		t.root = v
		return nil
	}
	last := len(p.tokens) - 1
	parent, err := t.walk(p, last)
	if err != nil {
		return err
	}
	c, at, err := t.place(parent, p, last, p.tokens[last], true)
	switch {
	case err != nil:
		return err
	case c.kind == fhir.Array:
		return t.insert(c, at, "", v)
	case at >= 0:
		c.items[at].value = v
		return nil
	}
	return t.insert(c, len(c.items), p.tokens[last], v)
}

// drop takes away what a pointer leads to, and returns it.
func (t *tree) drop(p pointer) (value, *events.Error) {
	if len(p.tokens) == 0 {
		return value{}, impossible("the whole document can't be removed; DELETE does that")
	}
	last := len(p.tokens) - 1
	parent, err := t.walk(p, last)
	if err != nil {
		return value{}, err
	}
	c, at, err := t.place(parent, p, last, p.tokens[last], false)
	if err != nil {
		return value{}, err
	}
	dropped := c.items[at].value
	return dropped, t.remove(c, at)
}

// prune takes away what has become empty. In the arrays of the twins of primitives null keeps the place.
func (t *tree) prune(v *value, key string, depth int) *events.Error {
	if v.in == nil {
		return nil
	}
	if depth == fhir.MaxDepth {
		return tooDeep()
	}
	twin := v.in.kind == fhir.Array && strings.HasPrefix(key, fhir.TwinMember)
	if err := t.costs(len(v.in.items)); err != nil {
		return err
	}
	for i := len(v.in.items) - 1; i >= 0; i-- {
		one := &v.in.items[i]
		if err := t.prune(&one.value, one.key, depth+1); err != nil {
			return err
		}
		switch {
		case one.in == nil || len(one.in.items) > 0 || !one.in.held:
		case twin:
			one.value = value{node: null}
		default:
			if err := t.remove(v.in, i); err != nil {
				return err
			}
		}
	}
	return nil
}

// null is the value null.
var null = constant(`null`)

func constant(text string) fhir.Node {
	doc, err := fhir.Parse([]byte(text))
	if err != nil {
		panic(err)
	}
	return doc.Root()
}
