package search

import (
	"binnacle/projections/index/sets"
	"binnacle/projections/index/sql"
	"binnacle/projections/index/step"
)

// Engine answers the searches of a generation.
type Engine struct{ step.Shared }

// NewEngine returns an Engine that knows nothing yet. What it holds in memory it reads on db; see [sets.New].
func NewEngine(db sql.DB, bounds sets.Bounds) Engine {
	return Engine{step.Shared{Counts: step.NewCounts(), Sets: sets.New(db, bounds), Bounds: bounds}}
}
