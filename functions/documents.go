package functions

import (
	"binnacle/events/fhir"
	"binnacle/projections"
	"binnacle/projections/catalog"
)

// documents parses contents into memory that is used again. What they mean the catalog knows. It is safe for concurrent use.
type documents struct {
	fhir.Pool
	catalog *catalog.Catalog
}

func newDocuments(c *catalog.Catalog) *documents { return &documents{catalog: c} }

// extract makes the terms of a content, as the projector did. After an error the row is as it was.
func (d *documents) extract(row *projections.Row, content []byte) error {
	var i item
	return i.guard("extracting its search terms", func() error {
		doc, err := d.Parse(content)
		if err != nil {
			return err
		}
		defer d.Release(doc)
		extracted, err := d.catalog.Extract(doc)
		if err != nil {
			return err
		}
		row.Terms, row.MainDate = extracted.Terms, extracted.MainDate
		return nil
	})
}
