package functions

import (
	"errors"
	"io"
	"mime"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"

	"github.com/klauspost/compress/gzip"

	"binnacle/events"
)

// A body takes memory as it arrives: firstStep, then stepBy times as much, again and again. What is beyond lastStep is taken at once: bodies
// that have a part each and wait for more of it would wait for each other.
const (
	firstStep = 8 << 10
	stepBy    = 4
	lastStep  = 2 << 20
)

// body reads the body of a request, within the limit and the budget. release gives its share of the budget back, once or more often; it is
// never nil.
func (d *door) body(r *http.Request) (data []byte, release func(), err error) {
	held := &holding{budget: d.budget, who: addressOf(r), large: r.ContentLength > largeBody}
	if err := checkContentType(r.Header.Get("Content-Type")); err != nil {
		return nil, held.release, err
	}
	limit := d.limits.BodyBytes
	if r.ContentLength > limit {
		return nil, held.release, tooLarge(limit)
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
			return nil, held.release, unreadable(err, "the body is not gzip, as its Content-Encoding says")
		}
		defer unpack.Close()
		reader = unpack
	default:
		return nil, held.release, failed(http.StatusUnsupportedMediaType, events.Unsupported, "Content-Encoding %.40q is not offered; send the body as it is, or with gzip", encoding)
	}
	ended := false
	for step := min(firstStep, most); !ended && err == nil; step = nextStep(step, most) {
		if err := held.grow(r.Context(), step); err != nil {
			return nil, held.release, err
		}
		if data, ended, err = readTo(reader, data, step); step == most {
			break
		}
	}
	switch {
	case err != nil:
		return nil, held.release, unreadable(err, "the body broke off or cannot be unpacked")
	case !ended:
		return nil, held.release, tooLarge(limit)
	case len(data) == 0:
		return nil, held.release, invalid("the body is empty; send the resource as JSON")
	}
	held.keep(int64(len(data)))
	return data, held.release, nil
}

func nextStep(step, most int64) int64 {
	if step *= stepBy; step > lastStep {
		return most
	}
	return min(step, most)
}

// readTo appends what a reader has to data until that is more than most bytes, which it then tells by ended being false. There is room
// for one more than most, so that the end is seen.
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
		return failed(http.StatusRequestTimeout, events.Transient, "the body came too slowly or not to its end; nothing was written, send it again")
	}
	return events.Wrap(events.Invalid, "functions.Door", err, "%s", text)
}

// addressOf is the address that a request's connection comes from: that of a proxy, when there is one.
func addressOf(r *http.Request) string {
	if host, _, err := net.SplitHostPort(r.RemoteAddr); err == nil {
		return host
	}
	return r.RemoteAddr
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
