package postgres

import (
	"context"
	"time"

	"binnacle/events"
	"binnacle/projections"
	"binnacle/projections/index/reads"
)

// Keep stores a catalog's definitions.
func (g *Generations) Keep(ctx context.Context, catalog string, definitions []byte) error {
	there := false
	sql := "select exists (select 1 from " + g.control + "catalog where digest = $1)"
	if err := queryOn(ctx, g.work, "postgres.Keep", sql, []any{catalog},
		func(scan func(...any) error) error { return scan(&there) }); err != nil || there {
		return err
	}
	_, err := g.work.Exec(ctx, "insert into "+g.control+"catalog values ($1, $2) on conflict do nothing", catalog,
		definitions)
	return classify("postgres.Keep", err)
}

// Definitions returns what Keep has stored.
func (g *Generations) Definitions(ctx context.Context, catalog string) (definitions []byte, err error) {
	err = queryOn(ctx, g.work, "postgres.Definitions", "select definitions from "+g.control+"catalog where digest = $1",
		[]any{catalog},
		func(scan func(...any) error) error { return scan(&definitions) })
	if err == nil && definitions == nil {
		err = reads.NoDefinitions(catalog)
	}
	return definitions, err
}

// Auditor reads one generation.
func (g *Generations) Auditor(number int) projections.Auditor { return auditor{g.open(number)} }

// auditor reads one generation, if it is there.
type auditor struct{ *generation }

var _ projections.Auditor = auditor{}

func (a auditor) answer(err error) error {
	if isGone(err) {
		return events.Wrap(events.NotFound, "postgres.Auditor", err, "there is no generation %d", a.number)
	}
	return err
}

func (a auditor) Partitions(ctx context.Context) (map[int32]projections.State, error) {
	states, err := a.audit.Partitions(ctx)
	return states, a.answer(err)
}

func (a auditor) Scan(ctx context.Context, partition int32, visit func(projections.Version, events.Hash) error) error {
	return a.answer(a.audit.Scan(ctx, partition, visit))
}

func (auditor) Digests(rows []projections.Row) []events.Hash {
	return reads.Digests(dialect{}, rows)
}

func (a auditor) Quarantine(ctx context.Context, after events.Position, limit int) ([]projections.Quarantined, error) {
	found, err := a.audit.Quarantine(ctx, after, limit)
	return found, a.answer(err)
}

func (a auditor) Decisions(ctx context.Context, from events.Position, limit int) ([]events.Decision, error) {
	found, err := a.audit.Decisions(ctx, from, limit)
	return found, a.answer(err)
}

func (a auditor) Unsettled(ctx context.Context) (int64, time.Time, error) {
	count, oldest, err := a.audit.Unsettled(ctx)
	return count, oldest, a.answer(err)
}

func (a auditor) Sizes(ctx context.Context) (projections.Sizes, error) {
	sizes, err := a.sizes(ctx)
	return sizes, a.answer(err)
}
