// Package step holds the steps by which a search finds versions: an index is walked in order ([Ask.WalkMain],
// [Ask.WalkValues], …), the rows of a clause are read and sorted ([Ask.Collect]), sets are combined ([Ask.Intersect])
// and the first of the matches picked. Which of them answers a search, package search chooses.
//
// It promises: what a step finds answers all clauses of its [Ask] at the snapshot, in the order asked for, beyond the
// place where the page before ended. A step never changes the Ask that it was given; what is found out about a clause
// is noted on its access.
package step
