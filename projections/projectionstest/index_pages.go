package projectionstest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"binnacle/events"
	"binnacle/projections"
)

func deletions(t *testing.T, g projections.Generations) {
	w := newWorld(t, g.Live(), 0)
	q := projections.Query{Tenant: "main", Type: "Observation", Limit: 10, Total: projections.TotalAccurate}
	count := func(want int) {
		t.Helper()
		w.check(q)
		if page := w.search(q); len(page.Versions) != want || page.Total != int64(want) {
			t.Fatalf("found %d, total %d, want %d", len(page.Versions), page.Total, want)
		}
		sizes, err := w.index.Sizes(testContext(t))
		if err != nil || sizes.Resources != int64(want) {
			t.Fatalf("Sizes = %+v, %v, want %d resources", sizes, err, want)
		}
	}
	w.observation("1")
	w.observation("2")
	w.commit()
	count(2)
	w.remove(key("Observation", "1"))
	w.commit()
	count(1)
	w.observation("1")
	w.remove(key("Observation", "2"))
	w.observation("2")
	w.remove(key("Observation", "2"))
	w.commit()
	count(1)
	w.observation("2")
	w.commit()
	count(2)
}

func stablePages(t *testing.T, g projections.Generations) {
	w := newWorld(t, g.Live(), 0)
	put := func(i, n int) {
		w.put(key("Observation", fmt.Sprint(i)), day(2020, 1, 1)+int64(i*n%17)*aDay,
			projections.Term{Param: "code", Kind: projections.Token, Code: fmt.Sprint("c", i%2)},
			projections.Term{Param: "status", Kind: projections.Token, Code: fmt.Sprint("s", i%5)},
			projections.Term{Param: "date", Kind: projections.Date, Start: day(2020, 1, 1) + int64(i*n%13)*aDay,
				End: day(2020, 1, 2) + int64(i*n%13)*aDay},
			projections.Term{Param: "name", Kind: projections.String, Text: fmt.Sprint("name", i*n%7)})
	}
	for i := range 60 {
		put(i, 1)
	}
	w.commit()
	round := 1
	change := func() {
		round++
		for i := range 60 {
			switch (i + round) % 4 {
			case 0:
				put(i, round)
			case 1:
				if before, known := w.current[key("Observation", fmt.Sprint(i))]; known && !before.Deleted {
					w.remove(before.Key)
				}
			}
		}
		put(100+round, round)
		w.commit()
	}
	for _, sort := range [][]projections.SortKey{
		nil, {{Param: "_lastUpdated", Kind: projections.Date}},
		{{Param: "_id", Kind: projections.Token, Descending: true}}, {{Param: "date", Kind: projections.Date}},
		{{Param: "name", Kind: projections.String, Descending: true}}, {{Param: "status", Kind: projections.Token}},
		{{Param: "status", Kind: projections.Token, Descending: true}, {Param: "date", Kind: projections.Date}},
	} {
		for _, clauses := range [][]projections.Clause{nil,
			{{Param: "code", Kind: projections.Token, Values: []projections.Value{{AnySystem: true, Code: "c1"}}}}} {
			q := projections.Query{Tenant: "main", Type: "Observation", Limit: 7, Sort: sort, Clauses: clauses,
				Total: projections.TotalAccurate}
			found, first := w.all(q, change)
			w.compare(q, found, first)
			again := q
			again.Snapshot = first.Snapshot
			w.compare(again, found, w.search(again))
		}
	}
}

