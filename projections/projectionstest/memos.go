package projectionstest

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"binnacle/events"
	"binnacle/projections"
)

// MemoStore is a store of memos, with the index that it stands beside.
type MemoStore struct {
	projections.Memos
	Generations projections.Generations
	Rows        func() int64 // how many memos are stored, ended ones too
}

// Memos runs the suite of the memos. open opens a new, empty store each time and closes it when the test ends.
func Memos(t *testing.T, open func(t testing.TB) MemoStore) {
	for name, run := range map[string]func(t *testing.T, m MemoStore){
		"a memo comes back as it was kept":                          memoComesBack,
		"a durable memo is kept and compared as others are":         memoDurable,
		"what was changed meanwhile is not overwritten":             memoCompared,
		"of many who take one name at once exactly one has it":      memoTaken,
		"of many who count together none counts in vain":            memoCounted,
		"a memo that has ended is not there and its holder lost it": memoEnds,
		"a memo that was made anew is another one":                  memoAnew,
		"memos of a kind are listed in pages":                       memosListed,
		"ended memos go as new ones come":                           memosGo,
		"a rebuild leaves memos as they are":                        memosStay,
	} {
		t.Run(name, func(t *testing.T) { run(t, open(t)) })
	}
}

func memoNamed(name string) projections.MemoName {
	return projections.MemoName{Kind: "test", Name: name}
}

func keepMemo(t *testing.T, m projections.Memos, memo projections.Memo, life time.Duration) int64 {
	t.Helper()
	revision, err := m.Keep(t.Context(), memo, life)
	must(t, err, "Keep")
	return revision
}

func memoComesBack(t *testing.T, m MemoStore) {
	_, err := m.Memo(t.Context(), memoNamed("a"))
	wantKind(t, err, events.NotFound, "a memo that nobody kept")
	for name, value := range map[string][]byte{"empty": nil, "bytes": {0, 255, '\'', 0},
		"large": bytes.Repeat([]byte{7}, projections.MaxMemo)} {
		before := time.Now()
		kept := projections.Memo{MemoName: memoNamed(name), Owner: "ö'wner", Value: value}
		revision := keepMemo(t, m, kept, time.Hour)
		got, err := m.Memo(t.Context(), kept.MemoName)
		must(t, err, "Memo")
		if got.MemoName != kept.MemoName || got.Owner != kept.Owner || !bytes.Equal(got.Value, value) ||
			got.Revision != revision || revision <= 0 {
			t.Errorf("%s: got %q of %q, revision %d; want %q, %d", name, got.Name, got.Owner, got.Revision, kept.Owner,
				revision)
		}
		if life := got.Until.Sub(before); life < 50*time.Minute || life > 70*time.Minute {
			t.Errorf("%s: it ends after %v, want an hour", name, life)
		}
	}
	keepMemo(t, m, projections.Memo{MemoName: memoNamed("for ever")}, 0)
	if got, err := m.Memo(t.Context(), memoNamed("for ever")); err != nil || !got.Until.IsZero() {
		t.Errorf("a memo for ever ends at %v, error %v", got.Until, err)
	}
	_, err = m.Keep(t.Context(), projections.Memo{MemoName: memoNamed("larger"),
		Value: make([]byte, projections.MaxMemo+1)}, 0)
	wantKind(t, err, events.TooLarge, "a memo that is too large")
	_, err = m.Keep(t.Context(), projections.Memo{MemoName: memoNamed("")}, 0)
	wantKind(t, err, events.Invalid, "a memo without a name")
}

func memoDurable(t *testing.T, m MemoStore) {
	memo := projections.Memo{MemoName: memoNamed("a"), Value: []byte("1"), Durable: true}
	memo.Revision = keepMemo(t, m, memo, time.Hour)
	memo.Value = []byte("2")
	second := keepMemo(t, m, memo, time.Hour)
	if got, err := m.Memo(t.Context(), memo.MemoName); err != nil || string(got.Value) != "2" || got.Revision != second {
		t.Errorf("got %+v, %v; want the second", got, err)
	}
	_, err := m.Keep(t.Context(), memo, time.Hour)
	wantKind(t, err, events.Conflict, "a durable change of an old revision")
}

