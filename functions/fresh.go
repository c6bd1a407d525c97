package functions

import (
	"sync"

	"github.com/google/uuid"
)

// freshIDs bounds how many ids Fresh remembers: at least so many, at most twice that.
const freshIDs = 1 << 13

// Fresh makes ids, and tells of an id that nothing can stand under it in any index. A projector in the same process
// then looks nothing up.
//
// It knows an id as fresh from when it was made until it is taken or forgotten. Whoever decides what an event says
// forgets all when it has read where the index stands, and takes an id when it decides something about it for the first
// time. So what is fresh was made after that look: the event that says it lies behind that place of the log, where
// nobody else can have decided it. If somebody has, the index stands at another place than the one expected, and
// nothing that was decided here is committed.
//
// Take and Forget of a nil Fresh know no id as fresh. Its methods are safe for concurrent use.
type Fresh struct {
	mu  sync.Mutex
	ids Recent[string, struct{}]
}

// New makes an id: a UUID, version 7.
func (f *Fresh) New() string {
	id := uuid.Must(uuid.NewV7()).String()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ids.Least = freshIDs
	f.ids.Set(id, struct{}{})
	return id
}

// Take tells whether an id is fresh. It is not any more.
func (f *Fresh) Take(id string) bool {
	if f == nil {
		return false
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	_, fresh := f.ids.Get(id)
	f.ids.Delete(id)
	return fresh
}

// Forget says that no id is fresh that was made so far.
func (f *Fresh) Forget() {
	if f == nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ids.Clear()
}
