package catalog

import (
	"fmt"

	"binnacle/events"
)

// refusal says why a parameter is not taken.
type refusal struct {
	kind    events.Kind
	text    string // begins with the parameter as written
	dropped bool   // a lenient reader leaves the parameter out and says so; else it is refused whatever the handling
	unknown bool   // the type has no such parameter
}

func (r *refusal) error() *events.Error {
	return events.Errorf(r.kind, "catalog.ParseQuery", "%s", r.text)
}

func refuse(kind events.Kind, param, format string, args ...any) *refusal {
	return &refusal{kind: kind, text: fmt.Sprintf("%.100s: %s", param, fmt.Sprintf(format, args...))}
}

// invalid refuses what is malformed.
func invalid(param, format string, args ...any) *refusal {
	return refuse(events.Invalid, param, format, args...)
}

// tooCostly refuses what is beyond a limit.
func tooCostly(param, format string, args ...any) *refusal {
	return refuse(events.TooCostly, param, format, args...)
}

// drop refuses what a lenient reader leaves out: Invalid for what is not known, Unsupported for a form of the answer
// that is not offered.
func drop(kind events.Kind, param, format string, args ...any) *refusal {
	r := refuse(kind, param, format, args...)
	r.dropped = true
	return r
}
