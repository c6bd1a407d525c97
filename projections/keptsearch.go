package projections

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"time"

	"binnacle/events"
)

// KeptSearch is what a search by POST asked, kept in the blob store so that the links to its further pages show nothing of it. It
// belongs to no version and to no record: whoever looks for orphan blobs leaves it alone until it has expired, and may then delete it.
type KeptSearch struct {
	Secret [32]byte  `json:"secret"` // random; seals the page tokens, and keeps the blob's hash from being guessed
	Asked  time.Time `json:"asked"`
	Tenant string    `json:"tenant"`
	Type   string    `json:"type"`  // what was searched: a type, "Patient/1/Observation" in a compartment, "" for all types
	Query  string    `json:"query"` // percent-encoded, without "?"
}

// KeptSearchLife is how long a kept search can be paged through.
const KeptSearchLife = 24 * time.Hour

// keptSearchPrefix is what no JSON document begins with.
var keptSearchPrefix = []byte("binnacle-kept-search/1\n")

// Blob returns the search as a blob.
func (k KeptSearch) Blob() (Blob, error) {
	body, err := json.Marshal(k)
	if err != nil {
		return Blob{}, events.Wrap(events.Internal, "projections.KeptSearch", err, "a search cannot be written")
	}
	content := append(bytes.Clone(keptSearchPrefix), body...)
	return Blob{Hash: sha256.Sum256(content), Content: content}, nil
}

// Expired tells whether the search's life is over.
func (k KeptSearch) Expired(now time.Time) bool { return now.Sub(k.Asked) > KeptSearchLife }

// ParseKeptSearch reads a blob's content; false: it is no kept search.
func ParseKeptSearch(content []byte) (KeptSearch, bool) {
	body, found := bytes.CutPrefix(content, keptSearchPrefix)
	if !found {
		return KeptSearch{}, false
	}
	var k KeptSearch
	if err := json.Unmarshal(body, &k); err != nil {
		return KeptSearch{}, false
	}
	return k, true
}
