package projections_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"binnacle/events"
	"binnacle/projections"
	"binnacle/projections/projectionstest"
)

// spoken is a dialect that has definitions: they are its digest, too.
type spoken struct {
	projectionstest.Opaque
	name, typ, definitions string
}

func (s spoken) Name() string                 { return s.name }
func (s spoken) Types() []string              { return []string{s.typ} }
func (s spoken) Digest() string               { return s.definitions }
func (s spoken) Definitions() ([]byte, error) { return []byte(s.definitions), nil }
func (s spoken) Restore(definitions []byte) (projections.Registered, error) {
	s.definitions = string(definitions)
	return s, nil
}

func dialects(t *testing.T, all ...projections.Registered) *projections.Dialects {
	t.Helper()
	d, err := projections.NewDialects(all...)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

var (
	plain  = projectionstest.Opaque{}
	fhir   = spoken{name: events.FHIR, typ: "Patient", definitions: "f1"}
	quakes = spoken{name: "quake", typ: "Pick", definitions: "q1"}
)

func TestOpaqueIsADialect(t *testing.T) {
	any256 := make([]byte, 256)
	for i := range any256 {
		any256[i] = byte(i)
	}
	id := projectionstest.OpaqueID(any256)
	change := events.Change{Operation: events.Update, Type: projectionstest.OpaqueType, ID: id, Content: any256,
		Entry: -1}
	linked := change
	linked.Links = []events.Link{{End: 1, Change: -1, Type: "thing", Query: "a"}}
	long := change
	long.ID = strings.Repeat("a", 1025)
	projectionstest.Dialect(t, projectionstest.DialectSample{Dialect: plain, Changes: []events.Change{change},
		Wrong: []events.Change{linked, long}})
}

func TestATypeBelongsToOneDialect(t *testing.T) {
	for name, two := range map[string][2]projections.Registered{"names": {quakes, quakes},
		"types": {quakes, spoken{name: "other", typ: "Pick"}}} {
		if _, err := projections.NewDialects(two[0], two[1]); events.KindOf(err) != events.Conflict {
			t.Errorf("the same %s: got %v, want an error of kind %s", name, err, events.Conflict)
		}
	}
	d := dialects(t, quakes, fhir, plain)
	for _, c := range []struct {
		dialect string
		types   string
		want    projections.Dialect
		kind    events.Kind
		text    string
	}{
		{"", "Patient Patient", fhir, 0, ""},
		{"", "Nonsense", fhir, 0, ""},
		{"quake", "Pick", quakes, 0, ""},
		{"opaque", "thing", plain, 0, ""},
		{"", "", nil, 0, ""},
		{"unknown", "", nil, 0, ""},
		{"unknown", "thing", nil, events.Unsupported,
			"the dialect unknown, and this program knows fhir, opaque, quake"},
		{"", "Patient Pick", nil, events.Invalid,
			"change 1 is of the type Pick, which belongs to the dialect quake, and the event is of the dialect fhir"},
		{"opaque", "Patient", nil, events.Invalid, "belongs to the dialect fhir"},
	} {
		event := events.Event{Dialect: c.dialect}
		for typ := range strings.FieldsSeq(c.types) {
			event.Changes = append(event.Changes, events.Change{Type: typ})
		}
		got, err := d.Of(&event)
		if got != c.want || c.text == "" && err != nil || c.text != "" &&
			(events.KindOf(err) != c.kind || !strings.Contains(fmt.Sprint(err), c.text)) {
			t.Errorf("an event of %q with %q: got %v, %v", c.dialect, c.types, got, err)
		}
	}
	if of, err := d.OfType("thing"); of != projections.Dialect(plain) || err != nil {
		t.Errorf("a thing belongs to %v, %v", of, err)
	}
	if of, err := d.OfType("Nonsense"); of != nil || events.KindOf(err) != events.Unsupported {
		t.Errorf("nonsense belongs to %v, %v", of, err)
	}
}

func TestTheDigestIsThatOfWhatHasTerms(t *testing.T) {
	if got := dialects(t, fhir, plain).Digest(); got != "f1" {
		t.Errorf("the digest of FHIR beside a dialect without terms is %q: an installation would need a rebuild", got)
	}
	both := dialects(t, fhir, plain, quakes).Digest()
	if both == "f1" || both != dialects(t, quakes, fhir).Digest() {
		t.Errorf("the digest of two is %q, and in another order %q", both, dialects(t, quakes, fhir).Digest())
	}
	changed := quakes
	changed.definitions = "q2"
	if dialects(t, fhir, changed).Digest() == both {
		t.Error("other definitions have the same digest")
	}
	if dialects(t, quakes).Digest() == "q1" {
		t.Error("the digest of a dialect alone could be FHIR's")
	}
}

func TestDialectsAreTheSameAfterTheirDefinitionsWereKept(t *testing.T) {
	today := spoken{name: "quake", typ: "Pick", definitions: "q2"}
	for _, c := range []struct {
		name         string
		made, reads  *projections.Dialects
		same, begins bool
		quakes       string
	}{
		{"FHIR alone stands as it did", dialects(t, fhir), dialects(t, fhir, plain), true, true, ""},
		{"two", dialects(t, fhir, quakes), dialects(t, plain, today, fhir), true, false, "q1"},
		{"one that is new goes on with today's", dialects(t, fhir), dialects(t, fhir, today), true, true, "q2"},
		{"one that is not known", dialects(t, fhir, quakes), dialects(t, fhir), false, false, ""},
	} {
		kept, err := c.made.Definitions()
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Equal(kept, []byte("f1")) != c.begins {
			t.Errorf("%s: %q was kept", c.name, kept)
		}
		again, err := c.reads.Restore(kept)
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		if (again.Digest() == c.made.Digest()) != c.same {
			t.Errorf("%s: the digest is %s, of the one that was kept %s", c.name, again.Digest(), c.made.Digest())
		}
		if c.quakes != "" && again.Named("quake").Digest() != c.quakes {
			t.Errorf("%s: restored with %s, want %s", c.name, again.Named("quake").Digest(), c.quakes)
		}
	}
	if _, err := dialects(t, fhir).Restore([]byte("dialects\n{")); events.KindOf(err) != events.Invalid {
		t.Errorf("half a JSON gave %v, want an error of kind %s", err, events.Invalid)
	}
}
