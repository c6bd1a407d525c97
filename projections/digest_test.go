package projections

import (
	"testing"
	"time"

	"binnacle/events"
)

func TestADigestTellsRowsApartAndNotTheOrderOfTheirTerms(t *testing.T) {
	row := func(change func(*Row)) events.Hash {
		r := Row{Version: Version{Key: Key{"main", "Patient", "1"}, Sid: 1, Number: 1, Time: time.UnixMilli(5),
			Hash: events.Hash{1}}, MainDate: MinTime, Terms: []Term{
			{Param: "a", Kind: Token, System: "s", Code: "c"}, {Param: "b", Kind: Composite,
				Parts: []Term{{Kind: Number, Low: 1, High: 2}}}, {Param: "c", Kind: Date, Start: 1, End: 2},
		}}
		change(&r)
		return r.Digest()
	}
	plain := row(func(*Row) {})
	same := map[string]func(*Row){
		"another order":     func(r *Row) { r.Terms[0], r.Terms[2] = r.Terms[2], r.Terms[0] },
		"a term twice":      func(r *Row) { r.Terms = append(r.Terms, r.Terms[0]) },
		"another time zone": func(r *Row) { r.Time = r.Time.In(time.FixedZone("", 3600)) },
	}
	for name, change := range same {
		if row(change) != plain {
			t.Errorf("%s makes another digest", name)
		}
	}
	seen := map[events.Hash]string{plain: "the row as it is"}
	for name, change := range map[string]func(*Row){
		"another tenant": func(r *Row) { r.Tenant = "other" },
		"a moved border": func(r *Row) { r.Type, r.ID = "Patient1", "" }, "another sid": func(r *Row) { r.Sid = 2 },
		"another number": func(r *Row) { r.Number = 2 }, "another offset": func(r *Row) { r.Position.Offset = 1 },
		"another change": func(r *Row) { r.Change = 1 },
		"another time":   func(r *Row) { r.Time = time.UnixMilli(6) }, "another content": func(r *Row) { r.Hash[31] = 1 },
		"a deletion":        func(r *Row) { r.Deleted = true },
		"another main date": func(r *Row) { r.MainDate = 0 }, "another predecessor": func(r *Row) { r.Supersedes = 1 },
		"a term less":    func(r *Row) { r.Terms = r.Terms[:2] },
		"another system": func(r *Row) { r.Terms[0].System = "t" },
		"another part":   func(r *Row) { r.Terms[1].Parts[0].High = 3 },
		"another end":    func(r *Row) { r.Terms[2].End = 3 },
		"an identifier":  func(r *Row) { r.Terms[0].Identifier = true },
		"another kind":   func(r *Row) { r.Terms[0].Kind = Reference },
	} {
		digest := row(change)
		if other, have := seen[digest]; have {
			t.Errorf("%s has the digest of %s", name, other)
		}
		seen[digest] = name
	}
}
