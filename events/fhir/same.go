package fhir

import "bytes"

// Same tells whether two contents say the same: token by token they are equal, but for white space and for what the
// server says itself, which is id, meta.versionId and meta.lastUpdated, wherever they stand. A meta without anything
// else says nothing. So a client that reads a version and puts it back changes nothing. Everything else counts as it
// is written: the order of keys, the digits of a number, escapes. Both must have been parsed once; what is no
// resource is the same as nothing but equal bytes.
func Same(a, b []byte) bool {
	if bytes.Equal(a, b) {
		return true
	}
	if _, err := findPlaces(a); err != nil {
		return false
	}
	if _, err := findPlaces(b); err != nil {
		return false
	}
	return sameMembers(saidOf(a, 0, "id"), saidOf(b, 0, "id"))
}

// said goes through the members of an object that the client says, and not the server.
type said struct {
	members
	root   bool
	server []string // keys of what the server says
}

func saidOf(data []byte, at int, server ...string) said {
	return said{members: objectAt(data, skipSpace(data, at)), root: server[0] == "id", server: server}
}

// meta returns what is said in the value at hand.
func (s *said) meta() said { return saidOf(s.data[:s.end], s.start, "versionId", "lastUpdated") }

// atMeta tells whether the member at hand is the resource's meta, as an object.
func (s *said) atMeta() bool { return s.root && s.is("meta") && s.data[s.start] == '{' }

// next goes to the next member that says something.
func (s *said) next() bool {
	for s.members.next() {
		if !s.silent() {
			return true
		}
	}
	return false
}

// silent tells whether the member at hand says nothing of the client's.
func (s *said) silent() bool {
	for _, key := range s.server {
		if s.is(key) {
			return true
		}
	}
	if s.atMeta() {
		meta := s.meta()
		return !meta.next() && !meta.bad
	}
	return s.root && s.is("meta") && string(s.data[s.start:s.end]) == "null"
}

func sameMembers(a, b said) bool {
	for a.next() {
		if !b.next() || !bytes.Equal(a.key, b.key) {
			return false
		}
		if a.atMeta() && b.atMeta() {
			if !sameMembers(a.meta(), b.meta()) {
				return false
			}
		} else if !sameTokens(a.data[a.start:a.end], b.data[b.start:b.end]) {
			return false
		}
	}
	return !b.next() && a.ended() && b.ended()
}

// ended tells whether nothing but white space follows the last member and its brace.
func (s *said) ended() bool {
	return !s.bad && skipSpace(s.data, skipSpace(s.data, s.at)+1) == len(s.data)
}

// sameTokens compares two values without the white space between their tokens.
func sameTokens(a, b []byte) bool {
	if bytes.Equal(a, b) {
		return true
	}
	for i, j := 0, 0; ; {
		i, j = skipSpace(a, i), skipSpace(b, j)
		if i == len(a) || j == len(b) {
			return i == len(a) && j == len(b)
		}
		if a[i] != b[j] {
			return false
		}
		if a[i] != '"' {
			i, j = i+1, j+1
			continue
		}
		endA, endB := skipString(a, i+1), skipString(b, j+1)
		if endA < 0 || endB < 0 || !bytes.Equal(a[i:endA], b[j:endB]) {
			return false
		}
		i, j = endA, endB
	}
}
