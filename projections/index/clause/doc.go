// Package clause holds what the clauses of a query become: accesses, which say by which rows of the index a version
// answers a clause ([Access]). The [Resolver] makes them, by what the dictionaries of the index tell.
//
// An access has forms, one type each: keys, ranges, texts, times, versions by their Sids, links to what references lead
// to, and choices among groups of clauses. Each says how its rows are read (rows) and how one version is asked (probe).
// A clause may have several forms at once; then a version answers it that has a row of any of them.
//
// It promises that both ways find the same versions: those that projections.Matches finds, whether they are current or
// not. Which way costs less it doesn't know.
package clause
