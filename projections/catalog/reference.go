package catalog

import (
	"strings"

	"binnacle/events/fhir"
	"binnacle/projections"
)

// reference is what the text of a literal reference shows.
type reference struct {
	typ, id  string // the target's, when the text ends with Type/id (and may be with a version)
	version  string // of "/_history/version"
	fragment string // of "#fragment" behind a relative one, which leads to a part of the target
	relative bool   // nothing stands before Type/id
}

// parseReference reads the forms of Reference.reference (FHIR R4, section 2.3.0.1): relative and absolute URLs, with or without a version.
// A conditional reference ("Patient?identifier=…") shows its type alone; anything else shows nothing.
func parseReference(text string) reference {
	if typ, _, conditional := strings.Cut(text, "?"); conditional {
		if isTypeName(typ) {
			return reference{typ: typ}
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
	if slash < 1 || !isID(text[slash+1:]) {
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

// isID tells whether a text is an id: [A-Za-z0-9\-\.]{1,64} (FHIR R4, section 2.24.0.1).
func isID(s string) bool {
	if s == "" || len(s) > 64 {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if (c|0x20 < 'a' || c|0x20 > 'z') && (c < '0' || c > '9') && c != '-' && c != '.' {
			return false
		}
	}
	return true
}

// reference makes the term of a literal reference. One to what is contained is none: it leads nowhere outside, and chains alone follow it.
func (w *walk) reference(o *output, text string) {
	if text == "" || text[0] == '#' {
		return
	}
	t := projections.Term{Param: o.param, Kind: projections.Reference, Code: text}
	if r := parseReference(text); r.relative && r.id != "" {
		t.System, t.Code = r.typ, r.id
	} else if !r.relative && r.version != "" {
		t.Code, _, _ = strings.Cut(text, "/_history/")
	}
	w.add(t)
}

// readReference makes a term of the literal reference, and one of the identifier.
func readReference(w *walk, o *output, v fhir.Node) {
	text := w.text(v, "reference")
	if id, inside := strings.CutPrefix(text, "#"); inside && id != "" && o.param != "" {
		w.links = append(w.links, link{o.param, id})
	}
	w.reference(o, text)
	identifier := w.object(v, "identifier")
	if system, value := w.text(identifier, "system"), w.text(identifier, "value"); system != "" || value != "" {
		w.add(projections.Term{Param: o.param, Kind: projections.Reference, Identifier: true, System: system, Code: value})
	}
}

// readCanonical makes a term of a canonical: the URL and, as its System, the version.
func readCanonical(w *walk, o *output, v fhir.Node) {
	text := v.Text()
	if url, version, found := strings.Cut(text, "|"); found && url != "" {
		w.add(projections.Term{Param: o.param, Kind: projections.Reference, Code: url, System: version})
		return
	}
	w.reference(o, text)
}

// readResource makes a term of a resource that stands inside a Bundle, as a reference to it would.
func readResource(w *walk, o *output, v fhir.Node) {
	if typ, id := w.text(v, "resourceType"), w.text(v, "id"); typ != "" && id != "" {
		w.add(projections.Term{Param: o.param, Kind: projections.Reference, System: typ, Code: id})
	}
}
