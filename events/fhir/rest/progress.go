package rest

import (
	"context"
	"fmt"
	"strconv"
	"sync/atomic"
)

// Progress is how far a request is that takes long. Whoever works on it tells; whoever asks for it reads what was told
// last. A nil Progress is told in vain. Its methods are safe for concurrent use.
type Progress struct {
	done atomic.Int64
	told atomic.Pointer[stage]
}

// stage is what is under way: some words, or some number of things.
type stage struct {
	words string
	of    int64 // 0: nothing is counted
}

type progressKey struct{}

// WithProgress returns a context that carries where progress is told.
func WithProgress(ctx context.Context, p *Progress) context.Context {
	return context.WithValue(ctx, progressKey{}, p)
}

// ProgressOf returns where the progress of a request is told; nil: nobody asks for it.
func ProgressOf(ctx context.Context) *Progress {
	p, _ := ctx.Value(progressKey{}).(*Progress)
	return p
}

// Say tells what is done now, in a few words.
func (p *Progress) Say(words string) {
	if p != nil {
		p.told.Store(&stage{words: words})
	}
}

// Count begins to count things, as in "1,200 of 5,000 entries".
func (p *Progress) Count(of int, things string) {
	if p != nil {
		p.done.Store(0)
		p.told.Store(&stage{words: things, of: int64(of)})
	}
}

// Done counts one more.
func (p *Progress) Done() {
	if p != nil {
		p.done.Add(1)
	}
}

// String is what was told last; "" when nothing was.
func (p *Progress) String() string {
	if p == nil {
		return ""
	}
	told := p.told.Load()
	switch {
	case told == nil:
		return ""
	case told.of == 0:
		return told.words
	}
	return fmt.Sprintf("%s of %s %s", thousands(min(p.done.Load(), told.of)), thousands(told.of), told.words)
}

// thousands writes a number that is not negative as people read it: 5,000.
func thousands(n int64) string {
	text := strconv.FormatInt(n, 10)
	for at := len(text) - 3; at > 0; at -= 3 {
		text = text[:at] + "," + text[at:]
	}
	return text
}
