package functions

import (
	"crypto/sha256"

	"binnacle/events"
	"binnacle/events/fhir"
)

// FinalContent is what a version holds: the content that a change asked for, with the targets of its links ("Type/id") in their
// places, and its hash. Whoever makes a content makes it here: the projector, a rebuild from the feed, and Heal.
//
// Kind Conflict: there is not one target for each link. Kind Invalid: the links don't fit the content.
func FinalContent(change *events.Change, targets []string) (content []byte, hash events.Hash, err error) {
	if len(targets) != len(change.Links) {
		return nil, events.Hash{}, events.Errorf(events.Conflict, "functions.FinalContent", "it has %d links, and %d are recorded", len(change.Links), len(targets))
	}
	content = change.Content
	if len(targets) > 0 {
		edits := make([]fhir.Edit, len(targets))
		for i, link := range change.Links {
			edits[i] = fhir.Edit{Start: link.Start, End: link.End, New: targets[i]}
		}
		if content, err = fhir.Splice(content, edits); err != nil {
			return nil, events.Hash{}, err
		}
	}
	return content, sha256.Sum256(content), nil
}