// commonOrder reads the pages of a type that begin behind a version of another one, in the orders that types have in
// common.
func commonOrder(t *testing.T, g projections.Generations) {
	w := newWorld(t, g.Live(), 0)
	for i := range 40 {
		for _, of := range []string{"Observation", "Patient"} {
			w.put(key(of, fmt.Sprint((i*7)%31)), int64(i),
				projections.Term{Param: "code", Kind: projections.Token, Code: fmt.Sprint(i % 2)})
		}
		if i%3 == 0 {
			w.commit()
		}
	}
	w.commit()
	for _, sort := range []projections.SortKey{
		{Param: "_lastUpdated", Kind: projections.Date},
		{Param: "_lastUpdated", Kind: projections.Date, Descending: true},
		{Param: "_id", Kind: projections.Token}, {Param: "_id", Kind: projections.Token, Descending: true},
	} {
		for _, clauses := range [][]projections.Clause{nil,
			{{Param: "code", Kind: projections.Token, Values: []projections.Value{{AnySystem: true, Code: "1"}}}}} {
			q := projections.Query{Tenant: "main", Type: "Observation", Limit: 4, Sort: []projections.SortKey{sort},
				Clauses: clauses, Snapshot: w.sid}
			all := w.expect(q, w.sid)
			patients := q
			patients.Type, patients.Clauses = "Patient", nil
			for _, place := range slices.Concat(w.expect(patients, w.sid), all) {
				at := slices.IndexFunc(all, func(v projections.Version) bool {
					return projections.Compare(q, projections.Row{Version: v}, projections.Row{Version: place}) > 0
				})
				if at < 0 {
					at = len(all)
				}
				q.Beyond, q.Back = &projections.Place{Type: place.Type, Sid: place.Sid}, false
				page := w.search(q)
				if !slices.Equal(page.Versions, all[at:min(at+4, len(all))]) ||
					(page.Next == "") != (at+4 >= len(all)) {
					t.Fatalf("by %s behind %v: %v, want %v", sort.Param, place.Key, names(page.Versions),
						names(all[at:min(at+4, len(all))]))
				}
				if q.Back = true; !slices.Equal(w.search(q).Versions, all[max(0, at-4):at]) {
					t.Fatalf("by %s up to %v: %v, want %v", sort.Param, place.Key, names(w.search(q).Versions),
						names(all[max(0, at-4):at]))
				}
				if next := q; page.Next != "" {
					next.Beyond, next.Back, next.After = nil, false, page.Next
					if page := w.search(next); !slices.Equal(page.Versions, all[at+4:min(at+8, len(all))]) {
						t.Fatalf("by %s, the page after that behind %v: %v", sort.Param, place.Key,
							names(page.Versions))
					}
				}
			}
			q.Sort = []projections.SortKey{{Param: "name", Kind: projections.String}}
			_, err := w.index.Search(testContext(t), q)
			wantKind(t, err, events.Invalid, "a place of another type in an order that types do not have in common")
		}
	}
}

func totals(t *testing.T, g projections.Generations) {
	w := newWorld(t, g.Live(), 0)
	for i := range 30 {
		w.put(key("Observation", fmt.Sprint(i)), int64(i),
			projections.Term{Param: "code", Kind: projections.Token, Code: fmt.Sprint(i % 3)})
		w.put(key("Patient", fmt.Sprint(i)), int64(i))
	}
	w.commit()
	clauses := []projections.Clause{{Param: "code", Kind: projections.Token,
		Values: []projections.Value{{AnySystem: true, Code: "1"}, {AnySystem: true, Code: "2"}}}}
	for _, c := range []struct {
		what string
		q    projections.Query
		want int64
	}{
		{"a listing is counted", projections.Query{Limit: 5}, 30},
		{"a first page that is all", projections.Query{Limit: 20, Clauses: clauses}, 20},
		{"a larger result is not counted unasked", projections.Query{Limit: 19, Clauses: clauses}, -1},
		{"accurate", projections.Query{Limit: 5, Clauses: clauses, Total: projections.TotalAccurate}, 20},
		{"an estimate of few is exact", projections.Query{Limit: 5, Clauses: clauses, Total: projections.TotalEstimate},
			20},
		{"none", projections.Query{Limit: 5, Total: projections.TotalNone}, -1},
		{"only the total", projections.Query{Clauses: clauses}, 20},
		{"only the total of a listing", projections.Query{}, 30},
		{"only the total of nothing", projections.Query{Clauses: []projections.Clause{{Param: "code",
			Kind: projections.Token, Values: []projections.Value{{AnySystem: true, Code: "9"}}}}}, 0},
	} {
		c.q.Tenant, c.q.Type = "main", "Observation"
		page := w.search(c.q)
		if page.Total != c.want || len(page.Versions) > c.q.Limit {
			t.Errorf("%s: total %d with %d versions, want %d", c.what, page.Total, len(page.Versions), c.want)
		}
	}
	first := w.search(projections.Query{Tenant: "main", Type: "Observation", Limit: 5})
	for i := range 12 {
		switch i % 3 {
		case 0:
			w.remove(key("Observation", fmt.Sprint(i)))
		case 1:
			w.put(key("Observation", fmt.Sprint(i)), 5)
		case 2:
			w.put(key("Observation", fmt.Sprint("new", i)), 5)
		}
	}
	w.commit()
	next := w.search(projections.Query{Tenant: "main", Type: "Observation", Limit: 5, After: first.Next,
		Snapshot: first.Snapshot})
	if next.Total != 30 {
		t.Errorf("the total at the snapshot of the first page has become %d", next.Total)
	}
	if now := w.search(projections.Query{Tenant: "main", Type: "Observation", Limit: 5}); now.Total != 30 {
		t.Errorf("four deleted and four added: total %d, want 30", now.Total)
	}
}

