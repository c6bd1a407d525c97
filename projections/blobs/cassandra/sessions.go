package cassandra

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gocql/gocql"
)

const (
	// lostAfter is how long no request finds a node until another session is opened: longer than the client takes to
	// connect to one that came back.
	lostAfter = 3 * time.Second
	// The pauses between attempts to open another session double from the first to the last.
	firstReopen = time.Second
	lastReopen  = 30 * time.Second
)

// sessions holds the session that requests use. A session of the client that believes all nodes to be out of reach, and
// does not look for them any more, stays so: when no request has found a node for some seconds, another session takes
// its place. While the nodes are away that fails, and is tried again with growing pauses.
type sessions struct {
	open   func() (*gocql.Session, error)
	logger *slog.Logger
	now    func() time.Time

	current atomic.Pointer[gocql.Session]
	lost    atomic.Int64 // when a request first found no node, in Unix nanoseconds; 0: the last one that ended well did

	end   context.CancelFunc // ends an attempt to open another session
	ended <-chan struct{}

	mu     sync.Mutex
	opener sync.WaitGroup // of the attempt, one at a time, that opens another session
	opens  bool
	next   time.Time // no attempt before it
	pause  time.Duration
}

// openSessions opens the first session.
func openSessions(
	ctx context.Context, logger *slog.Logger, open func(context.Context) (*gocql.Session, error),
) (*sessions, error) {
	session, err := open(ctx)
	if err != nil {
		return nil, err
	}
	life, end := context.WithCancel(context.WithoutCancel(ctx))
	s := &sessions{logger: logger, now: time.Now, end: end, ended: life.Done(),
		open: func() (*gocql.Session, error) { return open(life) }}
	s.current.Store(session)
	return s, nil
}

func (s *sessions) get() *gocql.Session { return s.current.Load() }

// note takes the outcome of a request: nil, or an error of the client.
func (s *sessions) note(err error) {
	if err == nil {
		if s.lost.Load() != 0 {
			s.lost.Store(0)
		}
		return
	}
	if !errors.Is(err, gocql.ErrNoConnections) {
		return
	}
	now := s.now()
	if s.lost.CompareAndSwap(0, now.UnixNano()) || now.UnixNano()-s.lost.Load() < int64(lostAfter) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.opens || now.Before(s.next) || s.closed() {
		return
	}
	s.opens = true
	s.opener.Add(1)
	go s.replace()
}

// replace opens another session and puts it in the place of the current one, unless that has found a node meanwhile.
func (s *sessions) replace() {
	defer s.opener.Done()
	session, err := s.open()
	old := session
	s.mu.Lock()
	s.opens = false
	if err != nil {
		s.pause = min(max(2*s.pause, firstReopen), lastReopen)
		s.next = s.now().Add(s.pause)
	} else {
		s.pause = 0
		if s.lost.Swap(0) != 0 && !s.closed() {
			old = s.current.Swap(session)
		}
	}
	s.mu.Unlock()
	if err != nil {
		s.logger.Debug("another session with Cassandra cannot be opened yet", "error", err)
		return
	}
	if old != session {
		s.logger.Warn("the session with Cassandra found no node any more; another one has taken its place")
	}
	old.Close()
}

// closed says whether close was called.
func (s *sessions) closed() bool {
	select {
	case <-s.ended:
		return true
	default:
		return false
	}
}

// close waits for an attempt that is under way.
func (s *sessions) close() {
	s.mu.Lock() // no attempt begins after this
	s.end()
	s.mu.Unlock()
	s.opener.Wait()
	s.get().Close()
}
