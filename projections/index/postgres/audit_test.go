package postgres

import (
	"strings"
	"testing"
)

func TestWhatWasRemovedFromAGenerationIsTold(t *testing.T) {
	g := open(t, config(t))
	mustCommit(t, g.Live(), newFeeder(0).commit(3))
	tables := g.tables(1)
	for name, c := range map[string]struct{ change, back, want string }{
		"an index": {"drop index %term_key", "create index term_key on %term (key, sort, ref)",
			"the index %term_key"},
		"an invalid one": {"update pg_index set indisvalid = false where indexrelid = '%span_key'::regclass",
			"update pg_index set indisvalid = true where indexrelid = '%span_key'::regclass", "the index %span_key"},
		"a primary key": {"alter table %outcome drop constraint outcome_pkey",
			"alter table %outcome add primary key (event)", "the primary key of %outcome"},
		"a table": {"drop table %claim", "create table %claim (name text primary key)", "the table %claim"},
	} {
		lacks := func() []string {
			t.Helper()
			audit, err := g.Live().Audit(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			return audit.Lacks
		}
		exec := func(sql string) {
			t.Helper()
			if _, err := g.work.Exec(t.Context(), strings.ReplaceAll(sql, "%", tables)); err != nil {
				t.Fatal(err)
			}
		}
		exec(c.change)
		if got, want := lacks(), strings.ReplaceAll(c.want, "%", tables); len(got) != 1 || got[0] != want {
			t.Errorf("%s: it lacks %q, want %q", name, got, want)
		}
		exec(c.back)
		if got := lacks(); len(got) > 0 {
			t.Errorf("%s: when it is back it lacks %q", name, got)
		}
	}
}
