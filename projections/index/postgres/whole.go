package postgres

import (
	"context"
	"regexp"
	"strings"

	"binnacle/projections"
)

// Words of the statements that make a generation.
var (
	tableMade = regexp.MustCompile(`^table %(\w+) `)
	indexMade = regexp.MustCompile(`^(?:unique )?index (\w+) `)
)

// lacks names what a generation was made with and has not any more.
func (g *generation) lacks(ctx context.Context) ([]string, error) {
	there := map[string]bool{}
	err := queryOn(ctx, g.work, "postgres.Audit", "select c.relname::text, exists (select 1 from pg_index x where "+
		"x.indrelid = c.oid and x.indisprimary and x.indisvalid) "+
		"from pg_class c join pg_namespace s on s.oid = c.relnamespace where s.nspname = $1 and (c.relkind = 'r' or "+
		"c.relkind = 'i' and exists (select 1 from pg_index x where x.indexrelid = c.oid and x.indisvalid))",
		[]any{generationSchema(g.schema, g.number)}, func(scan func(...any) error) error {
			name, primary := "", false
			err := scan(&name, &primary)
			there[name], there[name+" primary"] = true, primary
			return err
		})
	if err != nil {
		return nil, err
	}
	var lacks []string
	index := func(name string) {
		if !there[name] {
			lacks = append(lacks, "the index "+g.tables+name)
		}
	}
	for statement := range strings.SplitSeq(generationTables, "\ncreate ") {
		if made := tableMade.FindStringSubmatch(statement); made != nil {
			switch name := made[1]; {
			case !there[name]:
				lacks = append(lacks, "the table "+g.tables+name)
			case strings.Contains(statement, "primary key") && !there[name+" primary"]:
				lacks = append(lacks, "the primary key of "+g.tables+name)
			}
		} else if made := indexMade.FindStringSubmatch(statement); made != nil {
			index(made[1])
		}
	}
	for _, made := range searchIndexes() {
		index(made.name)
	}
	return lacks, nil
}

func (g *generation) audited(ctx context.Context) (projections.Audit, error) {
	a, err := g.audit.Counted(ctx)
	if err == nil {
		a.Lacks, err = g.lacks(ctx)
	}
	return a, err
}

func (l *live) Audit(ctx context.Context) (projections.Audit, error) {
	return follow(ctx, l, func(g *generation) (projections.Audit, error) { return g.audited(ctx) })
}

func (a auditor) Audit(ctx context.Context) (projections.Audit, error) {
	audit, err := a.audited(ctx)
	return audit, a.answer(err)
}

func (b *building) Audit(ctx context.Context) (projections.Audit, error) { return b.audited(ctx) }
