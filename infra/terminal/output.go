package terminal

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"binnacle/events"
)

// Output is where a command writes: answers to Out, progress and notes to Err.
type Output struct {
	Out, Err io.Writer
	In       io.Reader
}

// ErrQuiet ends a command with exit code 1 when everything there is to say has been said.
var ErrQuiet = fmt.Errorf("failed")

// UsageError is a wrong usage that the parser could not see.
type UsageError string

func (e UsageError) Error() string { return string(e) }

// Sentence is an error as an operator reads it: the causes are part of it, the places in the code are not.
func Sentence(err error) string {
	text := err.Error()
	if e, is := err.(*events.Error); is { //nolint:errorlint // every link of the chain comes by
		text = strings.TrimPrefix(text, e.Op+": ")
	}
	for _, cause := range causes(err) {
		text = strings.Replace(text, cause.Error(), Sentence(cause), 1)
	}
	return text
}

// causes are the errors that an error wraps.
func causes(err error) []error {
	if several, is := err.(interface{ Unwrap() []error }); is {
		return several.Unwrap()
	}
	if cause := errors.Unwrap(err); cause != nil {
		return []error{cause}
	}
	return nil
}

func Short(d time.Duration) string {
	switch {
	case d >= time.Second:
		return d.Round(10 * time.Millisecond).String()
	case d >= time.Millisecond:
		return d.Round(10 * time.Microsecond).String()
	}
	return d.Round(time.Microsecond).String()
}
