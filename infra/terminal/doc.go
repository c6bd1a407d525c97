// Package terminal is what people read of a command: its output, progress with rate and time left, errors as sentences,
// the version.
package terminal
