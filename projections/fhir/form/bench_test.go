package form_test

import (
	"testing"
	"time"

	"binnacle/events/fhir"
	"binnacle/projections/fhir/form"
)

// BenchmarkForms measures what a form costs, over HL7's patient: parsing JSON, which each write does anyway, beside the
// mapping both ways and the stamps.
func BenchmarkForms(b *testing.B) {
	document := unzipped(b, "testdata/r4-examples.zip")["patient-example.json"]
	content, err := form.XML(document)
	if err != nil {
		b.Fatal(err)
	}
	var buffer []byte
	for _, one := range []struct {
		name string
		size int
		run  func() error
	}{
		{"parse JSON", len(document), func() error { _, err := fhir.Parse(document); return err }},
		{"form of JSON", len(document), func() error { _, err := form.JSON(document); return err }},
		{"XML to JSON", len(content), func() error { _, err := form.JSON(content); return err }},
		{"XML to JSON with its source", len(content), func() error { _, _, err := form.Parsed(content); return err }},
		{"JSON to XML", len(document), func() error { _, err := form.XML(document); return err }},
		{"stamp JSON", len(document), func() (err error) {
			buffer, err = form.Stamp(buffer[:0], document, form.InJSON, "x", 1, time.Time{})
			return err
		}},
		{"stamp XML", len(content), func() (err error) {
			buffer, err = form.Stamp(buffer[:0], content, form.InXML, "x", 1, time.Time{})
			return err
		}},
	} {
		b.Run(one.name, func(b *testing.B) {
			b.SetBytes(int64(one.size))
			b.ReportAllocs()
			for b.Loop() {
				if err := one.run(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
