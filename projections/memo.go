package projections

import (
	"context"
	"time"
)

// MemoName names a memo. Kinds are the users': "search" is the kept searches'.
type MemoName struct{ Kind, Name string }

// Memo is state that is no version: it isn't in the log, and no rebuild brings it back. Whoever keeps one says what its
// loss means.
type Memo struct {
	MemoName
	Owner    string    // who holds it: a tenant, a node, a user; "": nobody
	Value    []byte    // at most [MaxMemo] bytes
	Revision int64     // another one each time that the memo is kept; 0: it is not there
	Until    time.Time // when it ends, by the store's clock; zero: never
	// of Keep: it returns when the memo, and all that was kept before it, survives a crash of the store's machine
	Durable bool
}

// MaxMemo is the size of the largest memo, bytes.
const MaxMemo = 4 << 20

// Memos keep memos beside the index. A rebuild, a switch and a rollback of generations leave them as they are. They are
// shared by all nodes that share the index. Times are those of the store's clock, so nodes whose clocks differ agree on
// when a memo ends.
//
// A crash of the store's machine may take back the latest changes, as it may those of the index, but none that a
// Durable memo was kept after. Methods are safe for concurrent use and across processes. Errors are *events.Error.
type Memos interface {
	// Memo returns one. Kind NotFound: there is none, or it has ended.
	Memo(ctx context.Context, name MemoName) (Memo, error)

	// Keep stores a memo for a life (0: for ever) if the one that is there has memo.Revision; 0 stands for none, and
	// for one that has ended. It returns the new revision, which is larger than any that the name has had. Kind
	// Conflict: another one is there, or the one that was to be replaced has ended or gone; nothing was changed. Kind
	// TooLarge: the value is. Until is not read.
	Keep(ctx context.Context, memo Memo, life time.Duration) (revision int64, err error)

	// Forget removes a memo if it has this revision. Kind Conflict: another one is there, or none.
	Forget(ctx context.Context, name MemoName, revision int64) error

	// List returns up to limit memos of a kind with names after the given one, ascending by the bytes of their names.
	List(ctx context.Context, kind, after string, limit int) ([]Memo, error)
}
