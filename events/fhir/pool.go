package fhir

import "sync"

// Pool parses contents into memory that is used again: the tape of a document takes half as much as the document. It
// is safe for concurrent use; the zero Pool is ready.
type Pool struct {
	documents sync.Pool
}

// Parse is [Parse]. The document should be given back when no node of it is used any more; texts from it stay good.
func (p *Pool) Parse(content []byte) (*Document, error) {
	doc, _ := p.documents.Get().(*Document)
	if doc == nil {
		doc = new(Document)
	}
	if err := doc.Reset(content); err != nil {
		p.documents.Put(doc)
		return nil, err
	}
	return doc, nil
}

// Release gives a document back.
func (p *Pool) Release(doc *Document) {
	doc.Clear() // it must not keep the content
	p.documents.Put(doc)
}
