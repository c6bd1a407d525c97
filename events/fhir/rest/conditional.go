package rest

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"binnacle/events"
)

// Copy is what a client tells of the copy that it has.
type Copy struct {
	Tags []string // the lines of If-None-Match
	// If-Modified-Since; zero without one and when it can't be read, which is ignored (RFC 9110, 13.1.3)
	Since time.Time
	Exact bool // Since is an instant, as a bundle has it; else it has whole seconds, as HTTP has it
}

// CopyOf reads the conditional headers of a read.
func CopyOf(header http.Header) Copy {
	return Copy{Tags: header["If-None-Match"], Since: timeOf(header.Get("If-Modified-Since"))}
}

// CopyOfEntry reads the conditions of a read that stands in a bundle: ifModifiedSince is an instant there (FHIR R4,
// bundle.html); one in the form of HTTP is understood, too.
func CopyOfEntry(ifNoneMatch, ifModifiedSince string) Copy {
	var copied Copy
	if ifNoneMatch != "" {
		copied.Tags = []string{ifNoneMatch}
	}
	since, err := time.Parse(time.RFC3339Nano, ifModifiedSince)
	if copied.Since, copied.Exact = since, err == nil; err != nil {
		copied.Since = timeOf(ifModifiedSince)
	}
	return copied
}

func timeOf(text string) time.Time {
	if text == "" {
		return time.Time{}
	}
	since, err := http.ParseTime(text)
	if err != nil {
		return time.Time{}
	}
	return since
}

// IsGood tells whether the copy is still good, so that the answer is 304: If-None-Match decides where it stands,
// If-Modified-Since else (RFC 9110, 13.2.2). Entity tags are compared weakly.
func (c *Copy) IsGood(etag string, modified time.Time) bool {
	if len(c.Tags) > 0 {
		for _, line := range c.Tags {
			if tagListed(line, etag) {
				return true
			}
		}
		return false
	}
	if !c.Exact {
		modified = modified.Truncate(time.Second)
	}
	return !c.Since.IsZero() && !modified.After(c.Since)
}

// tagListed tells whether a list of entity tags (RFC 9110, 8.8.3) names the tag, or is "*". Reading stops at the
// first thing that is no entity tag.
func tagListed(list, etag string) bool {
	if strings.Trim(list, " \t") == "*" {
		return true
	}
	opaque := strings.TrimPrefix(etag, "W/")
	list = strings.TrimLeft(list, " \t,")
	for ok := true; ok && list != ""; {
		var tag string
		if tag, list, ok = entityTag(list); ok && tag == opaque {
			return true
		}
	}
	return false
}

// entityTag takes the first entity tag off a list, without the mark of a weak one and with its quotes: "3". A bare 3
// is taken for a tag of its own.
func entityTag(list string) (tag, rest string, ok bool) {
	list = strings.TrimPrefix(list, "W/")
	var end int
	if strings.HasPrefix(list, `"`) {
		end = strings.IndexByte(list[1:], '"') + 2
		ok = end > 1
	} else {
		end = len(list) - len(strings.TrimLeft(list, "0123456789"))
		ok = end > 0
	}
	if !ok {
		return "", "", false
	}
	tag, rest = list[:end], list[end:]
	after := strings.TrimLeft(rest, " \t,")
	return tag, after, after == "" || strings.Contains(rest[:len(rest)-len(after)], ",")
}

// matchedVersions is how many versions an If-Match may name.
const matchedVersions = 100

// Listed is a header that is a list: its lines are one list (RFC 9110, 5.3).
func Listed(header http.Header, name string) string { return strings.Join(header.Values(name), ", ") }

// HeaderPreconditions reads the preconditions of a single write. A header that is there and empty is refused: as no
// precondition it would let pass what it should hold back. So is one that would not be read.
func HeaderPreconditions(change *events.Change, header http.Header) error {
	for _, unread := range [...]struct{ name, instead string }{
		{"If-Unmodified-Since", "If-Match with the version that you know"},
		{"If-None-Exist", "a search in the URL (a conditional update), or POST (a conditional create)"},
	} {
		if len(header.Values(unread.name)) > 0 {
			return invalid("%s is not offered on this write; use %s", unread.name, unread.instead)
		}
	}
	names := []string{"If-Match", "If-None-Match"}
	if change.Operation == events.Delete {
		names = names[:1]
	}
	lists := make([]string, 2)
	for n, name := range names {
		lists[n] = Listed(header, name)
		if len(header.Values(name)) > 0 && strings.Trim(lists[n], ", \t") == "" {
			return invalid("%s is empty; give it a value, or leave it out", name)
		}
	}
	return Preconditions(change, lists[0], lists[1])
}

// Preconditions reads If-Match and If-None-Match into a change. Of a list any version may be the current one (RFC
// 9110, 13.1.1). A tag that is none of this server's names a version that nothing has; when it stands alone the
// precondition has failed.
func Preconditions(change *events.Change, ifMatch, ifNoneMatch string) error {
	if err := matching(change, strings.TrimSpace(ifMatch)); err != nil {
		return err
	}
	switch strings.TrimSpace(ifNoneMatch) {
	case "":
	case "*":
		change.IfNoneMatch = true
	default:
		return invalid("If-None-Match: %.60q is not offered on a write; * is: write only when nothing is there",
			ifNoneMatch)
	}
	return nil
}

func matching(change *events.Change, list string) error {
	switch list {
	case "":
		return nil
	case "*":
		change.IfMatch = events.IfMatchAny
		return nil
	}
	var versions []int64
	for rest := list; rest != ""; {
		tag, after, ok := entityTag(rest)
		if !ok {
			return invalid(`If-Match: %.60q is no list of versions; write W/"3" for version 3, more of them with `+
				`commas between, or *`, list)
		}
		tag = strings.Trim(tag, `"`)
		if number, err := strconv.ParseInt(tag, 10, 64); err == nil && number > 0 &&
			strconv.FormatInt(number, 10) == tag {
			versions = append(versions, number)
		}
		rest = after
	}
	slices.Sort(versions)
	versions = slices.Compact(versions)
	switch {
	case len(versions) == 0:
		return events.Errorf(events.Precondition, op,
			`If-Match: %.60q names no version of this server; they are W/"1", W/"2" and so on: read the resource `+
				`and take its ETag`, list)
	case len(versions) > matchedVersions:
		return invalid("If-Match names %d versions; the most is %d", len(versions), matchedVersions)
	}
	change.IfMatch = versions[len(versions)-1]
	if len(versions) > 1 {
		change.IfMatchOr = versions[:len(versions)-1]
	}
	return nil
}

// op is who refuses a request for what its headers say.
const op = "rest.Headers"

func invalid(format string, args ...any) *events.Error {
	return events.Errorf(events.Invalid, op, format, args...)
}
