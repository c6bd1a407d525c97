package functions

import (
	"binnacle/events/fhir"
	"binnacle/projections"
	"binnacle/projections/catalog"
)

// Documents parses contents into memory that is used again. What they mean the catalog knows. It is safe for concurrent use.
type Documents struct {
	fhir.Pool
	Catalog *catalog.Catalog
}

// NewDocuments makes Documents of a catalog.
func NewDocuments(c *catalog.Catalog) *Documents { return &Documents{Catalog: c} }

// Extract makes the terms of a content, as the projector did. After an error the row is as it was.
func (d *Documents) Extract(row *projections.Row, content []byte) error {
	return Guard("extracting its search terms", func() error {
		doc, err := d.Parse(content)
		if err != nil {
			return err
		}
		defer d.Release(doc)
		extracted, err := d.Catalog.Extract(doc)
		if err != nil {
			return err
		}
		row.Terms, row.MainDate = extracted.Terms, extracted.MainDate
		return nil
	})
}
