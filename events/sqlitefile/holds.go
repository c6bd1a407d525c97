package sqlitefile

import (
	"context"
	"errors"
	"os"
	"sync"
	"syscall"
	"time"

	"binnacle/events"
)

// Commits may wait in the memory of the one process that makes them (package writebehind). A builder that is about to
// compare a generation with the live one, and to switch, must not do it while some wait. Two small files beside that of
// the index tell them of each other. Who holds commits back shares the lock of "-held". A builder has that of "-still"
// for as long as nothing may be held. The operating system frees the locks of a process that dies, and not those of one
// that is stopped.
const (
	heldSuffix  = "-held"  // shared by those who hold commits back
	stillSuffix = "-still" // of the builder for whom nothing may be held
)

const (
	stillEvery = 2 * time.Millisecond
	// stillWait bounds how long a builder waits for commits that are held. They are held for seconds at the most: one
	// who keeps them longer doesn't run.
	stillWait = 30 * time.Second
)

// Holds counts what this process holds back. Its methods are safe for concurrent use.
type Holds struct {
	path string // of the file

	mu          sync.Mutex
	count       int
	held, still *os.File // nil: not opened yet
}

// NewHolds holds nothing yet beside the file at path.
func NewHolds(path string) *Holds { return &Holds{path: path} }

// Begin holds one thing more; false: somebody keeps everybody from it, or has a look at who does.
func (h *Holds) Begin() (bool, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.count == 0 && !h.inPlace() {
		h.close()
	}
	if err := h.open(); err != nil {
		return false, err
	}
	if h.count == 0 {
		if free, err := locked(h.held, syscall.LOCK_SH); err != nil || !free {
			return false, err
		}
	}
	// looked at with the other lock in hand: a builder that comes later finds that
	free, err := h.free()
	if err == nil && free {
		h.count++
		return true, nil
	}
	if h.count == 0 {
		_ = syscall.Flock(int(h.held.Fd()), syscall.LOCK_UN) // the error to tell is the one before
	}
	return false, err
}

// free tells whether nobody asks for stillness; the caller holds mu.
func (h *Holds) free() (bool, error) {
	free, err := locked(h.still, syscall.LOCK_SH)
	if err == nil && free {
		err = syscall.Flock(int(h.still.Fd()), syscall.LOCK_UN)
	}
	return free, err
}

// Awaited tells whether somebody waits until nothing is held.
func (h *Holds) Awaited() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.count == 0 {
		return false
	}
	free, err := h.free()
	return err == nil && !free
}

// End holds one thing less.
func (h *Holds) End() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.count--; h.count == 0 && h.held != nil {
		_ = syscall.Flock(int(h.held.Fd()), syscall.LOCK_UN) // a lock that is there can be given up
	}
}

// open opens the files; the caller holds mu.
func (h *Holds) open() (err error) {
	if h.held == nil {
		if h.held, err = os.OpenFile(h.path+heldSuffix, os.O_CREATE|os.O_RDWR, 0o644); err != nil {
			return err
		}
	}
	if h.still == nil {
		h.still, err = os.OpenFile(h.path+stillSuffix, os.O_CREATE|os.O_RDWR, 0o644)
	}
	return err
}

// inPlace tells whether the files that are open are those at their paths: others see locks on those alone. The caller
// holds mu.
func (h *Holds) inPlace() bool {
	for file, suffix := range map[*os.File]string{h.held: heldSuffix, h.still: stillSuffix} {
		if file == nil {
			return false
		}
		own, err := file.Stat()
		there, missing := os.Stat(h.path + suffix)
		if err != nil || missing != nil || !os.SameFile(own, there) {
			return false
		}
	}
	return true
}

// Close gives up the files, and with them the locks.
func (h *Holds) Close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.close()
}

func (h *Holds) close() {
	for _, file := range []*os.File{h.held, h.still} {
		if file != nil {
			_ = file.Close() // nothing was written
		}
	}
	h.held, h.still = nil, nil
}

// Held tells whether some process holds commits back: then the index lacks what it has acknowledged.
func Held(path string) (bool, error) {
	const op = "sqlitefile.Held"
	file, err := os.Open(path + heldSuffix)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil // nobody ever did here
	}
	if err != nil {
		return false, events.Wrap(events.Transient, op, err, "the file beside the index can't be read")
	}
	defer func() { _ = file.Close() }() // and with it the lock, should nobody else have it
	free, err := locked(file, syscall.LOCK_EX)
	if err != nil {
		return false, events.Wrap(events.Transient, op, err, "the file beside the index can't be locked")
	}
	return !free, nil
}

// locked tries to take a lock.
func locked(file *os.File, kind int) (bool, error) {
	err := syscall.Flock(int(file.Fd()), kind|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return false, nil
	}
	return err == nil, err
}

// Still waits until nobody holds commits back, and keeps everybody from it until the file is closed. Kind Transient:
// somebody has held some for half a minute.
func Still(ctx context.Context, path string) (*os.File, error) {
	const op = "sqlitefile.Still"
	still, err := os.OpenFile(path+stillSuffix, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, events.Wrap(events.Transient, op, err, "the file beside the index can't be made")
	}
	held, err := os.OpenFile(path+heldSuffix, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		_ = still.Close() // nothing was written
		return nil, events.Wrap(events.Transient, op, err, "the file beside the index can't be made")
	}
	defer func() { _ = held.Close() }() // nobody begins to hold any more: its lock has done what it is for
	bounded, cancel := context.WithTimeout(ctx, stillWait)
	defer cancel()
	if err = waitForLock(bounded, still); err == nil {
		err = waitForLock(bounded, held)
	}
	if err == nil {
		return still, nil
	}
	_ = still.Close() // nothing was written
	if ctx.Err() != nil || !errors.Is(err, context.DeadlineExceeded) {
		return nil, events.Wrap(events.Transient, op, err, "the files beside the index could not be locked")
	}
	return nil, events.Wrap(events.Transient, op, err, "a server has acknowledged changes that it has not committed to "+
		"the index for %s; see that it runs, and try again", stillWait)
}

func waitForLock(ctx context.Context, file *os.File) error {
	for {
		if free, err := locked(file, syscall.LOCK_EX); err != nil || free {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(stillEvery):
		}
	}
}
