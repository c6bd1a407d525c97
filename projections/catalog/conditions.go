package catalog

import (
	"strings"
	"sync"

	"binnacle/projections"
)

// conditionsKept bounds the parsed conditions that are remembered: an import asks for a few hundred of its
// practitioners over and over.
const conditionsKept = 2_000

// Conditions parses conditions and remembers what they mean. It is safe for concurrent use.
type Conditions struct {
	catalog *Catalog

	mu    sync.Mutex
	known map[conditionName]projections.Query
}

type conditionName struct{ tenant, name, text string }

// NewConditions makes Conditions of a catalog.
func NewConditions(c *Catalog) *Conditions {
	return &Conditions{catalog: c, known: make(map[conditionName]projections.Query)}
}

// Parse is [Catalog.ParseCondition]. The clauses that it returns are shared and must not be changed.
func (c *Conditions) Parse(tenant, name, text string) (projections.Query, error) {
	c.mu.Lock()
	query, known := c.known[conditionName{tenant, name, text}]
	c.mu.Unlock()
	if known {
		return query, nil
	}
	// What is kept must be no view of a document.
	key := conditionName{strings.Clone(tenant), strings.Clone(name), strings.Clone(text)}
	query, err := c.catalog.ParseCondition(key.tenant, key.name, key.text)
	if err != nil {
		return projections.Query{}, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.known) >= conditionsKept {
		clear(c.known)
	}
	c.known[key] = query
	return query, nil
}
