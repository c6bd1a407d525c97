package rest

import (
	"net/http"
	"strings"
	"time"

	"binnacle/events"
)

// Names of headers of this server's own, and of one that is none of HTTP's yet.
const (
	HeaderPosition      = "Binnacle-Position"       // on answers: a place in the log that the answer has reached; of a write its own
	HeaderMinPosition   = "Binnacle-Min-Position"   // on reads: the place that the answer must have reached
	HeaderAllowDangling = "Binnacle-Allow-Dangling" // "true": references need not lead to something (an import may ask for it)
	HeaderReplayed      = "Idempotent-Replayed"     // "true": the outcome is that of an earlier request with the same Idempotency-Key
)

// SetPosition tells a place in the log that an answer has reached.
func SetPosition(header http.Header, position events.Position) {
	header[HeaderPosition] = []string{position.String()}
}

// MinPosition is the place that the answer to a read must have reached; nil: the client names none. An error is of kind Invalid.
func MinPosition(header http.Header) (*events.Position, error) {
	wanted := header.Get(HeaderMinPosition)
	if wanted == "" {
		return nil, nil
	}
	position, err := events.ParsePosition(strings.TrimSpace(wanted))
	if err != nil {
		return nil, err
	}
	return &position, nil
}

// SetVersion tells which version an answer is about, by the version's [ETagOf].
func SetVersion(header http.Header, etag string, modified time.Time) {
	header["Etag"] = []string{etag}
	header["Last-Modified"] = []string{modified.UTC().Format(http.TimeFormat)}
}

var revalidated = []string{"private, no-cache"} // shared by all answers, and never written to

// Revalidate makes caches ask again: Last-Modified alone would let them, a browser's too, guess how long an answer is good, and some refusals are
// cached as well (RFC 9111, 4.2.2).
func Revalidate(header http.Header) { header["Cache-Control"] = revalidated }
