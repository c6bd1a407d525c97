package projectionstest

import (
	"crypto/sha256"
	"fmt"
	"testing"
	"time"

	"binnacle/events"
	"binnacle/projections"
)

// benchTypes are the types of BenchmarkVersions: half of all versions are of the first, and the last is rare.
var benchTypes = func() (types []string) {
	for n := range 30 {
		types = append(types, fmt.Sprint("Type", n))
	}
	return types
}()

// versionRows makes n versions: of nine tenths of the resources one, of the others many, and few of another tenant.
func versionRows(first, n int, latest map[projections.Key]projections.Row) []projections.Row {
	began := time.Date(2024, 5, 1, 10, 0, 0, 0, time.UTC)
	rows := make([]projections.Row, n)
	for i := range rows {
		at := first + i
		key := projections.Key{Tenant: "main", Type: benchTypes[at%2*(at*7919%29)], ID: fmt.Sprintf("%08x-%d", at*40503, at)}
		if at%100 == 7 {
			key.Tenant = "other"
		}
		if at%10 == 3 {
			key.ID = fmt.Sprint(at * 31 % 5_000)
		}
		if at == 500 {
			key.Type = benchTypes[29]
		}
		before := latest[key]
		row := projections.Row{MainDate: projections.MinTime, Supersedes: before.Sid, Revives: before.Deleted,
			Version: projections.Version{Key: key, Sid: int64(at + 1), Number: before.Number + 1,
				Position: events.Position{Offset: int64(at)}, Time: began.Add(time.Duration(at/20) * time.Millisecond),
				Hash: sha256.Sum256([]byte(key.ID))}}
		if at%10 == 3 {
			latest[key] = row
		}
		rows[i] = row
	}
	return rows
}

// BenchmarkVersions measures pages of histories among many versions.
func BenchmarkVersions(b *testing.B, open func(t testing.TB) projections.Generations, versions int) {
	index := open(b).Live()
	latest := map[projections.Key]projections.Row{}
	const part = 5_000
	for at := 0; at < versions; at += part {
		rows := versionRows(at, part, latest)
		c := projections.Commit{Expect: int64(at), Next: int64(at + part), Rows: rows, Time: rows[part-1].Time}
		if err := index.Commit(b.Context(), c); err != nil {
			b.Fatal(err)
		}
	}
	var middle projections.Row // the one with the most versions of its type
	for key, row := range latest {
		if key.Type == benchTypes[0] && key.Tenant == "main" && row.Number > middle.Number {
			middle = row
		}
	}
	moment := time.Date(2024, 5, 1, 10, 0, 0, 0, time.UTC).Add(time.Duration(versions/40) * time.Millisecond)
	one := benchTypes[:1]
	for _, c := range []struct {
		name string
		span projections.Span
	}{
		{"a type, first page, counted", projections.Span{Types: one, Count: true}},
		{"a type, a page in the middle", projections.Span{Types: one, To: int64(versions / 2)}},
		{"a type, the oldest", projections.Span{Types: one, Oldest: true}},
		{"a type, since the middle, counted", projections.Span{Types: one, Since: moment, Count: true}},
		{"a type, at the middle", projections.Span{Types: one, At: moment}},
		{"a type, at the middle, counted", projections.Span{Types: one, At: moment, Count: true}},
		{"a rare type, first page, counted", projections.Span{Types: benchTypes[29:], Count: true}},
		{"all types, first page, counted", projections.Span{Types: benchTypes, Count: true}},
		{"all types, a page in the middle", projections.Span{Types: benchTypes, To: int64(versions / 2)}},
		{"all types of a small tenant, first page, counted",
			projections.Span{Tenant: "other", Types: benchTypes, Count: true}},
		{"one resource", projections.Span{Types: one, Key: middle.Key, Count: true}},
	} {
		b.Run(c.name, func(b *testing.B) {
			if c.span.Limit = 50; c.span.Tenant == "" {
				c.span.Tenant = "main"
			}
			for b.Loop() {
				if _, err := index.Versions(b.Context(), c.span); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("a type, counted anew", func(b *testing.B) {
		for n := 0; b.Loop(); n++ {
			span := projections.Span{Tenant: "main", Types: one, Before: int64(versions - n), Limit: 50, Count: true}
			if _, err := index.Versions(b.Context(), span); err != nil {
				b.Fatal(err)
			}
		}
	})
}
