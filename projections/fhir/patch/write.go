package patch

import (
	"strings"

	"binnacle/events"
	"binnacle/events/fhir"
	"binnacle/projections/catalog/r4"
)

// put makes a new element in an object: at a place of a list, or where nothing is.
func (f *finder) put(of *element, object *container, to r4.Step, at int, c *content) *events.Error {
	made := &element{up: of, in: object, key: to.Key, at: at, to: to.To, name: to.Element}
	if !to.Many {
		made.at = -1
		if err := f.write(object, to.Key, to.Key, c); err != nil {
			return err
		}
		return f.fill(made, c)
	}
	n, err := f.count(object, to.Key)
	if err != nil {
		return err
	}
	if err := f.insertItem(object, to.Key, at, n, c.main()); err != nil {
		return err
	}
	if err := f.insertItem(object, fhir.TwinMember+to.Key, at, n, value{node: c.twin}); err != nil {
		return err
	}
	return f.fill(made, c)
}

// main is the JSON of a content. What is made of parts is an object, which fill fills.
func (c *content) main() value {
	if c.parts != nil {
		return value{in: &container{kind: fhir.Object}}
	}
	return value{node: c.value}
}

// fill adds the parts of a value that was just written.
func (f *finder) fill(made *element, c *content) *events.Error {
	for i := range c.parts {
		if err := f.addTo(made, c.parts[i].name, &c.parts[i].content); err != nil {
			return err
		}
	}
	return nil
}

// write puts a content and its twin into an object under a key, in place of what stands under another one.
func (f *finder) write(object *container, old, key string, c *content) *events.Error {
	if err := f.set(object, old, key, c.main()); err != nil {
		return err
	}
	return f.set(object, fhir.TwinMember+old, fhir.TwinMember+key, value{node: c.twin})
}

// set gives a member of an object a value, and the key, in place of what stands under another one. Without a value it
// takes that away.
func (f *finder) set(object *container, old, key string, v value) *events.Error {
	at, err := f.find(object, old)
	switch {
	case err != nil:
		return err
	case at >= 0 && !v.exists():
		return f.tree.remove(object, at)
	case at >= 0:
		if old != key {
			object.rename(at, key)
		}
		object.items[at].value = v
	case v.exists():
		_, err = f.member(object, key, v)
	}
	return err
}

// member adds a member to an object, and returns its place: a twin behind what it belongs to, anything else at the end.
func (f *finder) member(object *container, key string, v value) (int, *events.Error) {
	at := len(object.items)
	if bare, twin := strings.CutPrefix(key, fhir.TwinMember); twin {
		beside, err := f.find(object, bare)
		if err != nil {
			return 0, err
		}
		if beside >= 0 {
			at = beside + 1
		}
	}
	return at, f.tree.insert(object, at, key, v)
}

// listAt is the array under a key; nil when there is none. make: it gets one.
func (f *finder) listAt(object *container, key string, make bool) (*container, *events.Error) {
	at, err := f.find(object, key)
	if err == nil && at < 0 && make {
		at, err = f.member(object, key, value{in: &container{kind: fhir.Array}})
	}
	if err != nil || at < 0 {
		return nil, err
	}
	list, err := f.into(&object.items[at].value)
	if err == nil && (list == nil || list.kind != fhir.Array) {
		err = impossible("%s is no array in the document", key)
	}
	return list, err
}

// pad gives a list n items at the least; null keeps their places.
func (f *finder) pad(list *container, n int) *events.Error {
	for len(list.items) < n {
		if err := f.tree.insert(list, len(list.items), "", value{node: null}); err != nil {
			return err
		}
	}
	return nil
}

// insertItem puts an item into the list under a key, of an element with n items. Without a value null keeps the place,
// if there is a list.
func (f *finder) insertItem(object *container, key string, at, n int, v value) *events.Error {
	list, err := f.listAt(object, key, v.exists())
	if err != nil || list == nil {
		return err
	}
	if err := f.pad(list, n); err != nil {
		return err
	}
	if !v.exists() {
		v = value{node: null}
	}
	return f.tree.insert(list, at, "", v)
}

// each does something with the array of a key and with that of its twins, as far as there are any. Before, both get as
// many items as the longer one has, n.
func (f *finder) each(object *container, key string, n int, do func(list *container) *events.Error) *events.Error {
	for _, k := range [...]string{key, fhir.TwinMember + key} {
		list, err := f.listAt(object, k, false)
		if err != nil {
			return err
		}
		if list == nil {
			continue
		}
		if err := f.pad(list, n); err != nil {
			return err
		}
		if err := do(list); err != nil {
			return err
		}
	}
	return nil
}

