package projections

import "binnacle/events"

// Dialect says what the contents of its types mean: all that the core asks before a change can be decided, and a
// version be found. The core is the projector, a rebuild, heal and verify. It knows envelope, order, versions, blobs
// and generations, and no content.
//
// What a dialect answers is a function of what it is asked, of its definitions and of nothing else: no clock, no
// other content, no memory of earlier calls. So every node decides alike, and a rebuild makes the same rows. It keeps
// and changes no bytes that it is given, unless a method says so. Methods are safe for concurrent use. After an error
// nothing is kept, and the same call gives it again. Its text is for people; where a kind is named it is an
// *events.Error. A panic is taken for an error of the record that was asked about.
type Dialect interface {
	Patcher

	// Prepare reads a change and holds it against the rules of the dialect: its type, its id, its content, what the
	// content says of both. The door has held all of this before; what fails here came past the door, or from another
	// program, and goes to quarantine with the error's text. Of a delete it checks type and id, and there is no
	// Content. Of a patch it checks also that the patch document is one, and there is no Content either. The texts in
	// Prepared may be views of the change's bytes.
	Prepare(change *events.Change) (Prepared, error)

	// Resolve returns the content of a change with its links replaced by what they lead to, "Type/id", one for each
	// in their order. It is called for changes with links alone. The bytes are new: they are hashed, stored and
	// answered as they are. Kind Invalid: the links don't fit the content.
	Resolve(change *events.Change, targets []string) ([]byte, error)

	// Same tells whether a content says what the one before it said, so that an update makes no version. Equal bytes
	// are not asked about. A nil content is one that is lost, and the same as none.
	Same(before, after []byte) bool

	// Read reads a content as it is stored, which was prepared once: perhaps by an earlier version of the program,
	// which had other rules.
	Read(content []byte) (Content, error)

	// Condition reads the condition of a change or a link. Kind Invalid: it can't be read, or the dialect has none.
	// Kind TooCostly: it is read, and the query is returned, but no index can go to what it asks for: nothing may be
	// decided on it. Clauses are shared and stay as they are.
	Condition(tenant, typ, text string) (Query, error)

	// Referrers are the reference parameters by which resources may refer to one of a type, always the same ones in
	// the same order. What they find may not be deleted, unless the event allows it. None: whatever is deleted,
	// nobody is asked.
	Referrers(typ string) []Referrer
}

// Patcher makes contents of patches.
type Patcher interface {
	// Patch applies a patch document, with its links replaced, to the version that is current when the change is
	// decided, whose stored content is given. The bytes are new. They are a content that Prepare takes as an update of
	// the same resource, and what the patch does not touch stays as it is. Kind Invalid: it is no patch document.
	// Kind Unprocessable: it doesn't fit the content, or what it makes breaks a rule. Kinds TooLarge and TooCostly:
	// that is too large, or too much work. The Expression of an error is a place in the patch document.
	Patch(patch []byte, before Version, content []byte) ([]byte, error)
}

// Prepared is a change that a dialect has read.
type Prepared struct {
	ID      string  // that the content gives itself; "": none, or it does not count
	Exact   bool    // nothing but equal bytes says the same: nobody looks at the content before, and Same is not asked
	Content Content // nil: the change has none
}

// Mention is what a content says of another resource.
type Mention struct {
	Key            // empty for a link: what it leads to is known when the event is decided
	Link    int    // the place among the change's links of one that names a version; -1: a reference in plain words
	Version string // the version that must be there; "": whichever is current
	Place   int    // where it stands, for Content.Path
}

// Content is a content that a dialect has read. It is used by one goroutine at a time.
type Content interface {
	// Mentions are the other resources that the content says it refers to, of a tenant, apart from what links stand
	// for, unless a link names a version. Unless the event allows otherwise, they must be there.
	Mentions(tenant string, links []events.Link) []Mention

	// Extract makes the terms. Texts may be views of the content. Where there are links that are not resolved, their
	// terms are not right.
	Extract() (Extracted, error)

	// Path names a place in the content for people, in the terms of the dialect.
	Path(place int) string

	// LinkPath names the place of a link in the content, which Prepare was given with it; "": none is there.
	LinkPath(link events.Link) string

	// Sketch is a number that is the same for contents of which Same says so, whether they were prepared or read; or 0,
	// which tells nothing. An update whose sketch is not that of the content before is a change, and nobody looks at
	// that content. It is kept in memory alone. Not asked for where Prepared says Exact.
	Sketch() uint64

	// Release gives memory back. Nothing may be asked of the content afterwards; what was extracted stays good.
	Release()
}

// Extracted is what the index needs of one content.
type Extracted struct {
	Terms    []Term // in the order of the content; the same one may come twice. Texts share the content's bytes
	MainDate int64  // the content's main date, microseconds since 1970; MinTime: none, or open
}

// Registered is a dialect as a program knows it: beside what the functions ask, its name, its types, and the identity
// of what it searches by.
type Registered interface {
	Dialect

	// Name is what events say, and people read: events.FHIR, or another one within the rules of the written form.
	Name() string

	// Types are all that belong to the dialect, and to no other one. They are part of every key, so none is ever
	// given to another dialect.
	Types() []string

	// Digest changes whenever the same content may give other terms: with the definitions, and with the code that
	// extracts. "": the dialect has no terms, and nothing of it ever asks for a rebuild.
	Digest() string

	// Definitions writes down what the terms depend on, for Restore. It is kept with each generation. Not called
	// without a Digest.
	Definitions() ([]byte, error)

	// Restore makes the dialect that Definitions was called on. Its digest is the same, unless another version of the
	// program, which extracts differently, wrote them. Kind Invalid: the bytes are no such definitions.
	Restore(definitions []byte) (Registered, error)
}
