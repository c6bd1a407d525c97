package histories

import (
	"strings"
	"time"

	"binnacle/events"
)

// The times that a version can't have been written before and after.
var (
	earliest = time.Date(1, time.January, 2, 0, 0, 0, 0, time.UTC)
	latest   = time.Date(9999, time.December, 31, 0, 0, 0, 0, time.UTC)
)

// moment is the resolution of times in an index.
const moment = time.Microsecond

// narrow takes a value of _at over: a time, or one with a prefix, as dates are searched (FHIR R4 search, 3.1.1.4.7).
// What several have in common counts.
func (r *Request) narrow(value string) error {
	text := value
	prefix := ""
	if len(text) > 2 && text[0] >= 'a' && text[0] <= 'z' {
		prefix, text = text[:2], text[2:]
	}
	from, until, err := readTime("_at", text)
	if err != nil {
		return err
	}
	switch prefix {
	case "", "eq":
	case "ge":
		until = latest
	case "gt", "sa":
		from, until = until, latest
	case "le":
		from = earliest
	case "lt", "eb":
		from, until = earliest, from
	default:
		return events.Errorf(events.Invalid, op, "_at takes the prefixes eq, ge, gt, sa, le, lt and eb, not %q", prefix)
	}
	if r.span.At.IsZero() {
		r.span.At, r.span.Until = from, until
	}
	if from.After(r.span.At) {
		r.span.At = from
	}
	if until.Before(r.span.Until) {
		r.span.Until = until
	}
	if !r.span.At.Before(r.span.Until) {
		return events.Errorf(events.Invalid, op, "the times of _at have no moment in common")
	}
	return nil
}

// readTime reads an instant, or a date: its first moment in UTC, and the first moment after it. A plus sign that the
// client did not escape has become a space.
func readTime(name, text string) (from, until time.Time, err error) {
	for _, form := range [...]struct {
		layout              string
		years, months, days int
	}{{layout: time.RFC3339Nano}, {"2006-01-02", 0, 0, 1}, {"2006-01", 0, 1, 0}, {"2006", 1, 0, 0}} {
		t, err := time.Parse(form.layout, strings.Replace(text, " ", "+", 1))
		if err != nil {
			continue
		}
		if until = t.AddDate(form.years, form.months, form.days); !until.After(t) {
			until = t.Add(moment)
		}
		return t, until, nil
	}
	return from, until, events.Errorf(events.Invalid, op,
		"%s must be a date, or an instant with a zone, as in 2026-03-01 and 2026-03-01T08:00:00Z, not %.40q", name,
		text)
}
