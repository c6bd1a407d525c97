package literal

import (
	"strings"

	"binnacle/events/fhir"
)

// reference is what the text of a literal reference shows.
type reference struct {
	Type, ID string // the target's, when the text ends with Type/id (and may be with a version)
	Version  string // of "/_history/version"
	Fragment string // of "#fragment" behind a relative one, which leads to a part of the target
	Relative bool   // nothing stands before Type/id
}

// ParseReference reads the forms of Reference.reference (FHIR R4, section 2.3.0.1): relative and absolute URLs, with or
// without a version. A conditional reference ("Patient?identifier=…") shows its type alone; anything else shows
// nothing.
func ParseReference(text string) reference {
	if typ, _, conditional := strings.Cut(text, "?"); conditional {
		if isTypeName(typ) {
			return reference{Type: typ}
		}
		return reference{}
	}
	var version, fragment string
	if !strings.Contains(text, ":") {
		text, fragment, _ = strings.Cut(text, "#")
	}
	if before, v, found := strings.Cut(text, "/_history/"); found {
		text, version = before, v
	}
	slash := strings.LastIndexByte(text, '/')
	if slash < 1 || !fhir.IsID(text[slash+1:]) {
		return reference{}
	}
	head, id := text[:slash], text[slash+1:]
	start := strings.LastIndexByte(head, '/') + 1
	if !isTypeName(head[start:]) {
		return reference{}
	}
	return reference{head[start:], id, version, fragment, start == 0}
}

// isTypeName tells whether a text has the form of a resource type: letters, the first one a capital.
func isTypeName(s string) bool {
	if s == "" || s[0] < 'A' || s[0] > 'Z' {
		return false
	}
	for i := range len(s) {
		if c := s[i] | 0x20; c < 'a' || c > 'z' {
			return false
		}
	}
	return true
}
