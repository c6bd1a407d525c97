package fhir

import (
	"slices"
	"strconv"
	"time"

	"binnacle/events"
)

// Stamp appends content to dst with what the server says of it: id, meta.versionId and meta.lastUpdated (RFC 3339,
// UTC, milliseconds). Values that are there are replaced where they stand. An id that is not there goes behind
// resourceType, a meta behind the id, and what meta lacks goes first in meta. All other bytes stay as they are:
// numbers, white space, order, escapes.
//
// Stamping what was stamped before gives the same as stamping the original. content must have been accepted by
// [ResourceOf]; for bytes in which the places can't be found the error is of kind Internal. Values other than meta
// are skipped, not parsed, and nothing is looked at once id and meta are found.
func Stamp(dst, content []byte, id string, version int64, lastUpdated time.Time) ([]byte, error) {
	p, err := findPlaces(content)
	if err != nil {
		return nil, err
	}
	dst = slices.Grow(dst, len(content)+len(id)+100)
	at := 0
	for _, e := range p.list[:p.n] {
		dst = append(dst, content[at:e.start]...)
		at = e.end
		dst = append(dst, e.before...)
		switch e.value {
		case stampID:
			dst = AppendString(dst, id)
		case stampVersion:
			dst = append(dst, '"')
			dst = strconv.AppendInt(dst, version, 10)
			dst = append(dst, '"')
		case stampTime:
			dst = appendInstant(dst, lastUpdated)
		}
		dst = append(dst, e.after...)
	}
	return append(dst, content[at:]...), nil
}

// stampValue is one of the three values that the server says.
type stampValue uint8

const (
	stampID stampValue = iota
	stampVersion
	stampTime
)

// place is where one value goes: it replaces the bytes [start,end) of the content, between two fixed texts.
type place struct {
	start, end    int
	value         stampValue
	before, after string
}

// places are the three, in the order of the content.
type places struct {
	list [3]place
	n    int
}

// put inserts a place before those that come later in the content, behind those at the same position.
func (p *places) put(e place) {
	i := p.n
	for ; i > 0 && p.list[i-1].start > e.start; i-- {
		p.list[i] = p.list[i-1]
	}
	p.list[i] = e
	p.n++
}

// span is a range of bytes; the zero span is absent.
type span struct{ start, end int }

func (s span) exists() bool { return s.end > 0 }

// findPlaces scans the top level of content and of its meta.
func findPlaces(content []byte) (places, error) {
	var p places
	var name, id, meta span
	m := objectAt(content, skipSpace(content, 0))
	// Keys are unique, so nothing can follow that matters once both are found.
	for !(id.exists() && meta.exists()) && m.next() {
		switch {
		case m.is("id"):
			id = span{m.start, m.end}
		case m.is("meta"):
			meta = span{m.start, m.end}
		case m.is("resourceType"):
			name = span{m.start, m.end}
		}
	}
	if m.bad {
		return p, notAResource()
	}
	behindID := id.end // where a new meta goes
	switch {
	case id.exists():
		p.put(place{id.start, id.end, stampID, "", ""})
	case name.exists():
		behindID = name.end
		p.put(place{name.end, name.end, stampID, `,"id":`, ""})
	default:
		return p, notAResource()
	}
	if !meta.exists() {
		p.put(place{behindID, behindID, stampVersion, `,"meta":{"versionId":`, ""})
		p.put(place{behindID, behindID, stampTime, `,"lastUpdated":`, "}"})
		return p, nil
	}
	err := p.intoMeta(content, meta)
	return p, err
}

// intoMeta puts the two values that stand in meta.
func (p *places) intoMeta(content []byte, meta span) error {
	if string(content[meta.start:meta.end]) == "null" {
		p.put(place{meta.start, meta.start, stampVersion, `{"versionId":`, ""})
		p.put(place{meta.start, meta.end, stampTime, `,"lastUpdated":`, "}"})
		return nil
	}
	var version, updated span
	m := objectAt(content[:meta.end], meta.start)
	for m.next() {
		switch {
		case m.is("versionId"):
			version = span{m.start, m.end}
		case m.is("lastUpdated"):
			updated = span{m.start, m.end}
		}
	}
	if m.bad {
		return notAResource()
	}
	inside, comma := meta.start+1, ""
	if m.count > 0 {
		comma = ","
	}
	switch {
	case version.exists() && updated.exists():
		p.put(place{version.start, version.end, stampVersion, "", ""})
		p.put(place{updated.start, updated.end, stampTime, "", ""})
	case version.exists():
		p.put(place{version.start, version.end, stampVersion, "", ""})
		p.put(place{inside, inside, stampTime, `"lastUpdated":`, comma})
	case updated.exists():
		p.put(place{inside, inside, stampVersion, `"versionId":`, comma})
		p.put(place{updated.start, updated.end, stampTime, "", ""})
	default:
		p.put(place{inside, inside, stampVersion, `"versionId":`, ""})
		p.put(place{inside, inside, stampTime, `,"lastUpdated":`, comma})
	}
	return nil
}

func notAResource() error {
	return events.Errorf(events.Internal, "fhir.Stamp", "the content is no resource in JSON")
}

// appendInstant appends a FHIR instant as a JSON string; what is finer than a millisecond is dropped.
func appendInstant(dst []byte, t time.Time) []byte {
	return t.UTC().AppendFormat(dst, `"2006-01-02T15:04:05.000Z"`)
}
