package functions

import (
	"sync"

	"binnacle/events/fhir"
	"binnacle/projections"
	"binnacle/projections/catalog"
)

// documents parses contents into memory that is used again: the tape of a document takes half as much as the document. What they mean the
// catalog knows. It is safe for concurrent use.
type documents struct {
	catalog *catalog.Catalog
	pool    sync.Pool
}

func newDocuments(c *catalog.Catalog) *documents {
	return &documents{catalog: c, pool: sync.Pool{New: func() any { return new(fhir.Document) }}}
}

// parse is [fhir.Parse]. The document should be given back when no node of it is used any more; texts from it stay good.
func (d *documents) parse(content []byte) (*fhir.Document, error) {
	doc := d.pool.Get().(*fhir.Document)
	if err := doc.Reset(content); err != nil {
		d.pool.Put(doc)
		return nil, err
	}
	return doc, nil
}

func (d *documents) release(doc *fhir.Document) {
	doc.Clear() // it must not keep the content
	d.pool.Put(doc)
}

// extract makes the terms of a content, as the projector did. After an error the row is as it was.
func (d *documents) extract(row *projections.Row, content []byte) error {
	var i item
	return i.guard("extracting its search terms", func() error {
		doc, err := d.parse(content)
		if err != nil {
			return err
		}
		defer d.release(doc)
		extracted, err := d.catalog.Extract(doc)
		if err != nil {
			return err
		}
		row.Terms, row.MainDate = extracted.Terms, extracted.MainDate
		return nil
	})
}