func badTokens(t *testing.T, g projections.Generations) {
	w := newWorld(t, g.Live(), 0)
	for i := range 10 {
		w.put(key("Observation", fmt.Sprint(i)), int64(i))
	}
	w.commit()
	q := projections.Query{Tenant: "main", Type: "Observation", Limit: 3}
	token := w.search(q).Next
	if token == "" || len(token) > 40 {
		t.Fatalf("the page token %q is missing or long", token)
	}
	for _, bad := range []string{"x", "!", token + "A", token[:len(token)-1], strings.ToUpper(token) + token,
		"AAAAAAAAAAAA", token + "=", "\x00", strings.Repeat("A", 5000)} {
		q.After = bad
		_, err := w.index.Search(testContext(t), q)
		wantKind(t, err, events.Invalid, fmt.Sprintf("the token %.20q", bad))
		if !strings.Contains(err.Error(), "page token") {
			t.Errorf("the refusal of token %.20q does not name it: %v", bad, err)
		}
	}
	q.After = token
	for what, change := range map[string]func(q *projections.Query){
		"type":   func(q *projections.Query) { q.Type = "Patient" },
		"tenant": func(q *projections.Query) { q.Tenant = "other" },
		"sort":   func(q *projections.Query) { q.Sort = []projections.SortKey{{Param: "_id", Kind: projections.Token}} },
	} {
		other := q
		change(&other)
		_, err := w.index.Search(testContext(t), other)
		wantKind(t, err, events.Invalid, "the token of a search with another "+what)
	}
	q.Snapshot = 1<<projections.SidBits + 1
	_, err := w.index.Search(testContext(t), q)
	wantKind(t, err, events.Invalid, "the snapshot of another partition with a token")
	q.After = ""
	_, err = w.index.Search(testContext(t), q)
	wantKind(t, err, events.Invalid, "the snapshot of another partition")
}

func refusals(t *testing.T, g projections.Generations) {
	w := newWorld(t, g.Live(), 0)
	w.observation("1")
	w.commit()
	base := projections.Query{Tenant: "main", Type: "Observation", Limit: 3}
	for _, c := range []struct {
		what string
		kind events.Kind
		q    projections.Query
	}{
		{"value-quantity", events.Unsupported, projections.Query{Sort: []projections.SortKey{{Param: "value-quantity",
			Kind: projections.Quantity}}}},
		{"subject", events.Unsupported, projections.Query{Sort: []projections.SortKey{{Param: "subject",
			Kind: projections.Reference}}}},
		{"code-value", events.Invalid, projections.Query{Clauses: []projections.Clause{{Param: "code-value",
			Kind: projections.Composite, Values: []projections.Value{{}}}}}},
		{"code-near", events.Unsupported, projections.Query{Clauses: []projections.Clause{{Param: "code-near",
			Kind: projections.Composite, Components: []projections.Kind{projections.Token, projections.Special},
			Values: []projections.Value{{Parts: make([]projections.Value, 2)}}}}}},
		{"subject", events.Invalid, projections.Query{Clauses: []projections.Clause{{Param: "subject",
			Kind: projections.Reference, Follow: &projections.Follow{}}}}},
		{"near", events.Unsupported, projections.Query{Clauses: []projections.Clause{{Param: "near",
			Kind: projections.Special, Values: []projections.Value{{}}}}}},
		{"code", events.Invalid, projections.Query{Clauses: []projections.Clause{{Param: "code",
			Kind: projections.Token}}}},
	} {
		q := base
		q.Sort, q.Clauses = c.q.Sort, c.q.Clauses
		_, err := w.index.Search(testContext(t), q)
		wantKind(t, err, c.kind, "a search by "+c.what)
		if !strings.Contains(err.Error(), c.what) {
			t.Errorf("the refusal does not name %s: %v", c.what, err)
		}
	}
	base.Limit = -1
	_, err := w.index.Search(testContext(t), base)
	wantKind(t, err, events.Invalid, "a negative limit")
}

