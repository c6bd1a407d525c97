package fhir

import "binnacle/events"

// Edit replaces the bytes [Start,End) of a content by New, which must be written as the place wants it: inside the
// quotes of a JSON string the escaped form.
type Edit struct {
	Start, End int
	New        string
}

// Splice returns content with the edits done, in new memory; content itself when there are none. Edits must be
// ascending, not overlapping and inside the content; an error is of kind Invalid and says which one is not.
func Splice(content []byte, edits []Edit) ([]byte, error) {
	if len(edits) == 0 {
		return content, nil
	}
	size, at := len(content), 0
	for i, e := range edits {
		if e.Start < at || e.End < e.Start || e.End > len(content) {
			return nil, events.Errorf(events.Invalid, "fhir.Splice",
				"edit %d of the bytes %d to %d comes before byte %d or leaves the content of %d bytes", i, e.Start,
				e.End, at, len(content))
		}
		size += len(e.New) - (e.End - e.Start)
		at = e.End
	}
	spliced := make([]byte, 0, size)
	at = 0
	for _, e := range edits {
		spliced = append(spliced, content[at:e.Start]...)
		spliced = append(spliced, e.New...)
		at = e.End
	}
	return append(spliced, content[at:]...), nil
}
