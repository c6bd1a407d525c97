package projections

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"

	"binnacle/events"
)

// Dialects are those that a program knows. Each type belongs to one of them. They don't change and are safe for
// concurrent use.
type Dialects struct {
	all    []Registered // by name
	named  map[string]Registered
	types  map[string]Registered
	digest string
}

// NewDialects makes Dialects. Kind Conflict: two have the same name, or claim the same type.
func NewDialects(all ...Registered) (*Dialects, error) { return newDialects(all, all) }

// newDialects makes Dialects whose digest is that of some of them.
func newDialects(all, searched []Registered) (*Dialects, error) {
	d := &Dialects{all: slices.Clone(all), named: make(map[string]Registered), types: make(map[string]Registered)}
	slices.SortFunc(d.all, byName)
	for _, one := range d.all {
		if d.named[one.Name()] != nil {
			return nil, events.Errorf(events.Conflict, "projections.NewDialects", "two dialects are called %s",
				one.Name())
		}
		d.named[one.Name()] = one
		for _, typ := range one.Types() {
			if other := d.types[typ]; other != nil {
				return nil, events.Errorf(events.Conflict, "projections.NewDialects",
					"the type %s is claimed by the dialects %s and %s; a type belongs to one", typ,
					other.Name(), one.Name())
			}
			d.types[typ] = one
		}
	}
	d.digest = digestOf(searched)
	return d, nil
}

func byName(a, b Registered) int { return cmp.Compare(a.Name(), b.Name()) }

// digestOf is the digest of what dialects search by. That of FHIR alone is that of its catalog, as it was before
// there were other dialects: no installation needs a rebuild because of a dialect that has no terms.
func digestOf(dialects []Registered) string {
	var b []byte
	parts := 0
	own := ""
	for _, one := range slices.SortedFunc(slices.Values(dialects), byName) {
		digest := one.Digest()
		if digest == "" {
			continue
		}
		parts++
		if one.Name() == events.FHIR {
			own = digest
		}
		b = append(b, one.Name()+" "+digest+"\n"...)
	}
	if parts == 1 && own != "" {
		return own
	}
	digest := sha256.Sum256(b)
	return hex.EncodeToString(digest[:])
}

// Of returns the dialect of an event, which all of its types belong to; nil for an event without changes. Kind
// Unsupported: the program does not know the dialect. Kind Invalid: a type belongs to another one. A type that
// belongs to none is left to [Dialect.Prepare].
func (d *Dialects) Of(event *events.Event) (Dialect, error) {
	if len(event.Changes) == 0 {
		return nil, nil
	}
	name := event.DialectName()
	of := d.named[name]
	if of == nil {
		return nil, events.Errorf(events.Unsupported, "projections.Dialects",
			"the event is of the dialect %s, and this program knows %s; one that knows it can read the event",
			name, strings.Join(d.names(), ", "))
	}
	for n := range event.Changes {
		if owner := d.types[event.Changes[n].Type]; owner != of && owner != nil {
			return nil, events.Errorf(events.Invalid, "projections.Dialects",
				"change %d is of the type %s, which belongs to the dialect %s, and the event is of the dialect %s; "+
					"an event has one dialect", n, event.Changes[n].Type, owner.Name(), name)
		}
	}
	return of, nil
}

func (d *Dialects) names() []string {
	names := make([]string, len(d.all))
	for n, one := range d.all {
		names[n] = one.Name()
	}
	return names
}

// OfType returns the dialect that a type belongs to. Kind Unsupported: the type belongs to none that the program
// knows.
func (d *Dialects) OfType(typ string) (Dialect, error) {
	if of := d.types[typ]; of != nil {
		return of, nil
	}
	return nil, events.Errorf(events.Unsupported, "projections.Dialects",
		"the type %.80q belongs to no dialect that this program knows; it knows %s", typ, strings.Join(d.names(),
			", "))
}

// Named returns the dialect of a name; nil: the program does not know it.
func (d *Dialects) Named(name string) Registered { return d.named[name] }

// Digest changes whenever the same content of some dialect may give other terms. An index that was made under another
// one asks for a rebuild.
func (d *Dialects) Digest() string { return d.digest }

// several begins the written form of the definitions of other dialects than FHIR alone.
var several = []byte("dialects\n")

// Definitions writes the definitions of all dialects, for [Dialects.Restore]. Those of FHIR alone stand as they are,
// as they did before there were other dialects.
func (d *Dialects) Definitions() ([]byte, error) {
	kept := make(map[string][]byte)
	for _, one := range d.all {
		if one.Digest() == "" {
			continue
		}
		definitions, err := one.Definitions()
		if err != nil {
			return nil, err
		}
		kept[one.Name()] = definitions
	}
	if definitions, alone := kept[events.FHIR]; alone && len(kept) == 1 {
		return definitions, nil
	}
	written, err := json.Marshal(kept)
	if err != nil {
		return nil, events.Wrap(events.Internal, "projections.Dialects", err, "the definitions cannot be written")
	}
	return append(slices.Clone(several), written...), nil
}

// Restore makes the same dialects with the definitions that were kept with a generation. A dialect that nothing was
// kept of was not there when the generation was made: it goes on with today's definitions, and its terms do not count
// in the digest. One that the program does not know is left out, and the digest is another than the generation's.
// Kind Invalid: the bytes are no definitions.
func (d *Dialects) Restore(definitions []byte) (*Dialects, error) {
	kept := map[string][]byte{events.FHIR: definitions}
	if written, more := bytes.CutPrefix(definitions, several); more {
		kept = nil
		if err := json.Unmarshal(written, &kept); err != nil {
			return nil, events.Wrap(events.Invalid, "projections.Dialects", err, "the kept definitions are no JSON")
		}
	}
	all := slices.Clone(d.all)
	var searched []Registered
	for n, one := range all {
		definitions, was := kept[one.Name()]
		if !was {
			continue
		}
		restored, err := one.Restore(definitions)
		if err != nil {
			return nil, err
		}
		all[n], searched = restored, append(searched, restored)
	}
	return newDialects(all, searched)
}
