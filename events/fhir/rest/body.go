package rest

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"os"
	"strconv"
	"strings"

	"github.com/klauspost/compress/gzip"

	"binnacle/events"
)

// A body takes memory as it arrives: firstStep, then stepBy times as much, again and again. What is beyond lastStep
// is taken at once: bodies that have a part each and wait for more of it would wait for each other.
const (
	firstStep = 8 << 10
	stepBy    = 4
	lastStep  = 2 << 20
)

const opBody = "rest.Body"

// Body reads the body of a request, as it is or with gzip. limit is how many bytes it may have, unpacked. Before room
// is made for n bytes, grow is asked for it, unless it is nil.
//
// Kind TooLarge: it has more than limit bytes. Kind Invalid: it broke off or cannot be unpacked. A [Refusal] with
// status 408: the server has stopped to wait for it; with 415: it is packed in another way.
func Body(r *http.Request, limit int64, grow func(n int64) error) (data []byte, err error) {
	return BodyBehind(nil, r, limit, grow)
}

// BodyBehind is [Body] that returns the body behind a head, in one piece of memory. The head's bytes don't count.
func BodyBehind(head []byte, r *http.Request, limit int64, grow func(n int64) error) (data []byte, err error) {
	if r.ContentLength > limit {
		return nil, tooLarge(limit)
	}
	var reader io.Reader = r.Body
	most := limit
	switch encoding := strings.ToLower(strings.TrimSpace(r.Header.Get("Content-Encoding"))); encoding {
	case "", "identity":
		if r.ContentLength >= 0 {
			most = r.ContentLength
		}
	case "gzip":
		unpack, err := gzip.NewReader(r.Body)
		if err != nil {
			return nil, unreadable(err, "the body is not gzip, as its Content-Encoding says")
		}
		defer unpack.Close()
		reader = unpack
	default:
		return nil, Refused(http.StatusUnsupportedMediaType, events.Unsupported, opBody,
			"Content-Encoding %.40q is not offered; send the body as it is, or with gzip", encoding)
	}
	ended, data, before := false, head, int64(len(head))
	for step := min(firstStep, most); !ended && err == nil; step = nextStep(step, most) {
		if grow != nil {
			if err := grow(step); err != nil {
				return nil, err
			}
		}
		if data, ended, err = readTo(reader, data, before+step); step == most {
			break
		}
	}
	switch {
	case err != nil:
		return nil, unreadable(err, "the body broke off or cannot be unpacked")
	case !ended:
		return nil, tooLarge(limit)
	}
	return data, nil
}

func nextStep(step, most int64) int64 {
	if step *= stepBy; step > lastStep {
		return most
	}
	return min(step, most)
}

// readTo appends what a reader has to data until that is more than most bytes, which it then tells by ended being
// false. There is room for one more than most, so that the end is seen.
func readTo(reader io.Reader, data []byte, most int64) (all []byte, ended bool, err error) {
	for int64(len(data)) <= most {
		if len(data) == cap(data) { // what is beyond the last step is not there yet, and may never be
			data = append(make([]byte, 0, min(max(int64(stepBy*cap(data)), firstStep+1), most+1)), data...)
		}
		n, err := reader.Read(data[len(data):min(int64(cap(data)), most+1)])
		data = data[:len(data)+n]
		if errors.Is(err, io.EOF) {
			return data[:len(data):len(data)], int64(len(data)) <= most, nil
		}
		if err != nil {
			return nil, false, err
		}
	}
	return data, false, nil
}

// unreadable is the error of a body that cannot be read to its end.
func unreadable(err error, text string) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return Refused(http.StatusRequestTimeout, events.Transient, opBody,
			"the body came too slowly or not to its end; nothing was done, send it again")
	}
	return events.Wrap(events.Invalid, opBody, err, "%s", text)
}

func tooLarge(limit int64) error {
	return events.Errorf(events.TooLarge, opBody,
		"the body has more than %d bytes, which is the most; send less at once", limit)
}

// CheckDocument accepts the forms of JSON and XML (FHIR R4, http.html#mime-type) in UTF-8, by the names that Accept
// takes, and a body without a Content-Type, which is JSON. An error is a [Refusal] with status 415.
func CheckDocument(header http.Header) (xml bool, err error) {
	value := header.Get("Content-Type")
	if value == "" || value == "application/fhir+json" {
		return false, nil
	}
	unsupported := func(what string) (bool, error) {
		return false, Refused(http.StatusUnsupportedMediaType, events.Unsupported, opBody,
			"%s is not offered; send application/fhir+json or application/fhir+xml in UTF-8", what)
	}
	name, parameters, err := mime.ParseMediaType(value)
	if err != nil {
		return unsupported("Content-Type " + strconv.Quote(value))
	}
	switch name {
	case "application/fhir+json", "application/json+fhir", "application/json", "text/json":
	case "application/fhir+xml", "application/xml+fhir", "application/xml", "text/xml":
		xml = true
	default:
		return unsupported("Content-Type " + strconv.Quote(name))
	}
	if charset := parameters["charset"]; charset != "" && !strings.EqualFold(charset, "utf-8") {
		return unsupported("charset " + strconv.Quote(charset))
	}
	if version := parameters["fhirversion"]; !isR4(version) {
		return unsupported("fhirVersion " + strconv.Quote(version))
	}
	return xml, nil
}

// IsResourceType tells whether a media type says that a body is a resource of FHIR, and nothing else.
func IsResourceType(media string) bool {
	switch media {
	case "application/fhir+json", "application/json+fhir", "application/fhir+xml", "application/xml+fhir":
		return true
	}
	return false
}

// isR4 tells whether the parameter fhirVersion of a media type names this server's version of FHIR, or none.
func isR4(version string) bool { return version == "" || version == "4.0" || version == "4.0.1" }