func memoCompared(t *testing.T, m MemoStore) {
	memo := projections.Memo{MemoName: memoNamed("a"), Value: []byte("1")}
	first := keepMemo(t, m, memo, 0)
	_, err := m.Keep(t.Context(), memo, 0)
	wantKind(t, err, events.Conflict, "a new memo where one is")
	memo.Revision, memo.Value, memo.Owner = first, []byte("2"), "other"
	second := keepMemo(t, m, memo, time.Hour)
	if second <= first {
		t.Errorf("the second revision is %d, and the first was %d", second, first)
	}
	_, err = m.Keep(t.Context(), memo, 0)
	wantKind(t, err, events.Conflict, "a change of an old revision")
	wantKind(t, m.Forget(t.Context(), memo.MemoName, first), events.Conflict, "an old revision is forgotten")
	if got, err := m.Memo(t.Context(), memo.MemoName); err != nil || string(got.Value) != "2" || got.Owner != "other" ||
		got.Revision != second || got.Until.IsZero() {
		t.Errorf("got %+v, %v; want the second", got, err)
	}
	_, err = m.Keep(t.Context(), projections.Memo{MemoName: memoNamed("b"), Revision: 5}, 0)
	wantKind(t, err, events.Conflict, "a change of a memo that is not there")
	must(t, m.Forget(t.Context(), memo.MemoName, second), "Forget")
	_, err = m.Memo(t.Context(), memo.MemoName)
	wantKind(t, err, events.NotFound, "a memo that was forgotten")
	wantKind(t, m.Forget(t.Context(), memo.MemoName, second), events.Conflict, "it is forgotten twice")
}

func memoTaken(t *testing.T, m MemoStore) {
	const rivals = 8
	var group errgroup.Group
	var won atomic.Int64
	for i := range rivals {
		group.Go(func() error {
			_, err := m.Keep(t.Context(), projections.Memo{MemoName: memoNamed("lease"), Owner: strconv.Itoa(i)},
				time.Hour)
			if err == nil {
				won.Add(1)
			} else if events.KindOf(err) != events.Conflict {
				return err
			}
			return nil
		})
	}
	must(t, group.Wait(), "Keep")
	if won.Load() != 1 {
		t.Errorf("%d of %d have the lease", won.Load(), rivals)
	}
}

func memoCounted(t *testing.T, m MemoStore) {
	const rivals, each = 4, 10
	name := memoNamed("counter")
	keepMemo(t, m, projections.Memo{MemoName: name, Value: []byte("0")}, 0)
	var group errgroup.Group
	for range rivals {
		group.Go(func() error {
			for counted := 0; counted < each; {
				memo, err := m.Memo(t.Context(), name)
				if err != nil {
					return err
				}
				n, _ := strconv.Atoi(string(memo.Value))
				memo.Value = []byte(strconv.Itoa(n + 1))
				switch _, err := m.Keep(t.Context(), memo, 0); {
				case err == nil:
					counted++
				case events.KindOf(err) != events.Conflict:
					return err
				}
			}
			return nil
		})
	}
	must(t, group.Wait(), "count")
	if got, err := m.Memo(t.Context(), name); err != nil || string(got.Value) != strconv.Itoa(rivals*each) {
		t.Errorf("counted to %s, %v; want %d", got.Value, err, rivals*each)
	}
}

// ended waits until a memo has ended by the store's clock.
func ended(t *testing.T, m projections.Memos, name projections.MemoName) {
	t.Helper()
	for {
		_, err := m.Memo(testContext(t), name)
		if err != nil {
			wantKind(t, err, events.NotFound, "a memo that has ended")
			return
		}
		time.Sleep(time.Millisecond)
	}
}

