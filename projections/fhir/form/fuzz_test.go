package form_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"testing"
	"time"

	"binnacle/events"
	"binnacle/events/fhir"
	"binnacle/projections/fhir/form"
)

// wellFormed reads XML with another reader.
func wellFormed(document []byte) error {
	decoder := xml.NewDecoder(bytes.NewReader(document))
	for {
		if _, err := decoder.Token(); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

func FuzzXMLThatIsReadIsWellFormedAndStaysTheSame(f *testing.F) {
	for name, example := range unzipped(f, "testdata/r4-examples.zip") {
		if content := form.Trim(example); form.Of(content) == form.InXML && len(content) < 5_000 {
			f.Add(content)
		} else if written, err := form.XML(example); err == nil && len(written) < 3_000 && name != "" {
			f.Add(written)
		}
	}
	f.Add([]byte(`<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>`))
	f.Add([]byte(patient(`<name><given value="a"/><given><extension url="&#10;"/></given></name><?x?>`)))
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	f.Fuzz(func(t *testing.T, content []byte) {
		if form.Of(content) != form.InXML {
			return
		}
		document, source, err := form.Parsed(content)
		if err != nil {
			if events.KindOf(err) != events.Invalid {
				t.Fatalf("%q is refused with %v", content, err)
			}
			return
		}
		if err := wellFormed(content); err != nil {
			t.Fatalf("%q is read, and is no XML: %v", content, err)
		}
		doc, err := fhir.Parse(document)
		if err != nil { // arrays count as levels, too
			return
		}
		part, err := source.Part(doc.Root())
		if err != nil {
			t.Fatal(err)
		}
		if len(document) < 2_000 {
			placesOf(doc.Root(), func(place int, before string) {
				if got := part.Place(document, place); got < 0 || got > len(content) || before == "" && got > 0 &&
					bytes.IndexByte([]byte("\"'<"), content[got-1]) < 0 && content[got] != '<' {
					t.Fatalf("the place %d of %s is found at %d of %s", place, document, got, content)
				}
			})
		}
		stamped, err := form.Stamp(nil, content, form.InXML, "x", 3, at)
		if err != nil {
			t.Fatalf("%q is stamped: %v", content, err)
		}
		mapped, err := form.JSON(stamped)
		if err != nil || !fhir.Same(mapped, document) {
			t.Fatalf("%q stamped is %q, which says %s, %v, want %s", content, stamped, mapped, err, document)
		}
		ordered, err := form.Ordered(document)
		if err != nil {
			t.Fatalf("%s came from XML, and goes back with %v", document, err)
		}
		if again, err := form.Ordered(ordered); err != nil || !bytes.Equal(again, ordered) {
			t.Fatalf("%s becomes %s, %v", ordered, again, err)
		}
	})
}

func FuzzJSONBecomesXMLOrIsRefused(f *testing.F) {
	for _, example := range unzipped(f, "testdata/r4-examples.zip") {
		if form.Of(example) == form.InJSON && len(example) < 3_000 {
			f.Add(example)
		}
	}
	f.Add([]byte(`{"resourceType":"Patient","text":{"div":"<div>&nbsp;<b/></div>"},"name":[{"given":[null],"_given":[{"id":"a"}]}]}`))
	f.Fuzz(func(t *testing.T, document []byte) {
		written, err := form.XML(document)
		if err != nil {
			if kind := events.KindOf(err); kind != events.Invalid && kind != events.Unsupported {
				t.Fatalf("%q is refused with %v", document, err)
			}
			return
		}
		if err := wellFormed(written); err != nil {
			t.Fatalf("%q becomes %q, which is no XML: %v", document, written, err)
		}
		back, err := form.JSON(written)
		if err != nil {
			return // what is a level deeper in XML, and a narrative's declarations
		}
		if again, err := form.XML(back); err != nil || !bytes.Equal(again, written) {
			t.Fatalf("%q becomes %q, and then %q, %v", document, written, again, err)
		}
	})
}
