package events

import (
	"context"
	"time"
)

// Aside is what a reading door tells another door in its process beside an answer, where HTTP has no exact form for it.
type Aside struct {
	Modified time.Time // of the version that the answer is about; zero: it is about none. Last-Modified has whole seconds
}

type asideKey struct{}

// WithAside asks the door that answers in this context to fill aside.
func WithAside(ctx context.Context, aside *Aside) context.Context {
	return context.WithValue(ctx, asideKey{}, aside)
}

// AsideOf returns what the door that answers is asked to fill; one that nobody looks at when it isn't asked.
func AsideOf(ctx context.Context) *Aside {
	if aside, asked := ctx.Value(asideKey{}).(*Aside); asked {
		return aside
	}
	return new(Aside)
}
