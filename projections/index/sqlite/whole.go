package sqlite

import (
	"context"
	"strings"

	"binnacle/projections"
)

// spelled makes statements comparable: SQLite keeps the text of those that have made a table or an index, but for their
// beginning.
func spelled(statement string) string {
	return strings.Replace(strings.ToLower(strings.Join(strings.Fields(statement), " ")), "index if not exists ",
		"index ", 1)
}

// lacks names what a generation was made with and has not any more, or has otherwise.
func (g *generation) lacks(ctx context.Context) ([]string, error) {
	there := map[string]bool{}
	err := g.reader.Query(ctx, "select sql from sqlite_schema where sql is not null", nil,
		func(scan func(...any) error) error {
			statement := ""
			err := scan(&statement)
			there[spelled(statement)] = true
			return err
		})
	if err != nil {
		return nil, err
	}
	var lacks []string
	made := strings.Split(strings.ReplaceAll(generationTables, "%", prefix(g.number)), ";")
	for _, index := range laterIndexes() {
		made = append(made, index.create(g.number))
	}
	for _, statement := range made {
		if statement = spelled(statement); !there[statement] {
			what, _, _ := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(statement, "create "), "unique "), "(")
			lacks = append(lacks, "the "+strings.TrimSpace(what)+" as it was made")
		}
	}
	return lacks, nil
}

func (g *generation) audited(ctx context.Context) (projections.Audit, error) {
	a, err := g.reads.Counted(ctx)
	if err == nil {
		a.Lacks, err = g.lacks(ctx)
	}
	return a, err
}

func (l *live) Audit(ctx context.Context) (projections.Audit, error) {
	g, err := l.current(ctx)
	if err != nil {
		return projections.Audit{}, err
	}
	return g.audited(ctx)
}

func (a auditor) Audit(ctx context.Context) (projections.Audit, error) {
	g, err := a.there(ctx)
	if err != nil {
		return projections.Audit{}, err
	}
	return g.audited(ctx)
}

func (b *building) Audit(ctx context.Context) (projections.Audit, error) {
	if err := b.g.writer.readable(ctx, nil); err != nil {
		return projections.Audit{}, err
	}
	return b.g.audited(ctx)
}
