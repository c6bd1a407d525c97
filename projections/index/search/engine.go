package search

import (
	"binnacle/projections/index/sets"
	"binnacle/projections/index/sql"
)

// Engine is what the searches of a generation share: what is known of its rows, and the bounds of the planner.
type Engine struct {
	Counts *Counts      // nil: each search counts for itself
	Sets   *sets.Memory // nil: every search reads rows
	Bounds sets.Bounds
}

// NewEngine returns an Engine that knows nothing yet. What it holds in memory it reads on db; see [sets.New].
func NewEngine(db sql.DB, bounds sets.Bounds) Engine {
	return Engine{Counts: NewCounts(), Sets: sets.New(db, bounds), Bounds: bounds}
}
