package functions

import (
	"crypto/sha256"

	"binnacle/events"
	"binnacle/projections"
)

// FinalContent is what a version holds: the content that a change asked for, with the targets of its links
// ("Type/id") in their places, and its hash. Whoever makes a content makes it here: the projector, a rebuild from the
// feed, and Heal. The dialect is that of the change's event; a change without links needs none.
//
// Kind Conflict: there is not one target for each link. Kind Unsupported: there are links, and no dialect. Kind
// Invalid: the links don't fit the content.
func FinalContent(dialect projections.Dialect, change *events.Change, targets []string) (content []byte,
	hash events.Hash, err error) {
	if len(targets) != len(change.Links) {
		return nil, events.Hash{}, events.Errorf(events.Conflict, "functions.FinalContent",
			"it has %d links, and %d are recorded", len(change.Links), len(targets))
	}
	content = change.Content
	if len(targets) > 0 {
		if dialect == nil {
			return nil, events.Hash{}, events.Errorf(events.Unsupported, "functions.FinalContent",
				"it has links, and its dialect is not known here")
		}
		if content, err = dialect.Resolve(change, targets); err != nil {
			return nil, events.Hash{}, err
		}
	}
	return content, sha256.Sum256(content), nil
}

// Extract makes the terms of a row's final content, as the projector does. After an error the row is as it was.
func Extract(dialect projections.Dialect, row *projections.Row, content []byte) error {
	return Guard("extracting its search terms", func() error {
		read, err := dialect.Read(content)
		if err != nil {
			return err
		}
		defer read.Release()
		extracted, err := read.Extract()
		if err != nil {
			return err
		}
		row.Terms, row.MainDate = extracted.Terms, extracted.MainDate
		return nil
	})
}
