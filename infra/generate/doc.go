// Package generate makes many patients of few: test data of any size from bundles that Synthea wrote.
//
// A source bundle of type transaction is one patient with everything that refers to it; the others hold what many
// patients share: organizations, locations, practitioners. Each patient made is a copy of a source with ids of its own,
// all dates shifted by the same number of days, other digits in names and identifiers, and other fractions in measured
// values. Codes stay as they are, so they are spread as in the sources.
//
// It promises: the same sources and seed give the same bytes, patient by patient and in any order of asking; ids are
// unique; a reference that resolved in its source resolves in the copy. A [Generator] keeps the sources compressed, a
// patient is made in one buffer: memory does not grow with what is made.
package generate
