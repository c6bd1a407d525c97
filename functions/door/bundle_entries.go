package door

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"binnacle/events"
	"binnacle/events/fhir"
	"binnacle/events/fhir/rest"
	"binnacle/functions"
)

// part is one entry of a batch or transaction on its way.
type part struct {
	*fhir.Entry
	index  int
	url    string         // of the request, relative to the base
	change *events.Change // of a write
	place  int            // of the change in its event
	answer answer
}

// answer is the response to one entry: err, or result, or what the reading door said.
type answer struct {
	err      error
	refused  bool // err tells what was decided
	result   *events.Result
	status   int
	body     []byte    // of a read, or the representation of a write
	etag     string    // of the version that was read
	modified time.Time // of the version that was read
	unshown  error     // why the body of a write is not there
}

// reads tells whether the entry asks and writes nothing.
func (p *part) reads() bool {
	return p.Request.Method == http.MethodGet || p.Request.Method == http.MethodHead
}

// shrink drops the document and all that is a view of it, but for what the answer needs. What is left of writes is the
// same for many of them: left keeps it.
func (p *part) shrink(left map[remains]*events.Change) {
	if !p.reads() { // there may be a hundred thousand of them
		p.url, p.Entry = "", wrote
		change := remains{p.change.Operation, p.change.Cascade}
		if left[change] == nil {
			left[change] = &events.Change{Operation: change.operation, Cascade: change.cascade}
		}
		p.change = left[change]
		return
	}
	p.url = strings.Clone(p.url)
	p.Entry = &fhir.Entry{Request: fhir.Request{Method: strings.Clone(p.Request.Method),
		IfNoneMatch:     strings.Clone(p.Request.IfNoneMatch),
		IfModifiedSince: strings.Clone(p.Request.IfModifiedSince)}}
}

// remains are what the answer to a write needs of its change.
type remains struct {
	operation events.Operation
	cascade   int
}

// wrote is what is left of an entry that writes: it does not read.
var wrote = new(fhir.Entry)

// placeOf is that of a member of the entry, or with "" its own.
func (p *part) placeOf(member string) string {
	place := fmt.Sprintf("Bundle.entry[%d]", p.index)
	if member != "" {
		place += "." + member
	}
	return place
}

// at makes an error point to the entry.
func (p *part) at(err error, member string) error {
	place := p.placeOf(member)
	return rest.Relocate(err, func(expression string) string {
		if strings.HasPrefix(expression, "Bundle.") {
			return expression
		}
		if _, below, found := strings.Cut(expression, "."); found && member == "resource" {
			return place + "." + below // Patient.name becomes Bundle.entry[3].resource.name
		}
		return place
	})
}

// readPart reads what an entry asks for.
func (d *door) readPart(p *part) error {
	if p.Err != nil {
		return p.Err
	}
	below, err := belowBase(p.Request.URL, d.ask.Root)
	if err != nil {
		return p.at(err, "request.url")
	}
	p.url = strings.TrimPrefix(below, "/")
	if !p.reads() {
		return d.readWrite(p)
	}
	if d.reads == nil {
		return p.at(rest.Refused(http.StatusMethodNotAllowed, events.Unsupported, "door.Door",
			"reading entries are not offered here"), "request.method")
	}
	return nil
}

// readWrite reads what a writing entry asks for.
func (d *door) readWrite(p *part) error {
	if p.Request.Method == http.MethodPut && isCriteria(p.url) { // of the type that the resource has
		p.url = p.Resource.Get("resourceType").Text() + "?" + strings.TrimPrefix(p.url, "?")
	}
	path, query, asks := strings.Cut(p.url, "?")
	if strings.Trim(path, "/") == "" {
		return p.at(invalid("%s %.200s names no type; an entry of a bundle is about one", p.Request.Method, p.url),
			"request.url")
	}
	row, at, err := d.table.Find(p.Request.Method, path)
	if refusal := (*rest.Refusal)(nil); errors.As(err, &refusal) && refusal.Allow != "" {
		return p.at(err, "request.method")
	}
	if err != nil {
		return p.at(err, "request.url")
	}
	*p.change = events.Change{Entry: p.index, Type: at.Type, ID: at.ID}
	c := p.change
	switch row.Name {
	case create:
		c.Operation = events.Create
	case update, updateConditional:
		c.Operation = events.Update
	case remove, removeConditional:
		c.Operation = events.Delete
	case patches, patchConditional:
		c.Operation = events.Patch
	default:
		return p.at(invalid("%s %.200s is no interaction that is offered in a bundle", p.Request.Method, p.url),
			"request.url")
	}
	switch {
	case c.Operation == events.Create:
		c.ID = d.NewID()
		if p.Request.IfNoneExist != "" {
			criteria, err := criteriaOf(p.Request.IfNoneExist, c.Type, d.ask.Root)
			if err == nil {
				c.Condition, err = d.condition(c.Type, criteria)
			}
			if err != nil {
				return p.at(err, "request.ifNoneExist")
			}
		}
		err = onlyResultParameters(query, createHint)
	case c.Operation == events.Delete:
		if err := rest.Preconditions(c, p.Request.IfMatch, p.Request.IfNoneMatch); err != nil {
			return p.at(err, "request")
		}
		if err := d.deletion(c, query, asks && query == "" || strings.HasSuffix(path, "/")); err != nil {
			return p.at(err, "request.url")
		}
		return nil
	case c.ID != "":
		if err = fhir.CheckID(c.ID); err == nil {
			err = onlyResultParameters(query, hintWithID(c))
		}
	default:
		c.Condition, err = d.condition(c.Type, query)
	}
	if err != nil {
		return p.at(err, "request.url")
	}
	if c.Operation != events.Create {
		if err := rest.Preconditions(c, p.Request.IfMatch, ""); err != nil {
			return p.at(err, "request.ifMatch")
		}
		if err := rest.Preconditions(c, "", p.Request.IfNoneMatch); err != nil {
			return p.at(err, "request.ifNoneMatch")
		}
	}
	if !p.Resource.Exists() {
		return p.at(invalid("the entry has no resource"), "resource")
	}
	resource, err := fhir.ResourceOf(p.Resource)
	if err == nil && c.Operation != events.Patch {
		err = checkIdentity(c, resource, d.NewID)
	}
	if err != nil {
		return p.at(err, "resource")
	}
	return nil
}