func manyAlternatives(t *testing.T, g projections.Generations) {
	w := newWorld(t, g.Live(), 0)
	for i := range 40 {
		w.put(key("Observation", fmt.Sprint(i)), int64(i),
			projections.Term{Param: "code", Kind: projections.Token, System: fmt.Sprint("s", i%4),
				Code: fmt.Sprint("c", i)},
			projections.Term{Param: "date", Kind: projections.Date, Start: int64(i), End: int64(i + 1)},
			projections.Term{Param: "subject", Kind: projections.Reference, System: "Patient", Code: fmt.Sprint(i)},
			projections.Term{Param: "name", Kind: projections.String, Text: fmt.Sprint("name", i, ".")})
	}
	w.commit()
	for i := range 9 { // what is superseded stays where it is
		w.put(key("Observation", fmt.Sprint(4*i)), int64(50+i), projections.Term{Param: "subject",
			Kind: projections.Reference, System: "Patient", Code: fmt.Sprint(4*i + 2)})
	}
	w.commit()
	clause := func(kind projections.Kind, n int) projections.Clause {
		c := projections.Clause{Param: map[projections.Kind]string{projections.Token: "code", projections.Date: "date",
			projections.Reference: "subject", projections.String: "name"}[kind], Kind: kind}
		for i := range n {
			c.Values = append(c.Values, projections.Value{AnySystem: true, Code: fmt.Sprint("c", i*2),
				Start: int64(i * 2), End: int64(i*2 + 1), Text: fmt.Sprint("name", i*2, ".")})
			if kind == projections.Reference {
				c.Values[i].Code = fmt.Sprint(i * 2)
			}
		}
		return c
	}
	for _, kind := range []projections.Kind{projections.Token, projections.Date, projections.Reference,
		projections.String} {
		for _, n := range []int{10, 17, 60} {
			for _, sort := range [][]projections.SortKey{nil, {{Param: "code", Kind: projections.Token}},
				{{Param: "name", Kind: projections.String, Descending: true}}} {
				w.check(projections.Query{Tenant: "main", Type: "Observation", Limit: 9, Sort: sort,
					Total: projections.TotalAccurate, Clauses: []projections.Clause{clause(kind, n)}})
			}
		}
		for _, other := range []projections.Clause{clause(projections.Token, 12), {Param: "date",
			Kind: projections.Date, Values: []projections.Value{{Prefix: projections.Lt, Start: 30, End: 31}}}} {
			for _, sort := range [][]projections.SortKey{nil, {{Param: "_lastUpdated"}},
				{{Param: "name", Kind: projections.String}}} {
				w.check(projections.Query{Tenant: "main", Type: "Observation", Limit: 4, Sort: sort,
					Total: projections.TotalAccurate, Clauses: []projections.Clause{clause(kind, 60), other}})
			}
		}
		q := projections.Query{Tenant: "main", Type: "Observation", Limit: 9,
			Clauses: []projections.Clause{clause(kind, 1_000)}}
		if page, err := w.index.Search(testContext(t), q); err != nil {
			wantKind(t, err, events.TooCostly, "a thousand alternatives")
		} else if len(page.Versions) != 9 {
			t.Errorf("a thousand alternatives of kind %s found %d versions", kind, len(page.Versions))
		}
	}
}

// thousands: how many alternatives there may be is set in front of the index.
func thousands(t *testing.T, g projections.Generations) {
	const asked, every, there = 5_000, 40, 200
	w := newWorld(t, g.Live(), 0)
	for i := range there {
		code := fmt.Sprint(every * i)
		w.observation(code, projections.Term{Param: "code", Kind: projections.Token, System: "s", Code: code},
			projections.Term{Param: "subject", Kind: projections.Reference, System: "Patient", Code: code})
	}
	w.commit()
	for _, c := range []projections.Clause{
		{Param: projections.ParamID, Kind: projections.Token}, {Param: "code", Kind: projections.Token}, {Param: "code",
			Kind: projections.Token, Modifier: projections.Not}, {Param: "subject", Kind: projections.Reference},
	} {
		system := map[string]string{"code": "s", "subject": "Patient"}[c.Param]
		for i := range asked {
			c.Values = append(c.Values, projections.Value{AnySystem: system == "", System: system, Code: fmt.Sprint(i)})
		}
		want := asked / every
		if c.Modifier == projections.Not {
			want = there - want
		}
		if page := w.search(projections.Query{Tenant: "main", Type: "Observation", Limit: there,
			Clauses: []projections.Clause{c}}); len(page.Versions) != want {
			t.Errorf("%d alternatives of %s found %d versions, want %d", asked, c.Param, len(page.Versions), want)
		}
	}
}