// replace gives an element another content. Another type of a choice gives it another key.
func (f *finder) replace(e *element, c *content) *events.Error {
	if base, choice := strings.CutSuffix(e.name, "[x]"); choice {
		steps := f.model.Steps(f.placeOf(e.up), base[strings.LastIndexByte(base, '.')+1:])
		to, err := stepFor(f.model, steps, c)
		if err != nil {
			return err
		}
		if err := f.write(e.in, e.key, to.Key, c); err != nil {
			return err
		}
		return f.fill(&element{up: e.up, in: e.in, key: to.Key, at: -1, to: to.To, name: e.name}, c)
	}
	if !fits(f.model, e.to.Datatype, c) {
		return impossible("%s is of the type %s, and the value is %s", e.name, e.to.Datatype, c.describe())
	}
	if e.at < 0 {
		if err := f.write(e.in, e.key, e.key, c); err != nil {
			return err
		}
		return f.fill(e, c)
	}
	n, err := f.count(e.in, e.key)
	if err != nil {
		return err
	}
	for _, one := range [...]struct {
		key string
		value
	}{{e.key, c.main()}, {fhir.TwinMember + e.key, value{node: c.twin}}} {
		list, err := f.listAt(e.in, one.key, one.exists())
		if err != nil {
			return err
		}
		if list == nil {
			continue
		}
		if err := f.pad(list, n); err != nil {
			return err
		}
		if list.items[e.at].value = one.value; !one.exists() {
			list.items[e.at].value = value{node: null}
		}
	}
	if err := f.tidyList(e.in, e.key); err != nil {
		return err
	}
	return f.fill(e, c)
}

// delete takes an element away, and what is empty without it.
func (f *finder) delete(e *element) *events.Error {
	if e.at < 0 {
		if err := f.write(e.in, e.key, e.key, &content{}); err != nil {
			return err
		}
		return f.tidy(e.up)
	}
	n, err := f.count(e.in, e.key)
	if err != nil {
		return err
	}
	remove := func(list *container) *events.Error { return f.tree.remove(list, e.at) }
	if err := f.each(e.in, e.key, n, remove); err != nil {
		return err
	}
	if err := f.tidyList(e.in, e.key); err != nil {
		return err
	}
	return f.tidy(e.up)
}

// tidyList takes a list away that has no item left, and one of twins that holds nothing but null. FHIR R4 has no empty
// arrays (json.html).
func (f *finder) tidyList(object *container, key string) *events.Error {
	twins, err := f.listAt(object, fhir.TwinMember+key, false)
	if err != nil {
		return err
	}
	if twins != nil && onlyNull(twins) {
		if err := f.set(object, fhir.TwinMember+key, key, value{}); err != nil {
			return err
		}
		twins = nil
	}
	values, err := f.listAt(object, key, false)
	if err == nil && values != nil && (len(values.items) == 0 || twins == nil && onlyNull(values)) {
		err = f.set(object, key, key, value{})
	}
	return err
}

func onlyNull(list *container) bool {
	for i := range list.items {
		if list.items[i].kind() != fhir.Null {
			return false
		}
	}
	return true
}

// tidy takes an element away when nothing is left in it. A primitive stays as long as it has a value.
func (f *finder) tidy(e *element) *events.Error {
	object, err := f.object(e, false)
	if err != nil || object == nil || len(object.items) > 0 || e.up == nil {
		return err
	}
	if !r4.IsPrimitive(e.to.Datatype) || f.valueOf(e) == nil {
		return f.delete(e)
	}
	if e.at < 0 {
		return f.set(e.in, fhir.TwinMember+e.key, "", value{})
	}
	twin, err := f.slot(e, fhir.TwinMember+e.key)
	if err != nil || twin == nil {
		return err
	}
	*twin = value{node: null}
	return f.tidyList(e.in, e.key)
}

// makeObject gives an element the object that its elements stand in, under the key of the element or of its twin.
func (f *finder) makeObject(e *element, key string) (*container, *events.Error) {
	if key == e.key {
		return nil, impossible("%s is no object in the document", e.text(f.typ))
	}
	object := &container{kind: fhir.Object}
	if e.at < 0 {
		return object, f.set(e.in, key, key, value{in: object})
	}
	list, err := f.listAt(e.in, key, true)
	if err != nil {
		return nil, err
	}
	n, err := f.count(e.in, e.key)
	if err != nil {
		return nil, err
	}
	if err := f.pad(list, max(n, e.at+1)); err != nil {
		return nil, err
	}
	list.items[e.at].value = value{in: object}
	return object, nil
}
