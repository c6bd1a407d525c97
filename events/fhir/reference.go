package fhir

import "strings"

// ReferenceKind tells how a reference names its target.
type ReferenceKind uint8

// The kinds of references (FHIR R4, references.html and http.html#trules).
const (
	OtherReference    ReferenceKind = iota // nothing that this server could follow
	RelativeReference                      // Type/id, with or without /_history/version
	// scheme:…; Type and ID are set when it has a host and ends like a relative one
	AbsoluteReference
	URNReference         // urn:uuid:… or any other URN
	ContainedReference   // #id, or # alone: the resource that contains
	ConditionalReference // Type?query, in transactions
)

// Reference is the parsed form of a reference's text.
type Reference struct {
	Kind     ReferenceKind
	Base     string // of an absolute one with a Type: what stands before it, without the last slash
	Type     string // resource type, checked by its shape
	ID       string // checked as CheckID does
	Version  string // of a versioned one: the id behind /_history/
	Query    string // of a conditional one: what stands behind the question mark
	Fragment string // what stands behind #
}

// ParseReference reads the text of a Reference.reference or of another place that names a resource. Every text has a
// kind; what looks like a reference but breaks its rules (a type in lower case, an id of 65 letters, white space or a
// slash at its end) is an OtherReference.
func ParseReference(value string) Reference {
	if isURN(value) {
		return Reference{Kind: URNReference}
	}
	text, fragment, found := strings.Cut(value, "#")
	if text == "" && found {
		return Reference{Kind: ContainedReference, Fragment: fragment}
	}
	if scheme := strings.IndexByte(text, ':'); scheme > 0 && isScheme(text[:scheme]) {
		r := Reference{Kind: AbsoluteReference, Fragment: fragment}
		if strings.HasPrefix(text[scheme:], "://") {
			r.tail(text, scheme+len("://"))
		}
		return r
	}
	// A query may hold a #: it is no fragment there, because the reference is no URL that anybody would open.
	if name, query, found := strings.Cut(value, "?"); found && isTypeName(name) {
		return Reference{Kind: ConditionalReference, Type: name, Query: query}
	}
	r := Reference{Fragment: fragment}
	if r.tail(text, 0); r.Type == "" || r.Base != "" {
		return Reference{}
	}
	r.Kind = RelativeReference
	return r
}

// tail reads Type/id or Type/id/_history/version from the end of text and sets Base to what is before. The host of a
// URL, which begins at host, is no type.
func (r *Reference) tail(text string, host int) {
	parts := text
	version := ""
	if i := strings.LastIndex(parts, "/_history/"); i >= 0 {
		if version = parts[i+len("/_history/"):]; !IsID(version) {
			return
		}
		parts = parts[:i]
	}
	i := strings.LastIndexByte(parts, '/')
	if i < 0 || !IsID(parts[i+1:]) {
		return
	}
	id := parts[i+1:]
	parts = parts[:i]
	base, name := "", parts
	if i = strings.LastIndexByte(parts, '/'); i >= 0 {
		base, name = parts[:i], parts[i+1:]
		if i <= host {
			return
		}
	}
	if isTypeName(name) {
		r.Base, r.Type, r.ID, r.Version = base, name, id, version
	}
}

// isScheme tells whether s is the scheme of a URL (RFC 3986, section 3.1).
func isScheme(s string) bool {
	for i := range len(s) {
		if c := s[i]; !isLetter(c) && (i == 0 || !isDigit(c) && c != '+' && c != '-' && c != '.') {
			return false
		}
	}
	return s != ""
}
