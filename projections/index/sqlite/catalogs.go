package sqlite

import (
	"context"
	"database/sql"
	"time"

	"binnacle/events"
	"binnacle/projections"
	"binnacle/projections/index/reads"
)

// Keep stores a catalog's definitions.
func (g *Generations) Keep(ctx context.Context, catalog string, definitions []byte) error {
	there := int64(0)
	if err := g.reader.Query(ctx, "select count(*) from index_catalog where digest = $1", []any{catalog},
		func(scan func(...any) error) error { return scan(&there) }); err != nil || there > 0 {
		return err
	}
	return g.file.Relaxed(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "insert or ignore into index_catalog values ($1, $2)", catalog, definitions)
		return err
	})
}

// Definitions returns what Keep has stored.
func (g *Generations) Definitions(ctx context.Context, catalog string) (definitions []byte, err error) {
	err = g.reader.Query(ctx, "select definitions from index_catalog where digest = $1", []any{catalog},
		func(scan func(...any) error) error { return scan(&definitions) })
	if err == nil && definitions == nil {
		err = reads.NoDefinitions(catalog)
	}
	return definitions, err
}

// auditor reads one generation, if it is there.
type auditor struct {
	*Generations
	number int
}

var _ projections.Auditor = auditor{}

func (a auditor) there(ctx context.Context) (*generation, error) {
	found := int64(0)
	err := a.reader.Query(ctx, "select count(*) from index_generation where number = $1", []any{int64(a.number)},
		func(scan func(...any) error) error { return scan(&found) })
	if err == nil && found == 0 {
		err = events.Errorf(events.NotFound, "sqlite.Auditor", "there is no generation %d", a.number)
	}
	if err != nil {
		return nil, err
	}
	return a.open(a.number), nil
}

func (a auditor) Partitions(ctx context.Context) (map[int32]projections.State, error) {
	g, err := a.there(ctx)
	if err != nil {
		return nil, err
	}
	return g.reads.Partitions(ctx)
}

func (a auditor) Scan(ctx context.Context, partition int32, visit func(projections.Version, events.Hash) error) error {
	g, err := a.there(ctx)
	if err != nil {
		return err
	}
	return g.reads.Scan(ctx, partition, visit)
}

func (*live) Digests(rows []projections.Row) []events.Hash { return reads.Digests(dialect{}, rows) }

func (auditor) Digests(rows []projections.Row) []events.Hash {
	return reads.Digests(dialect{}, rows)
}

func (a auditor) Quarantine(ctx context.Context, after events.Position, limit int) ([]projections.Quarantined, error) {
	g, err := a.there(ctx)
	if err != nil {
		return nil, err
	}
	return g.reads.Quarantine(ctx, after, limit)
}

func (a auditor) Decisions(ctx context.Context, from events.Position, limit int) ([]events.Decision, error) {
	g, err := a.there(ctx)
	if err != nil {
		return nil, err
	}
	return g.reads.Decisions(ctx, from, limit)
}

func (a auditor) Unsettled(ctx context.Context) (int64, time.Time, error) {
	g, err := a.there(ctx)
	if err != nil {
		return 0, time.Time{}, err
	}
	return g.reads.Unsettled(ctx)
}

func (a auditor) Sizes(ctx context.Context) (projections.Sizes, error) {
	g, err := a.there(ctx)
	if err != nil {
		return projections.Sizes{}, err
	}
	return g.sizes(ctx)
}
