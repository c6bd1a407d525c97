package form

import (
	"strconv"
	"strings"
)

// begin reads a start tag.
func (s *scanner) begin() *failure {
	s.start = s.at
	s.at++
	s.began = true
	name, f := s.readName()
	if f != nil {
		return f
	}
	if len(s.opened) == maxDepth {
		return wrong(s.start, "more than ", strconv.Itoa(maxDepth), " levels of elements")
	}
	s.opened = append(s.opened, open{name, len(s.bindings)})
	s.name = name
	s.attributes, s.declares = s.attributes[:0], 0
	for {
		before := s.at
		s.skipSpace()
		switch {
		case s.at == len(s.data):
			return wrong(s.at, "the text ends inside of a tag")
		case s.has(">"):
			s.at++
			s.closed = false
			return s.resolve()
		case s.has("/>"):
			s.at += 2
			s.closed, s.ending = true, true
			return s.resolve()
		case s.at == before:
			return wrong(s.at, "white space must stand between attributes")
		}
		at := s.at
		attribute, value, f := s.pair()
		if f != nil {
			return f
		}
		if f = s.attribute(at, attribute, value); f != nil {
			return f
		}
	}
}

// attribute takes an attribute, or a declaration of a namespace.
func (s *scanner) attribute(at int, name string, value span) *failure {
	prefix, local, prefixed := strings.Cut(name, ":")
	switch {
	case name == "xmlns":
		return s.bind(at, "", value)
	case prefix == "xmlns" && prefixed:
		if local == "" || local == "xmlns" || local == "xml" || value.start == value.end {
			return wrong(at, "the namespace of a prefix cannot be declared so")
		}
		return s.bind(at, local, value)
	case !prefixed:
		prefix, local = "", name
	case prefix == "" || local == "" || strings.Contains(local, ":"):
		return wrong(at, "the attribute ", short(name), " has no name of XML")
	}
	if len(s.attributes) == maxAttributes {
		return wrong(at, "more than ", strconv.Itoa(maxAttributes), " attributes of one element")
	}
	s.attributes = append(s.attributes, attribute{name: local, space: prefix, value: value})
	return nil
}

func (s *scanner) bind(at int, prefix string, value span) *failure {
	for _, b := range s.bindings[len(s.bindings)-s.declares:] {
		if b.prefix == prefix {
			return wrong(at, "a namespace is declared twice")
		}
	}
	if len(s.bindings) == maxBindings {
		return wrong(at, "more than ", strconv.Itoa(maxBindings), " declarations of namespaces")
	}
	s.bindings = append(s.bindings, binding{prefix, string(decode(nil, s.data[value.start:value.end]))})
	s.declares++
	return nil
}

// resolve finds the namespaces of the names in a start tag.
func (s *scanner) resolve() *failure {
	prefix, local, prefixed := strings.Cut(s.name, ":")
	if !prefixed {
		prefix, local = "", s.name
	}
	var bound bool
	if s.space, bound = s.spaceOf(prefix); !bound && prefixed || local == "" || strings.Contains(local, ":") {
		return wrong(s.start, "the prefix of ", short(s.name), " stands for no namespace")
	}
	s.local = local
	for i := range s.attributes {
		a := &s.attributes[i]
		if a.space != "" {
			if a.space, bound = s.spaceOf(a.space); !bound {
				return wrong(a.value.start, "the prefix of the attribute ", short(a.name), " stands for no namespace")
			}
		}
		for _, other := range s.attributes[:i] {
			if other.name == a.name && other.space == a.space {
				return wrong(a.value.start, "the attribute ", short(a.name), " stands twice")
			}
		}
	}
	return nil
}

func (s *scanner) spaceOf(prefix string) (space string, bound bool) {
	if prefix == "xml" {
		return xmlSpace, true
	}
	for i := len(s.bindings) - 1; i >= 0; i-- {
		if s.bindings[i].prefix == prefix {
			return s.bindings[i].space, true
		}
	}
	return "", false
}
