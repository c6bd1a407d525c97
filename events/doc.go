// Package events says what happened.
//
// The log is the only truth: every write is one [Event] on it, and everything else that Binnacle keeps can be made
// again from the log. This package holds the envelope of an event, its written form ([Encode], [Decode]), the
// contracts of a log ([Log]) and of the feed of decisions beside it ([Feed]), and the error kinds that all rooms
// branch on. It imports nothing of ours.
package events
