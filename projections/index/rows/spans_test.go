package rows

import (
	"testing"

	"binnacle/projections"
	"binnacle/projections/index/keys"
)

func TestTheDictionaryTellsOfDatesWithSeveralValues(t *testing.T) {
	date := func(param string, start int64) projections.Term {
		return projections.Term{Param: param, Kind: projections.Date, Start: start, End: start + keys.ShortSpan}
	}
	version := func(sid int64, terms ...projections.Term) projections.Row {
		return projections.Row{Version: projections.Version{Key: projections.Key{Tenant: "main", Type: "Patient",
			ID: "1"}, Sid: sid}, Terms: terms}
	}
	marks := func(rows *Rows) map[int64]bool {
		found := map[int64]bool{}
		for _, c := range rows.Codings {
			found[c.Param] = true
		}
		return found
	}
	var h keys.Hasher
	const partition = 3
	first := keys.FirstSid(partition)
	marked := h.Of(first, keys.RoleMarked)
	several := func(param string) int64 {
		return h.Of(h.Param(keys.Ledger("main", "Patient"), param), keys.RoleSeveral)
	}

	m := NewMaker(allTerms{})
	found := marks(m.Rows([]projections.Row{version(first, date("one", 0), date("two", 0),
		date("two", keys.ShortSpan))}))
	if !found[marked] || found[several("one")] || !found[several("two")] {
		t.Errorf("with the first version of a partition: marked %t, one %t, two %t; want true, false, true",
			found[marked], found[several("one")], found[several("two")])
	}
	m.Committed()
	found = marks(m.Rows([]projections.Row{version(first+1, date("one", 0), date("one", 1), date("two", 0),
		date("two", 1))}))
	if found[marked] || !found[several("one")] || found[several("two")] {
		t.Errorf("with the second version: marked %t, one %t, two %t; want false, true, and false for what is there already", found[marked], found[several("one")], found[several("two")])
	}
	if found = marks(NewMaker(allTerms{}).Rows([]projections.Row{version(first + 1)})); found[marked] {
		t.Error("a partition whose first version was not marked counts as marked")
	}
}
