package functions

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"

	"github.com/klauspost/compress/gzip"

	"binnacle/events"
)

// firstShare is what a body of unknown length takes from the budget at first.
const firstShare = 1 << 20

// body reads the body of a request, within the limit and the budget. release gives its share of the budget
// back, once; it is never nil.
func (d *door) body(r *http.Request) (data []byte, release func(), err error) {
	var taken int64
	release = func() {
		d.budget.give(taken)
		taken = 0
	}
	take := func(n int64) error {
		if err := d.budget.take(r.Context(), n); err != nil {
			return err
		}
		taken += n
		return nil
	}
	if err := checkContentType(r.Header.Get("Content-Type")); err != nil {
		return nil, release, err
	}
	limit := d.limits.BodyBytes
	if r.ContentLength > limit {
		return nil, release, tooLarge(limit)
	}
	var reader io.Reader = r.Body
	known := r.ContentLength
	switch encoding := strings.ToLower(strings.TrimSpace(r.Header.Get("Content-Encoding"))); encoding {
	case "", "identity":
	case "gzip":
		unpack, err := gzip.NewReader(r.Body)
		if err != nil {
			return nil, release, invalid("the body is not gzip, as its Content-Encoding says")
		}
		defer unpack.Close()
		reader, known = unpack, -1
	default:
		return nil, release, failed(http.StatusUnsupportedMediaType, events.Unsupported, "Content-Encoding %.40q is not offered; send the body as it is, or with gzip", encoding)
	}
	share := known
	if known < 0 {
		share = min(firstShare, limit)
	}
	if err := take(share); err != nil {
		return nil, release, err
	}
	data, ended, err := readAll(reader, make([]byte, 0, share+1), share)
	if err == nil && !ended && known < 0 && share < limit {
		if err := take(limit - share); err != nil {
			return nil, release, err
		}
		data, ended, err = readAll(reader, data, limit)
	}
	switch {
	case err != nil:
		return nil, release, events.Wrap(events.Invalid, "functions.Door", err, "the body broke off or cannot be unpacked")
	case !ended:
		return nil, release, tooLarge(limit)
	case len(data) == 0:
		return nil, release, invalid("the body is empty; send the resource as JSON")
	}
	return data, release, nil
}

// readAll appends what a reader has to data; ended is false when that is more than most bytes in all.
func readAll(reader io.Reader, data []byte, most int64) (all []byte, ended bool, err error) {
	for int64(len(data)) <= most {
		if len(data) == cap(data) {
			data = append(make([]byte, 0, min(int64(2*cap(data)), most)+1), data...)
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

func tooLarge(limit int64) error {
	return events.Errorf(events.TooLarge, "functions.Door", "the body has more than %d bytes; send smaller bundles", limit)
}

// checkContentType accepts the JSON forms (FHIR R4, http.html#mime-type) in UTF-8, and a body without a Content-Type.
func checkContentType(value string) error {
	if value == "" {
		return nil
	}
	unsupported := func(what string) error {
		return failed(http.StatusUnsupportedMediaType, events.Unsupported, "%s is not offered; send application/fhir+json in UTF-8", what)
	}
	name, parameters, err := mime.ParseMediaType(value)
	if err != nil {
		return unsupported("Content-Type " + strconv.Quote(value))
	}
	switch name {
	case "application/fhir+json", "application/json", "text/json":
	default:
		return unsupported("Content-Type " + strconv.Quote(name))
	}
	if charset := parameters["charset"]; charset != "" && !strings.EqualFold(charset, "utf-8") {
		return unsupported("charset " + strconv.Quote(charset))
	}
	if version := parameters["fhirversion"]; version != "" && version != "4.0" {
		return unsupported("fhirVersion " + strconv.Quote(version))
	}
	return nil
}
