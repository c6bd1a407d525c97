package pages

import (
	documents "binnacle/events/fhir"
	"binnacle/projections/catalog"
	"binnacle/projections/fhir/form"
)

// Cutter cuts parts out of contents, in memory that it uses again.
type Cutter struct {
	document documents.Document
	buffer   []byte
}

// Subset returns the part of a content as JSON; the content itself for nil. It is good until the next call.
func (c *Cutter) Subset(wanted *catalog.Subset, content []byte) ([]byte, error) {
	if wanted == nil {
		return content, nil
	}
	content, err := form.JSON(content)
	if err != nil {
		return nil, err
	}
	if err := c.document.Reset(content); err != nil {
		return nil, err
	}
	c.buffer = wanted.Append(c.buffer[:0], &c.document)
	return c.buffer, nil
}
