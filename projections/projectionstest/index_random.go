package projectionstest

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"binnacle/events"
	"binnacle/projections"
)

func (m maker) value(kind projections.Kind, modifier projections.Modifier, now int64) projections.Value {
	v := projections.Value{}
	prefix := projections.Prefix(m.IntN(int(projections.Ap) + 1))
	switch kind {
	case projections.Token:
		v.System, v.Code = m.system(), m.code()
		if m.IntN(3) == 0 {
			v.System, v.Code = "s", "final"
		}
		v.AnySystem, v.AnyCode = m.IntN(3) == 0, m.IntN(4) == 0
	case projections.Reference:
		v.System, v.Code = m.target()
		v.AnySystem = m.IntN(2) == 0
		if modifier == projections.IdentifierModifier {
			v.System, v.Code = m.system(), pick(m, "1", "mrn")
			v.AnyCode = !v.AnySystem && m.IntN(3) == 0
		}
	case projections.String:
		v.Text = m.text()
		if m.IntN(2) == 0 && len(v.Text) > 2 {
			v.Text = v.Text[:2]
		}
	case projections.URI:
		v.Text = m.uri()
	case projections.Date:
		v.Prefix = prefix
		v.Start, v.End = m.dates()
		if now != 0 {
			v.Start = now + int64(m.IntN(400)-300)*1_000
			v.End = v.Start + pick[int64](m, 1_000, 10_000, 100_000)
		}
	case projections.Number, projections.Quantity:
		v.Prefix = prefix
		v.Low, v.High = m.numbers()
		switch prefix {
		case projections.Gt, projections.Lt, projections.Ge, projections.Le:
			v.High = v.Low
		}
		if kind == projections.Quantity {
			v.System, v.Code, _ = m.unit()
			v.AnySystem = m.IntN(2) == 0
			v.AnyCode = m.IntN(4) == 0
		}
	}
	return v
}

// follow is a chain or a _has, and what describes the other end.
func (m maker) follow(ids int, now int64, depth int) projections.Clause {
	c := projections.Clause{Param: pick(m, "subject", "subject", "focus", "patient"), Kind: projections.Reference,
		Follow: &projections.Follow{Reverse: m.IntN(2) == 0}}
	for range pick(m, 1, 1, 1, 2) {
		t := projections.Target{Type: pick(m, "Patient", "Patient", "Observation", "Organization", "Group"),
			Shares: shares[c.Param]}
		if m.IntN(3) > 0 {
			t.Inside, t.Each = m.insideName(c.Param, t.Type), m.IntN(3) == 0
		}
		for range pick(m, 0, 1, 1, 1, 2) {
			t.Clauses = append(t.Clauses, m.clause(ids, now, depth+1))
		}
		c.Follow.Targets = append(c.Follow.Targets, t)
	}
	return c
}

func (m maker) clause(ids int, now int64, depth int) projections.Clause {
	switch m.IntN(15) {
	case 12, 13:
		if depth < 3 {
			return m.follow(ids, now, depth)
		}
	case 14:
		if depth < 3 {
			var c projections.Clause
			for range pick(m, 1, 2, 3) {
				c.Any = append(c.Any, m.clause(ids, now, depth+1))
			}
			return c
		}
	case 0:
		c := projections.Clause{Param: projections.ParamID, Kind: projections.Token,
			Modifier: pick(m, projections.NoModifier, projections.NoModifier, projections.Not)}
		for range 1 + m.IntN(30) {
			c.Values = append(c.Values, projections.Value{Code: fmt.Sprint(m.IntN(ids + 2))})
		}
		return c
	case 1:
		return projections.Clause{Param: projections.ParamLastUpdated, Kind: projections.Date,
			Values: []projections.Value{m.value(projections.Date, projections.NoModifier, now)}}
	}
	param := pick(m, "status", "code", "subject", "name", "url", "date", "period", "born", "begun", "probability",
		"value-quantity", "never",
		"focus", "code-quantity", "code-concept", "code-date", "related", "code-string", "variant",
		"phonetic", "when", "combo-code", "combo-quantity", "combo-code-quantity", "patient")
	kind := kinds[param]
	if param == "never" {
		kind = projections.Token
	}
	c := projections.Clause{Param: param, Kind: kind, Components: components[param], Shares: shares[param]}
	if m.IntN(6) == 0 {
		c.Modifier, c.Missing = projections.Missing, m.IntN(2) == 0
		return c
	}
	switch kind {
	case projections.Token:
		c.Modifier = pick(m, projections.NoModifier, projections.NoModifier, projections.Not)
	case projections.Reference:
		c.Modifier = pick(m, projections.NoModifier, projections.NoModifier, projections.Not,
			projections.IdentifierModifier)
	case projections.String:
		c.Modifier = pick(m, projections.NoModifier, projections.NoModifier, projections.Exact, projections.Contains)
	case projections.URI:
		c.Modifier = pick(m, projections.NoModifier, projections.Below, projections.Above)
	}
	for range pick(m, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 3, 3, 3, 9) {
		v := m.value(kind, c.Modifier, 0)
		for _, k := range c.Components {
			part := m.value(k, projections.NoModifier, 0)
			if k == projections.Token && m.IntN(3) > 0 {
				part = projections.Value{System: "s", Code: pick(m, "final", "draft")}
			}
			v.Parts = append(v.Parts, part)
		}
		c.Values = append(c.Values, v)
	}
	return c
}

