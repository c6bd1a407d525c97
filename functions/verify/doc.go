// Package verify compares what happened with what is: every version that the log tells of is in the index, with its
// content in the blob store under its hash and with the terms that the content gives, and nothing else is there.
//
// It promises that a report names what is wrong, that a writer beside it raises no alarm, and that a repair puts back
// what the log says and nothing else (ADR 29).
package verify
