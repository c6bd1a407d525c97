package functions

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"binnacle/events"
)

// matchedVersions is how many versions an If-Match may name.
const matchedVersions = 100

// listed is a header that is a list: its lines are one list (RFC 9110, 5.3).
func listed(r *http.Request, name string) string { return strings.Join(r.Header.Values(name), ", ") }

// headerPreconditions reads the preconditions of a single write. A header that is there and empty is refused: as no precondition it would let pass
// what it should hold back.
func headerPreconditions(change *events.Change, r *http.Request) error {
	names := []string{"If-Match", "If-None-Match"}
	if change.Operation == events.Delete {
		names = names[:1]
	}
	lists := make([]string, 2)
	for n, name := range names {
		lists[n] = listed(r, name)
		if len(r.Header.Values(name)) > 0 && strings.Trim(lists[n], ", \t") == "" {
			return invalid("%s is empty; give it a value, or leave it out", name)
		}
	}
	return preconditions(change, lists[0], lists[1])
}

// preconditions reads If-Match and If-None-Match. Of a list any version may be the current one (RFC 9110, 13.1.1). A tag that is none of this server's
// names a version that nothing has; when it stands alone the precondition has failed.
func preconditions(change *events.Change, ifMatch, ifNoneMatch string) error {
	if err := matching(change, strings.TrimSpace(ifMatch)); err != nil {
		return err
	}
	switch strings.TrimSpace(ifNoneMatch) {
	case "":
	case "*":
		change.IfNoneMatch = true
	default:
		return invalid("If-None-Match: %.60q is not offered on a write; * is: write only when nothing is there", ifNoneMatch)
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
			return invalid(`If-Match: %.60q is no list of versions; write W/"3" for version 3, more of them with commas between, or *`, list)
		}
		if number, err := strconv.ParseInt(tag, 10, 64); err == nil && number > 0 && strconv.FormatInt(number, 10) == tag {
			versions = append(versions, number)
		}
		rest = after
	}
	slices.Sort(versions)
	versions = slices.Compact(versions)
	switch {
	case len(versions) == 0:
		return events.Errorf(events.Precondition, "functions.Door", `If-Match: %.60q names no version of this server; they are W/"1", W/"2" and so on: read the resource and take its ETag`, list)
	case len(versions) > matchedVersions:
		return invalid("If-Match names %d versions; the most is %d", len(versions), matchedVersions)
	}
	change.IfMatch = versions[len(versions)-1]
	if len(versions) > 1 {
		change.IfMatchOr = versions[:len(versions)-1]
	}
	return nil
}

// entityTag takes the first entity tag off a list (RFC 9110, 8.8.3): W/"3" and "3"; a bare 3 is taken for one.
func entityTag(list string) (tag, rest string, ok bool) {
	list = strings.TrimPrefix(list, "W/")
	if quoted, is := strings.CutPrefix(list, `"`); is {
		tag, rest, ok = strings.Cut(quoted, `"`)
	} else {
		end := len(list) - len(strings.TrimLeft(list, "0123456789"))
		tag, rest, ok = list[:end], list[end:], end > 0
	}
	after := strings.TrimLeft(rest, " \t,")
	return tag, after, ok && (after == "" || strings.Contains(rest[:len(rest)-len(after)], ","))
}
