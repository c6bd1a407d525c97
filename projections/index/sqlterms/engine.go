package sqlterms

import (
	"binnacle/projections/index/sql"
)

// Engine is what the searches of a generation share: what is known of its rows, and the bounds of the planner.
type Engine struct {
	Counts *Counts // nil: each search counts for itself
	Sets   *Sets   // nil: every search reads rows
	Bounds Bounds
}

// NewEngine returns an Engine that knows nothing yet. What it holds in memory it reads on db; see [NewSets].
func NewEngine(db sql.DB, bounds Bounds) Engine {
	return Engine{Counts: NewCounts(), Sets: NewSets(db, bounds), Bounds: bounds}
}
