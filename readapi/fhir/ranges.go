package fhir

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// rangesOf reads the lines of a Range header for a content of size bytes, and returns one that http.ServeContent reads
// in the same way. "": there is none, or one that is passed over, because its unit is another or it is malformed
// (RFC 9110, 14.2). One of which nothing is there still asks for nothing that is there.
func rangesOf(lines []string, size int64) string {
	if len(lines) != 1 || size == 0 {
		return ""
	}
	unit, set, _ := strings.Cut(lines[0], "=")
	if !strings.EqualFold(unit, "bytes") {
		return ""
	}
	var ranges []string
	asked := false
	for spec := range strings.SplitSeq(set, ",") {
		if spec = strings.Trim(spec, " \t"); spec == "" {
			continue
		}
		first, behind, ok := rangeOf(spec, size)
		if !ok {
			return ""
		}
		if asked = true; first < behind {
			ranges = append(ranges, fmt.Sprintf("%d-%d", first, behind-1))
		}
	}
	switch {
	case !asked:
		return ""
	case len(ranges) == 0:
		return fmt.Sprintf("bytes=%d-", size)
	}
	return "bytes=" + strings.Join(ranges, ",")
}

// rangeOf reads one range: its first byte, and the one behind its last. Nothing of it is there: first is not before
// behind. ok is false for a range that is malformed.
func rangeOf(spec string, size int64) (first, behind int64, ok bool) {
	from, to, found := strings.Cut(spec, "-")
	switch {
	case !found || from == "" && to == "":
		return 0, 0, false
	case from == "": // the last bytes
		many, ok := place(to)
		return max(0, size-many), size, ok
	}
	first, ok = place(from)
	if to == "" || !ok {
		return first, size, ok
	}
	last, ok := place(to)
	return first, min(last, size-1) + 1, ok && first <= last
}

// place reads a number of bytes; one that is too large for a file is the largest.
func place(digits string) (int64, bool) {
	n, err := strconv.ParseUint(digits, 10, 63)
	return int64(n), err == nil || errors.Is(err, strconv.ErrRange) //nolint:gosec // it has 63 bits
}
