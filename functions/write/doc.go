// Package write asks: it appends an event to the log, and tells what the projector made of it.
//
// It promises that nothing is appended while a part is away that the event needs to take effect, or while the projector
// is too far behind (ADR 18); and that whoever asked hears of the outcome, whichever process decides it. What it can't
// tell for certain has kind Unknown.
package write