func extremeValues(t *testing.T, g projections.Generations) {
	w := newWorld(t, g.Live(), 0)
	texts := []string{"", " ", "\x00", "\xff\xff\xff", "\xffa", strings.Repeat("x", 128), strings.Repeat("x", 129),
		strings.Repeat("é", 100), strings.Repeat("long ", 100_000), "'; drop table", "日本語", "\u2028"}
	for i, text := range texts {
		w.observation(fmt.Sprint(i),
			projections.Term{Param: "name", Kind: projections.String, Text: text},
			projections.Term{Param: "url", Kind: projections.URI, Text: text},
			projections.Term{Param: "code", Kind: projections.Token, System: text, Code: text},
			projections.Term{Param: "subject", Kind: projections.Reference, Code: text})
	}
	w.commit()
	for _, text := range texts {
		for _, c := range []projections.Clause{
			{Param: "name", Kind: projections.String}, {Param: "name", Kind: projections.String,
				Modifier: projections.Exact}, {Param: "name", Kind: projections.String, Modifier: projections.Contains},
			{Param: "url", Kind: projections.URI}, {Param: "code", Kind: projections.Token},
			{Param: "subject", Kind: projections.Reference},
		} {
			for _, any := range []bool{false, true} {
				c.Values = []projections.Value{{Text: text, System: text, Code: text, AnySystem: any}}
				if c.Kind == projections.Reference && !any {
					c.Values[0].System = ""
				}
				if got := w.ids(c); (got == "") != (c.Kind == projections.String && projections.IsBlank(text)) {
					t.Errorf("%v %q (any system %t) found %q", c.Param, text[:min(len(text), 20)], any, got)
				}
			}
		}
	}
	for _, descending := range []bool{false, true} {
		w.check(projections.Query{Tenant: "main", Type: "Observation", Limit: 3,
			Sort: []projections.SortKey{{Param: "name", Kind: projections.String, Descending: descending}}})
		w.check(projections.Query{Tenant: "main", Type: "Observation", Limit: 3,
			Sort: []projections.SortKey{{Param: "code", Kind: projections.Token, Descending: descending}}})
	}
}

func similarValues(t *testing.T, g projections.Generations) {
	w := newWorld(t, g.Live(), 0)
	pairs := [][2]string{{"a", "bc"}, {"ab", "c"}, {"", "abc"}, {"abc", ""}, {"a|b", "c"}, {"a", "b|c"},
		{"\x01a", "bc"}, {"a\x02", "bc"}}
	for i, p := range pairs {
		w.observation(fmt.Sprint(i), projections.Term{Param: "code", Kind: projections.Token, System: p[0], Code: p[1]},
			projections.Term{Param: "subject", Kind: projections.Reference, System: p[0], Code: p[1]})
	}
	w.commit()
	for i, p := range pairs {
		for _, c := range []projections.Clause{{Param: "code", Kind: projections.Token},
			{Param: "subject", Kind: projections.Reference}} {
			c.Values = []projections.Value{{System: p[0], Code: p[1]}}
			w.expectIDs(c, fmt.Sprint(i))
		}
	}
}

func watch(t *testing.T, g projections.Generations) {
	w := newWorld(t, g.Live(), 0)
	heard := make(chan struct{}, 100)
	ctx := testContext(t)
	done := make(chan error, 1)
	go func() {
		done <- g.Watch(ctx, func() {
			select {
			case heard <- struct{}{}:
			default:
			}
		})
	}()
	wait := func(what string, act func()) {
		t.Helper()
		for { // the watcher may not be there yet: act again until it hears
			act()
			select {
			case <-heard:
				return
			case err := <-done:
				t.Fatalf("Watch returned %v", err)
			case <-time.After(time.Second):
			case <-ctx.Done():
				t.Fatalf("the watcher did not hear of %s", what)
			}
		}
	}
	for range 3 {
		wait("a commit", func() {
			w.put(key("Patient", "1"), 1)
			w.commit()
		})
	}
	if got := stateOf(t, w.index, 0); got.NextSid != w.sid+1 {
		t.Fatalf("the watcher heard of a commit that State does not show: %+v", got)
	}
	for len(heard) > 0 {
		<-heard
	}
	wait("a switch", func() {
		b, err := g.Build(ctx, "catalog-1")
		if err == nil {
			err = b.Switch(ctx)
		}
		if err != nil {
			t.Fatal(err)
		}
	})
}