func (m maker) sort() []projections.SortKey {
	if m.IntN(12) == 0 {
		return []projections.SortKey{{Param: "status", Kind: projections.Token, Descending: m.IntN(2) == 0},
			pick(m, projections.SortKey{Param: "date", Kind: projections.Date},
				projections.SortKey{Param: "begun", Kind: projections.Date, MainDate: true},
				projections.SortKey{Param: "date", Kind: projections.Date, Descending: true})}
	}
	var keys []projections.SortKey
	for range pick(m, 0, 0, 1, 1, 1, 2, 3) {
		param := pick(m, projections.ParamID, projections.ParamLastUpdated, "status", "code", "date", "begun", "period",
			"born", "name", "name", "never", "phonetic", "when", "combo-code")
		k := projections.SortKey{Param: param, Kind: kinds[param], Descending: m.IntN(2) == 0, Shares: shares[param],
			MainDate: param == "begun"}
		switch param {
		case projections.ParamID, "never":
			k.Kind = projections.Token
		case projections.ParamLastUpdated:
			k.Kind = projections.Date
		}
		keys = append(keys, k)
	}
	return keys
}

func (m maker) query(ids int, now int64) projections.Query {
	q := projections.Query{Tenant: "main", Type: "Observation", Limit: pick(m, 2, 3, 7, 50, 50), Sort: m.sort(),
		Total: projections.Total(m.IntN(4)), Explain: m.IntN(4) == 0}
	if q.Total == projections.TotalEstimate && m.IntN(2) == 0 {
		q.Total = projections.TotalAccurate
	}
	for range pick(m, 0, 1, 1, 2, 2, 3) {
		q.Clauses = append(q.Clauses, m.clause(ids, now, 0))
	}
	if m.IntN(10) == 0 { // the range that the order is by, alone or beside others
		q.Clauses = append(q.Clauses[:m.IntN(len(q.Clauses)+1)], projections.Clause{Param: "born",
			Kind: projections.Date, Values: []projections.Value{m.value(projections.Date, projections.NoModifier, 0)}})
		q.Sort = append([]projections.SortKey{{Param: "born", Kind: projections.Date, Descending: m.IntN(2) == 0}},
			m.sort()...)
	}
	if m.IntN(10) == 0 { // what the strings begin with that the order is by
		q.Clauses = append(q.Clauses[:m.IntN(len(q.Clauses)+1)],
			projections.Clause{Param: "name", Kind: projections.String,
				Values: []projections.Value{m.value(projections.String, projections.NoModifier, 0)}})
		q.Sort = append([]projections.SortKey{{Param: "name", Kind: projections.String, Descending: m.IntN(2) == 0}},
			m.sort()...)
	}
	return q
}

// ids are how many resources of a type there are, at the most.
const ids = 60

// scribble commits so many random changes.
func (w *world) scribble(m maker, changes int, wild bool) {
	for range changes {
		k := key(pick(m, "Observation", "Observation", "Observation", "Patient", "Organization"),
			fmt.Sprint(m.IntN(pick(m, 20, ids))))
		k.Tenant = pick(m, "main", "main", "main", "other")
		if before, known := w.current[k]; known && !before.Deleted && m.IntN(6) == 0 {
			w.remove(k)
			continue
		}
		terms, main := m.terms(wild)
		if m.IntN(4) > 0 { // no version has two
			terms = append(terms, m.term("born"))
		}
		terms = append(terms, m.begun(main)...)
		w.put(k, main, terms...)
	}
	w.commit()
}

// randomSearches holds random queries on random versions against the model; between their pages it writes and sweeps.
func randomSearches(t *testing.T, g projections.Generations, seed uint64, wild bool, partition int32, swept bool) {
	index := g.Live()
	m := maker{rand.New(rand.NewPCG(seed, 3))}
	w := newWorld(t, index, partition)
	write := func(n int) { w.scribble(m, n, wild) }
	for range 6 {
		write(25)
	}
	refused := 0
	for i := range 80 {
		q := m.query(ids, w.now.UnixMicro())
		q.Partition = partition
		// components that stand for very many codes
		if _, err := index.Search(testContext(t), q); events.KindOf(err) == events.TooCostly {
			if refused++; refused > 5 {
				t.Fatalf("%d of %d searches were refused, the last one with %v", refused, i+1, err)
			}
			continue
		}
		var between func()
		if m.IntN(12) == 0 {
			between = func() { // and somebody asks the same of what is new
				write(1 + m.IntN(3))
				now := q
				now.After, now.Snapshot = "", 0
				w.search(now)
			}
		}
		if swept {
			write, portion := between, portions(t, g)
			if m.IntN(3) == 0 {
				w.horizon(g)
			}
			between = func() {
				portion(1 + m.IntN(2))
				if write != nil {
					write()
				}
			}
			if m.IntN(4) == 0 {
				portion(1_000)
			}
		}
		if i%7 == 0 {
			chill(g)
		}
		found, first := w.all(q, between)
		w.compare(q, found, first)
		if i%3 == 0 {
			settle(t, g)
			w.check(q)
		}
		if i%20 == 0 {
			write(1 + m.IntN(5))
		}
	}
}
