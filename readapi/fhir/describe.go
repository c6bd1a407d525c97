package fhir

import (
	"context"
	"net/http"
	"strings"

	"binnacle/events"
	"binnacle/events/fhir/rest"
	"binnacle/readapi/openapi"
)

// OpenAPI answers GET and HEAD [base]/openapi.json.
func (d *Door) OpenAPI(w http.ResponseWriter, r *http.Request, ask *rest.Ask) error {
	if !strings.Contains(ask.ContentType, "json") {
		return rest.NotAcceptable()
	}
	if ask.Prefer.Handling == rest.Strict {
		params, err := rest.Params(ask.Query)
		if err != nil {
			return err
		}
		for name := range params {
			if !rest.IsOfAnswer(name) {
				return events.Errorf(events.Invalid, "fhir.OpenAPI", "the parameter %.60q is not known here", name)
			}
		}
	}
	w.Header().Set("Content-Type", openapi.ContentType)
	return rest.ReadHTTP(w, r, ask, func(_ context.Context, ask *rest.Ask, answer *rest.Answer) error {
		document, err := d.described()
		if err != nil {
			return err
		}
		body, etag, err := document.At(ask.Root)
		if err != nil {
			return err
		}
		answer.ETag, answer.Modified = etag, document.Made
		if ask.Copy.IsGood(etag, document.Made) {
			answer.NotModified()
			return nil
		}
		answer.Whole(body)
		return nil
	})
}
