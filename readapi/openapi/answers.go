package openapi

import (
	"net/http"
	"strconv"

	"binnacle/events/fhir/rest"
)

// said are the statuses of answers in words.
var said = map[int]string{
	http.StatusOK:                           "Done",
	http.StatusCreated:                      "A resource was created",
	http.StatusAccepted:                     "The answer can be fetched later, or nobody waits for it",
	http.StatusNoContent:                    "Done; there is nothing to tell",
	http.StatusPartialContent:               "The range that was asked for",
	http.StatusNotModified:                  "The client's copy is good",
	http.StatusBadRequest:                   "The request is wrong by its form, or asks for what is not offered",
	http.StatusNotFound:                     "It was never known, or there is no such type, operation or tenant",
	http.StatusMethodNotAllowed:             "This place takes other methods: Allow tells which",
	http.StatusNotAcceptable:                "No format is offered that the client accepts",
	http.StatusConflict:                     "It contradicts what is there: a reference leads nowhere, or leads to what would go",
	http.StatusGone:                         "It is deleted, or has ended",
	http.StatusPreconditionFailed:           "A precondition does not hold, or a condition fits several resources",
	http.StatusRequestEntityTooLarge:        "The body is too large",
	http.StatusUnsupportedMediaType:         "The body is of a type that is not offered",
	http.StatusUnprocessableEntity:          "It is well formed, and can't be done: too costly, or the idempotency key is another request's",
	http.StatusRequestedRangeNotSatisfiable: "There is no such range",
	http.StatusTooManyRequests:              "Too much at once; Retry-After tells when to try again",
	http.StatusServiceUnavailable:           "Not now; Retry-After tells when to try again",
}

// Headers of answers that tell of a version.
var ofVersion = []string{"ETag", "Last-Modified"}

// responses are the answers that rows may have: by status, and where there is a body by what is in it.
func (w *writer) responses() map[string]response {
	list := map[string]response{"Refusal": refusal("Refused: 400 for what is wrong by its form or not offered, 404 for what there is not, 405 " +
		"with Allow, 406 for a format that is not offered, 500 and 503 for failures (503 tells in Retry-After when to " +
		"try again)")}
	for n := range w.Rows {
		about := &w.Rows[n].About
		for _, status := range about.Statuses {
			name, headers := strconv.Itoa(status), []string{rest.HeaderPosition}
			var content map[string]media
			switch {
			case status == http.StatusNotModified:
				headers = ofVersion
			case status >= http.StatusMultipleChoices:
				list[name] = refusal(said[status])
				continue
			case status == http.StatusNoContent:
				headers = append(headers, ofVersion...)
			case status == http.StatusAccepted:
				headers = append(headers, "Content-Location", "Preference-Applied")
			default:
				of := about.Gives
				if of == "" {
					of = "OperationOutcome"
				}
				name, content = name+of, contentOf(of)
				if of == "Resource" {
					headers = append(headers, ofVersion...)
				}
				if status == http.StatusCreated {
					headers = append(headers, "Location")
				}
			}
			list[name] = response{Description: said[status], Headers: refer(headers), Content: content}
		}
	}
	return list
}

func refusal(description string) response {
	return response{Description: description, Headers: refer([]string{"X-Request-Id"}),
		Content: contentOf("OperationOutcome")}
}

// contentOf is a body in all media types that answers may have.
func contentOf(name string) map[string]media {
	content := map[string]media{}
	if name == itself { // it is no resource
		return map[string]media{"application/json": {&schema{"type": "object"}}}
	}
	for _, media_ := range rest.AnswerTypes() {
		if content[media_] = (media{}); isJSON(media_) {
			content[media_] = media{of(name)}
		}
	}
	return content
}

func refer(names []string) map[string]header {
	headers := map[string]header{}
	for _, name := range names {
		headers[name] = header{Ref: "#/components/headers/" + name}
	}
	return headers
}

// answerHeaders are the headers of answers.
func answerHeaders() map[string]header {
	headers := map[string]header{}
	for name, description := range map[string]string{
		"ETag":               `The version, as W/"3"`,
		"Last-Modified":      "When the version was made",
		"Location":           "The version that was made",
		"Content-Location":   "Where the answer will be",
		"Preference-Applied": "The preference that was heeded",
		"X-Request-Id":       "What operators find the request by: the client's own, or a new one",
		rest.HeaderPosition:  "A place in the log that the answer has reached; of a write its own",
	} {
		text := text()
		headers[name] = header{Description: description, Schema: &text}
	}
	return headers
}
