package events

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// Kind is what a caller branches on; the text of an error is for people.
type Kind uint8

// The kinds. One table (package rest) maps a kind to an HTTP status and a FHIR issue code.
const (
	Internal      Kind = iota // a defect or an unclassified failure; its details go to the operator's log, never to a client
	Invalid                   // the input breaks a rule; say what, where and what to do
	NotFound                  // never known
	Gone                      // known and deleted
	Conflict                  // it contradicts the present state: integrity, a fence that was passed, an idempotency key in flight
	Precondition              // If-Match or If-None-Match does not hold
	TooLarge                  // over a limit of size
	TooCostly                 // over a limit of time or of work
	Unsupported               // well formed, known, and not offered here
	Transient                 // a part is away for now; the same call may work later
	Unknown                   // the effect was asked for and may still come about; ask again with the same idempotency key
	Reused                    // the idempotency key stands for another request
	Ambiguous                 // a condition matches several resources
	Unprocessable             // well formed, and can't be done to what is there: a patch that doesn't fit
)

var kindNames = [...]string{"internal", "invalid", "not found", "gone", "conflict", "precondition", "too large", "too costly", "unsupported", "transient", "unknown outcome", "idempotency key reused", "ambiguous", "unprocessable"}

func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return fmt.Sprintf("kind(%d)", uint8(k))
}

// Error is the one error type that crosses a contract.
type Error struct {
	Kind       Kind
	Op         string // who failed, as package.Function: "kafka.Append"
	Text       string // what, where and what to do; shown to the client unless Kind is Internal
	Expression string // the FHIRPath of the offending place, "Patient.birthDate" or "Bundle.entry[3]"; empty when there is none
	Err        error  // the cause; never shown to a client
}

func (e *Error) Error() string {
	s := e.Op
	if s != "" {
		s += ": "
	}
	s += e.Text
	if e.Text == "" {
		s += e.Kind.String()
	}
	if e.Expression != "" && !strings.Contains(e.Text, e.Expression) {
		s += " (at " + e.Expression + ")"
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

func (e *Error) Unwrap() error { return e.Err }

// Errorf makes an [Error] of a kind. The text follows fmt.Sprintf; a cause is added with [Wrap].
func Errorf(kind Kind, op, format string, args ...any) *Error {
	return &Error{Kind: kind, Op: op, Text: fmt.Sprintf(format, args...)}
}

// Wrap makes an [Error] of a kind from a cause.
func Wrap(kind Kind, op string, err error, format string, args ...any) *Error {
	return &Error{Kind: kind, Op: op, Text: fmt.Sprintf(format, args...), Err: err}
}

// At gives the error the FHIRPath of the offending place and returns it.
func (e *Error) At(expression string) *Error {
	e.Expression = expression
	return e
}

// KindOf tells the kind of an error: the outermost [Error] decides; a context that ended is Transient; anything else is
// Internal.
func KindOf(err error) Kind {
	var e *Error
	switch {
	case errors.As(err, &e):
		return e.Kind
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return Transient
	}
	return Internal
}

// TextOf is what an error tells a client: the text of the outermost [Error], else all of it.
func TextOf(err error) string {
	var e *Error
	if errors.As(err, &e) {
		return e.Text
	}
	return err.Error()
}