// isCriteria tells whether a URL is a search without a type.
func isCriteria(text string) bool {
	stop := strings.IndexAny(text, "?/=")
	return stop == 0 && text[0] == '?' || stop > 0 && text[stop] == '='
}

// contents checks the documents of writing parts and makes them the contents of their changes, on all cores.
func (d *door) contents(ctx context.Context, l *linker, parts []*part) error {
	return functions.Parallel(ctx, len(parts), func(n int) error {
		p := parts[n]
		if p.answer.err != nil || p.reads() || p.change.Operation == events.Delete {
			return nil //nolint:nilerr // its answer tells
		}
		if p.change.Operation == events.Patch {
			p.answer.err = d.patchEntry(l, p)
			return nil
		}
		err := d.check(p.change.Type, p.Resource)
		if err == nil {
			err = l.link(p.change, p.Resource, d.source, p.FullURL)
		}
		if err != nil {
			p.answer.err = p.at(err, "resource")
		}
		return nil
	})
}

// rank is the turn of an operation in a bundle (FHIR R4, http.html#trules): DELETE, POST, PUT and PATCH.
func rank(o events.Operation) int {
	switch o {
	case events.Delete:
		return 0
	case events.Create:
		return 1
	}
	return 2
}

// order is the order in which a transaction is processed; see rank. Reads come last, after the event.
func order(parts []*part) []*part {
	writes := make([]*part, 0, len(parts))
	for _, p := range parts {
		if !p.reads() {
			writes = append(writes, p)
		}
	}
	slices.SortStableFunc(writes, func(a, b *part) int { return rank(a.change.Operation) - rank(b.change.Operation) })
	for n, p := range writes {
		p.place = n
	}
	return writes
}

// targets maps the keys of the fullUrls of a transaction's entries to what they will be, and holds that no resource
// stands in it twice.
func targets(writes []*part) (map[string]target, error) {
	full := make(map[string]target, len(writes))
	resources := make(map[string]*part, len(writes))
	for _, p := range writes {
		if p.change.Condition == "" && p.change.ID != "" {
			name := p.change.Type + "/" + p.change.ID
			if first := resources[name]; first != nil {
				return nil, p.at(invalid("%s is changed by entry %d too; a resource may stand in a transaction once",
					name, first.index), "request.url")
			}
			resources[name] = p
		}
		if p.FullURL == "" || p.change.Operation == events.Delete {
			continue
		}
		t := target{change: p.place, version: p.Resource.Get("meta").Get("versionId").Text()}
		if p.change.Condition == "" {
			t.text, t.first = p.change.Type+"/"+p.change.ID, p.change.Operation == events.Create
		}
		full[fhir.URIKey(p.FullURL)] = t
	}
	return full, nil
}

// turns puts the writes of a batch into the order that bundles have; see rank. Those of one turn are made at once, but
// for those of one resource, which follow each other as they stand in the bundle.
func turns(parts []*part) (turns [][][]*part) {
	of := -1
	chains := map[string]int{}
	for _, p := range order(parts) {
		if p.answer.err != nil {
			continue
		}
		if turn := rank(p.change.Operation); turn != of {
			turns, of = append(turns, nil), turn
			clear(chains)
		}
		turn := &turns[len(turns)-1]
		name := p.change.Type + "/" + p.change.ID
		at, again := chains[name]
		if p.change.Condition == "" && again {
			(*turn)[at] = append((*turn)[at], p)
			continue
		}
		if p.change.Condition == "" {
			chains[name] = len(*turn)
		}
		*turn = append(*turn, []*part{p})
	}
	return turns
}

// changeAt is the change of a transaction at a place in its event; none is that of the Provenance in the header.
func changeAt(writes []*part, place int) events.Change {
	if place >= len(writes) {
		return events.Change{}
	}
	return *writes[place].change
}
