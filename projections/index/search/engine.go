package search

import (
	"binnacle/projections/index/sets"
	"binnacle/projections/index/sql"
)

// Engine answers the searches of a generation.
type Engine struct{ Shared }

// NewEngine returns an Engine that knows nothing yet. What it holds in memory it reads on db; see [sets.New].
func NewEngine(db sql.DB, bounds sets.Bounds) Engine {
	return Engine{Shared{Counts: NewCounts(), Sets: sets.New(db, bounds), Bounds: bounds}}
}
