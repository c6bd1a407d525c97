// Package projections says what is: the contracts of the two projections, [Blobs] and [Index], and their words. What
// the contents of events mean it asks of a [Dialect].
//
// A projection is a cache of the log. It can be dropped at any moment. A replay of the log makes the same one again,
// down to the surrogate ids. The projector and a rebuild decide what it holds (functions/project, functions/rebuild).
// Three others write it and decide nothing: functions.Sweep removes rows that searches see no more (ADR 38);
// functions.Heal and functions/verify put back contents that the blob store has lost (ADR 4).
//
// State that is no version stands beside the projections as memos ([Memos], ADR 68).
package projections
