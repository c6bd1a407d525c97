package readapi

import (
	"bytes"
	"net/http"
	"strconv"

	"github.com/gin-gonic/gin"

	"binnacle/events"
	documents "binnacle/events/fhir"
	"binnacle/events/fhir/rest"
	"binnacle/projections/fhir/form"
)

// inXML answers in XML: what is answered in JSON becomes XML, such as outcomes and the capability statement. Contents
// and bundles are written in XML by the doors themselves.
func (s *Server) inXML(c *request, ask *rest.Ask, answer func(c *request, ask *rest.Ask) error) error {
	outer, w := c.Writer, &xmlWriter{ResponseWriter: c.Writer, reads: isRead(c.Request.Method)}
	c.Writer = w
	whole := false
	defer func() {
		if c.Writer = outer; !whole { // of a panic somebody else tells, in JSON
			delete(outer.Header(), "Content-Type")
		}
	}()
	if err := s.ofTenant(c, ask, answer); err != nil {
		s.refuse(c, err)
	}
	whole = true
	w.finish()
	return nil
}

func isRead(method string) bool { return method == http.MethodGet || method == http.MethodHead }

// xmlWriter takes an answer, and makes XML of one in JSON when it is whole.
type xmlWriter struct {
	gin.ResponseWriter
	reads  bool   // the answer may be refused for its form
	status int    // that is not written yet; 0: none
	body   []byte // in JSON
	passed bool   // what is written goes on as it is
}

func (w *xmlWriter) WriteHeader(status int) {
	if status < http.StatusOK {
		w.ResponseWriter.WriteHeader(status)
		return
	}
	w.status = status
}

func (w *xmlWriter) Write(data []byte) (int, error) {
	if !w.passed && len(w.body) == 0 {
		first := bytes.TrimLeft(data, " \t\r\n")
		w.passed = !rest.IsXML(w.Header().Get("Content-Type")) || len(first) > 0 && first[0] != '{'
		if w.passed && w.status != 0 {
			w.ResponseWriter.WriteHeader(w.status)
		}
	}
	if w.passed {
		return w.ResponseWriter.Write(data)
	}
	w.body = append(w.body, data...)
	return len(data), nil
}

// WriteString is for io.StringWriter, which Gin's writer is.
func (w *xmlWriter) WriteString(text string) (int, error) { return w.Write([]byte(text)) }

// Flush sends what goes on as it is; what is to become XML must be whole before.
func (w *xmlWriter) Flush() {
	if w.passed {
		w.ResponseWriter.Flush()
	}
}

// finish writes what was kept.
func (w *xmlWriter) finish() {
	switch {
	case w.passed:
	case len(w.body) > 0:
		body, err := form.XML(w.body)
		if err != nil {
			body = w.unshown(err)
		}
		w.Header()["Content-Length"] = []string{strconv.Itoa(len(body))}
		w.ResponseWriter.WriteHeader(w.status)
		_, _ = w.ResponseWriter.Write(body) // the client has gone: there is nobody left to tell
	case w.status != 0:
		w.ResponseWriter.WriteHeader(w.status)
	}
}

// unshown tells of what XML cannot hold: instead of what was to be read, or beside what was done.
func (w *xmlWriter) unshown(err error) []byte {
	issue := rest.IssueOf(err)
	if w.reads {
		w.status, _ = rest.OutcomeOf(rest.Unshown(err))
	} else {
		issue.Severity = documents.SeverityWarning
	}
	body, err := form.XML(documents.OperationOutcome(issue))
	if err == nil {
		return body
	}
	issue.Diagnostics, issue.Expression = "XML cannot hold the answer; accept application/fhir+json", ""
	if events.KindOf(err) == events.Unsupported { // it names a key that XML cannot hold either
		body, _ = form.XML(documents.OperationOutcome(issue))
	}
	return body
}
