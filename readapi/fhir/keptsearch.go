package fhir

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"time"

	"binnacle/events"
	"binnacle/projections"
	"binnacle/readapi/fhir/pages"
)

// keptSearch is what a search by POST asked. It is kept as a memo, so that the links to its further pages show
// nothing of it. When it is lost, its further pages are gone (410), and the client searches again.
type keptSearch struct {
	Secret [32]byte `json:"secret"` // random; seals the page tokens
	// what was searched: a type, "Patient/1/Observation" in a compartment, "" for all types
	Type  string `json:"type"`
	Query string `json:"query"` // percent-encoded, without "?"

	id searchID
}

// searchID names a kept search; it is random, so that nobody guesses another one's.
type searchID [32]byte

// keptSearchLife is how long a kept search can be paged through.
const keptSearchLife = 24 * time.Hour

func (id searchID) memo() projections.MemoName {
	return projections.MemoName{Kind: "search", Name: base64.RawURLEncoding.EncodeToString(id[:])}
}

// loadKept fetches the search of an id, if it is the tenant's. Whose another one is, is told to nobody.
func (d *Door) loadKept(ctx context.Context, id searchID) (*keptSearch, error) {
	memo, err := d.Memos.Memo(ctx, id.memo())
	switch {
	case events.KindOf(err) == events.NotFound, err == nil && memo.Owner != d.Tenant:
		return nil, events.Errorf(events.Gone, "fhir.Search",
			"this search is no longer kept: the pages of a search by POST can be read for %s; search again",
			keptSearchLife)
	case err != nil:
		return nil, err
	}
	kept := &keptSearch{id: id}
	if err := json.Unmarshal(memo.Value, kept); err != nil {
		return nil, events.Wrap(events.Internal, "fhir.Search", err, "a kept search can't be read")
	}
	return kept, nil
}

// keep stores a search by POST, once it is known to have further pages.
func (d *Door) keep(ctx context.Context, s *search) error {
	if s.kept != nil {
		return nil
	}
	kept := &keptSearch{Type: s.scope.path(), Query: pages.Encode(s.parsed.Used)}
	for _, random := range [][]byte{kept.Secret[:], kept.id[:]} {
		if _, err := rand.Read(random); err != nil {
			return events.Wrap(events.Internal, "fhir.Search", err, "no random numbers")
		}
	}
	value, err := json.Marshal(kept)
	if err != nil {
		return events.Wrap(events.Internal, "fhir.Search", err, "a search can't be written")
	}
	if _, err := d.Memos.Keep(ctx, projections.Memo{MemoName: kept.id.memo(), Owner: d.Tenant, Value: value},
		keptSearchLife); err != nil {
		return err
	}
	s.kept = kept
	return nil
}
