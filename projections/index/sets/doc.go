// Package sets is what the searches of a generation share in memory ([Memory]): of keys the versions that have them,
// as compressed bitmaps; which versions are superseded; the main dates of versions; the rows of ranges; and the
// strings of parameters. It knows keys and rows, and neither clauses nor searches: these name what they need ([Name],
// [Kind]), and read what has no rows of its own (what follows references) with functions that they hand over.
//
// A search opens a [View] of the sets of its partition at its snapshot. Where it is known what was superseded by
// then, it has a [Snapshot]. What is missing is read in the background, one thing after the other; a search that
// cannot do without waits for the reading of that very thing.
//
// It promises:
//
//   - what it tells is as exact as the tables: rows are only ever inserted, with ascending Sids, so what is known up to
//     a Sid is brought up to a later one by looking at the versions between alone;
//   - when all is forgotten, what is just being read is still told to those who wait for it, and not kept;
//   - all that it holds is counted and bounded ([Bounds]), what is being read and what waits to be read included;
//   - what it gives away (bitmaps, blocks, ranges) is replaced and never changed, so that it can be used without
//     holding anything. Whoever uses it must not change it.
package sets
