package catalog

import (
	"testing"

	"binnacle/events"
)

func TestACatalogIsTheSameAfterItsDefinitionsWereKept(t *testing.T) {
	own := []byte(
		`{"resourceType":"SearchParameter","url":"urn:own","code":"own","base":["Patient"],"type":"string","expression":"Patient.name.text"}`)
	for name, more := range map[string][][]byte{"R4 alone": nil, "with the operator's own": {own}} {
		c, err := Load(more...)
		if err != nil {
			t.Fatal(err)
		}
		kept, err := c.Definitions()
		if err != nil {
			t.Fatal(err)
		}
		restored, err := Restore(kept)
		if err != nil {
			t.Fatal(err)
		}
		if restored.Digest() != c.Digest() {
			t.Errorf("%s: the digest is %s, and %s after it was kept", name, c.Digest(), restored.Digest())
		}
		if _, known := restored.Param("Patient", "own"); known != (more != nil) {
			t.Errorf("%s: the operator's parameter is known: %v", name, known)
		}
		if again, err := restored.Definitions(); err != nil || string(again) != string(kept) {
			t.Errorf("%s: kept again the definitions are others, %v", name, err)
		}
	}
	for _, broken := range []string{"", "no gzip"} {
		if _, err := Restore([]byte(broken)); events.KindOf(err) != events.Invalid {
			t.Errorf("%q: got %v, want kind invalid", broken, err)
		}
	}
}
