package rest

import (
	"context"
	"testing"
)

func TestProgressIsToldInAFewWords(t *testing.T) {
	var nobody *Progress
	nobody.Say("in vain")
	nobody.Count(1, "entries")
	nobody.Done()
	if got := nobody.String() + ProgressOf(context.Background()).String(); got != "" {
		t.Errorf("where nobody asks, %q is told", got)
	}
	p := new(Progress)
	told := ProgressOf(WithProgress(t.Context(), p))
	for _, step := range []struct {
		do   func()
		want string
	}{
		{func() {}, ""},
		{func() { told.Say("searching") }, "searching"},
		{func() { told.Count(1234567, "entries") }, "0 of 1,234,567 entries"},
		{func() { told.Done(); told.Done() }, "2 of 1,234,567 entries"},
		{func() { told.Count(2, "entries") }, "0 of 2 entries"},
		{func() { told.Done(); told.Done(); told.Done() }, "2 of 2 entries"},
		{func() { told.Say("reading") }, "reading"},
	} {
		if step.do(); p.String() != step.want {
			t.Errorf("got %q, want %q", p, step.want)
		}
	}
}
