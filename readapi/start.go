package readapi

import (
	"bytes"
	_ "embed"
	"html/template"
	"net/http"

	"binnacle/events"
	"binnacle/events/fhir/rest"
)

//go:embed start.html
var startTemplate string

// serveStart greets a person with a browser. A program that accepts no page is told where FHIR is.
func (s *Server) serveStart(c *request) error {
	c.Writer.Header().Add("Vary", "Accept")
	if !rest.AcceptsHTML(c.Request) {
		return rest.Refused(http.StatusNotAcceptable, events.Unsupported, "readapi.serveStart",
			"here is a page for people; the FHIR root is %s", s.address.Root(c.Request))
	}
	var page bytes.Buffer
	err := s.pages.start.Execute(&page, map[string]any{
		"Style": s.pages.style, "FHIR": s.address.Root(c.Request), "Root": s.address.Prefix(c.Request),
		"Version": s.root.Version,
	})
	if err != nil {
		return events.Wrap(events.Internal, "readapi.serveStart", err, "the start page")
	}
	s.pages.protect(c.Writer.Header())
	writePlain(c.Writer, http.StatusOK, contentTypeHTML, page.Bytes())
	return nil
}

// newPages reads the templates.
func newPages() (p pages, err error) {
	p.style, p.policy = inlined(style)
	if p.start, err = template.New("start").Parse(startTemplate); err == nil {
		p.view, err = template.New("view").Parse(viewTemplate)
	}
	if err != nil {
		return pages{}, events.Wrap(events.Internal, "readapi.New", err, "a page's template")
	}
	return p, nil
}
