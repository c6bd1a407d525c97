package readapi

import (
	"bytes"
	_ "embed"
	"html/template"
	"net/http"

	"binnacle/events"
)

//go:embed start.html
var startTemplate string

// startPage makes the page that greets a person with a browser.
func startPage(base, version string) ([]byte, error) {
	page, err := template.New("start").Parse(startTemplate)
	if err != nil {
		return nil, events.Wrap(events.Internal, "readapi.New", err, "the start page")
	}
	var out bytes.Buffer
	if err := page.Execute(&out, map[string]string{"Base": base, "Version": version}); err != nil {
		return nil, events.Wrap(events.Internal, "readapi.New", err, "the start page")
	}
	return out.Bytes(), nil
}

func (s *Server) serveStart(w http.ResponseWriter) {
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
	writePlain(w, http.StatusOK, "text/html; charset=utf-8", s.start)
}
