package fhir

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// etagOf is the entity tag of a version: W/"3" (FHIR R4 http, 3.1.0.2). It is weak because one version has several
// representations (compressed, another JSON content type).
func etagOf(version int64) string {
	buffer := make([]byte, 0, 24)
	buffer = append(buffer, `W/"`...)
	buffer = strconv.AppendInt(buffer, version, 10)
	buffer = append(buffer, '"')
	return string(buffer)
}

// notModified tells whether the client's copy is still good, so that the answer is 304: If-None-Match decides where it stands,
// If-Modified-Since else (RFC 9110, 13.2.2). Entity tags are compared weakly.
func notModified(header http.Header, etag string, modified time.Time) bool {
	if tags := header["If-None-Match"]; len(tags) > 0 {
		for _, line := range tags {
			if tagListed(line, etag) {
				return true
			}
		}
		return false
	}
	since := modifiedSince(header)
	return !since.IsZero() && !modified.Truncate(time.Second).After(since)
}

// modifiedSince is the time in If-Modified-Since, whole seconds; zero without one and when it can't be read, which is ignored (RFC 9110, 13.1.3).
func modifiedSince(header http.Header) time.Time {
	since, err := http.ParseTime(header.Get("If-Modified-Since"))
	if err != nil {
		return time.Time{}
	}
	return since
}

// tagListed tells whether a list of entity tags (RFC 9110, 8.8.3) names the tag, or is "*". Reading stops at the first thing that
// is no entity tag.
func tagListed(list, etag string) bool {
	if strings.Trim(list, " \t") == "*" {
		return true
	}
	opaque := strings.TrimPrefix(etag, "W/")
	for {
		list = strings.TrimLeft(list, " \t,")
		list = strings.TrimPrefix(list, "W/")
		if !strings.HasPrefix(list, `"`) {
			return false
		}
		end := strings.IndexByte(list[1:], '"')
		if end < 0 {
			return false
		}
		if list[:end+2] == opaque {
			return true
		}
		list = list[end+2:]
	}
}