func memoEnds(t *testing.T, m MemoStore) {
	memo := projections.Memo{MemoName: memoNamed("lease"), Owner: "one"}
	memo.Revision = keepMemo(t, m, memo, 5*time.Millisecond)
	ended(t, m, memo.MemoName)
	if list, err := m.List(t.Context(), "test", "", 10); err != nil || len(list) != 0 {
		t.Errorf("a memo that has ended is listed: %v, %v", list, err)
	}
	_, err := m.Keep(t.Context(), memo, time.Hour)
	wantKind(t, err, events.Conflict, "whoever had slept goes on")
	wantKind(t, m.Forget(t.Context(), memo.MemoName, memo.Revision), events.Conflict,
		"a memo that has ended is forgotten")
	other := keepMemo(t, m, projections.Memo{MemoName: memo.MemoName, Owner: "other"}, time.Hour)
	if other <= memo.Revision {
		t.Errorf("taken anew it has revision %d, and had %d", other, memo.Revision)
	}
	_, err = m.Keep(t.Context(), memo, time.Hour)
	wantKind(t, err, events.Conflict, "whoever had slept goes on after another one has taken it")
}

func memoAnew(t *testing.T, m MemoStore) {
	memo := projections.Memo{MemoName: memoNamed("a")}
	memo.Revision = keepMemo(t, m, memo, 0)
	must(t, m.Forget(t.Context(), memo.MemoName, memo.Revision), "Forget")
	if anew := keepMemo(t, m, projections.Memo{MemoName: memo.MemoName}, 0); anew <= memo.Revision {
		t.Errorf("made anew it has revision %d, and had %d", anew, memo.Revision)
	}
	_, err := m.Keep(t.Context(), memo, 0)
	wantKind(t, err, events.Conflict, "a change of the one before")
}

func memosListed(t *testing.T, m MemoStore) {
	for _, name := range []string{"b", "B", "é", "a", "a b"} {
		keepMemo(t, m, projections.Memo{MemoName: memoNamed(name), Value: []byte(name)}, 0)
	}
	keepMemo(t, m, projections.Memo{MemoName: projections.MemoName{Kind: "tests", Name: "a"}}, 0)
	var got []string
	for after := ""; ; {
		page, err := m.List(t.Context(), "test", after, 2)
		must(t, err, "List")
		if len(page) == 0 {
			break
		}
		for _, memo := range page {
			if string(memo.Value) != memo.Name || memo.Revision == 0 {
				t.Errorf("%q is listed with %q, revision %d", memo.Name, memo.Value, memo.Revision)
			}
			got = append(got, memo.Name)
		}
		after = page[len(page)-1].Name
	}
	if strings.Join(got, "|") != "B|a|a b|b|é" {
		t.Errorf("listed %q", got)
	}
}

func memosGo(t *testing.T, m MemoStore) {
	const many = 50
	name := func(i int) projections.MemoName { return memoNamed(fmt.Sprintf("%03d", i)) }
	for i := range many {
		keepMemo(t, m, projections.Memo{MemoName: name(i)}, time.Millisecond)
	}
	ended(t, m, name(many-1))
	for i := range many {
		keepMemo(t, m, projections.Memo{MemoName: name(many + i)}, 0)
	}
	if got := m.Rows(); got != many {
		t.Errorf("%d memos are stored, want the %d that have not ended", got, many)
	}
}

func memosStay(t *testing.T, m MemoStore) {
	memo := projections.Memo{MemoName: memoNamed("a"), Value: []byte("x")}
	memo.Revision = keepMemo(t, m, memo, time.Hour)
	b := build(t, m.Generations, "catalog-2")
	finish(t, b)
	must(t, b.Switch(t.Context()), "Switch")
	must(t, b.Release(), "Release")
	must(t, m.Generations.Drop(t.Context(), 1), "Drop")
	if got, err := m.Memo(t.Context(), memo.MemoName); err != nil || got.Revision != memo.Revision ||
		string(got.Value) != "x" {
		t.Errorf("after a rebuild: %+v, %v", got, err)
	}
}
