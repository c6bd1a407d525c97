// Package search answers queries over the tables of a generation, for both SQL drivers ([Engine]). It decides how:
// which order is walked, which clauses are read, which sets in memory are combined.
//
// It promises: a search sees the versions that were current at its snapshot, whatever is written meanwhile, in the
// order of projections.Compare, and finds what projections.Matches finds; what it cannot answer within its bounds it
// refuses.
package search
