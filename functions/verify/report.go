package verify

import (
	"fmt"
	"time"
)

// TypeCount counts one resource type.
type TypeCount struct {
	Resources int64 `json:"resources"` // that are not deleted
	Versions  int64 `json:"versions"`  // deletions included
}

// PartitionReport compares one partition of the log with what was projected of it.
type PartitionReport struct {
	Partition int32 `json:"partition"`
	First     int64 `json:"first"`     // offset that the log still begins with
	Next      int64 `json:"next"`      // offset that the next record will get
	Projected int64 `json:"projected"` // offset of the next record to be projected
	Versions  int64 `json:"versions"`
}

// Report is what Verify found.
type Report struct {
	OK         bool                 `json:"ok"`
	Partitions []PartitionReport    `json:"partitions"`
	Types      map[string]TypeCount `json:"types"`
	Resources  int64                `json:"resources"` // that are not deleted
	Versions   int64                `json:"versions"`  // deletions included
	Contents   int64                `json:"contents"`  // versions whose content is there and right
	Bytes      int64                `json:"bytes"`     // of those contents
	Missing    int64                `json:"missing"`   // versions without content
	Wrong      int64                `json:"wrong"`     // versions whose content is damaged
	Repaired   int64                `json:"repaired"`  // of those two
	// contents that no version has; harmless, and part of a batch that was not committed
	Orphans     int64 `json:"orphans"`
	Quarantined int64 `json:"quarantined"` // records that could not be projected
	Open        int64 `json:"open"`        // of those; nobody has handled them
	// versions whose search terms in the index were held against those of their content; with Deep
	TermsCompared int64 `json:"terms_compared"`
	TermsDiffer   int64 `json:"terms_differ"` // of those
	// another version of the program made the index and extracted otherwise: not compared
	TermsSkipped bool `json:"terms_skipped"`
	// of the log that were accepted or refused, without repetitions and what is in quarantine; with Deep
	Events       int64    `json:"events"`
	Accepted     int64    `json:"accepted"`      // of those; with Deep
	Refused      int64    `json:"refused"`       // of those; with Deep
	Problems     []string `json:"problems"`      // at most 100
	MoreProblems int64    `json:"more_problems"` // that are not told one by one
	// at most 100: a warning, the index is what the log makes of it
	Dependents     []Dependent   `json:"dependents"`
	MoreDependents int64         `json:"more_dependents"` // that are not told one by one
	Elapsed        time.Duration `json:"elapsed_ns"`
}

// Lines tells the report to people.
func (r *Report) Lines() []string {
	var lines []string
	add := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
	for _, p := range r.Partitions {
		add("log partition %d: offsets %d to %d, projected to %d, %d versions", p.Partition, p.First, p.Next,
			p.Projected, p.Versions)
	}
	add("%d resources in %d versions of %d types", r.Resources, r.Versions, len(r.Types))
	add("%d contents checked, %d bytes; %d missing, %d wrong, %d repaired, %d orphans", r.Contents, r.Bytes, r.Missing,
		r.Wrong, r.Repaired, r.Orphans)
	if r.Events > 0 {
		add("%d events in the log: %d accepted, %d refused", r.Events, r.Accepted, r.Refused)
	}
	switch {
	case r.TermsSkipped:
		add("WARNING: search terms were not compared: another version of the program made the index, which read the " +
			"search parameters differently; binnacle rebuild makes it anew")
	case r.TermsCompared > 0:
		add("search terms of %d versions compared with their contents, %d differ", r.TermsCompared, r.TermsDiffer)
	}
	add("%d records in quarantine, %d of them not handled", r.Quarantined, r.Open)
	for _, d := range r.Dependents {
		add("WARNING: %s/%s of tenant %s was changed at %s (version %d), after the record at %s that is in "+
			"quarantine and was to change it, too: what that record says may be missing in it; binnacle "+
			"quarantine show %s",
			d.Type, d.ID, d.Tenant, d.Position, d.Version, d.Record, d.Record)
	}
	if r.MoreDependents > 0 {
		add("WARNING: and %d more resources were changed after a record in quarantine that was to change them",
			r.MoreDependents)
	}
	for _, problem := range r.Problems {
		add("PROBLEM: %s", problem)
	}
	if r.MoreProblems > 0 {
		add("PROBLEM: and %d more", r.MoreProblems)
	}
	if r.OK {
		add("OK")
	} else {
		add("NOT OK")
	}
	return lines
}
