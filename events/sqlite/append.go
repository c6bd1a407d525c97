package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"math"
	"slices"
	"sync"
	"time"

	"binnacle/events"
)

// row is a record before the log has given it its place.
type row struct {
	key, headers, value []byte
	named               []events.Header // headers before they were written
}

// request is one call of Append that waits for its commit.
type request struct {
	rows      []row
	positions []events.Position
	done      chan error // buffered: the committer never waits for a caller
}

// groupBytes bounds the transaction that waiting calls share, in bytes of values.
const groupBytes = 16 << 20

// queue holds the calls that wait, in the order in which they came.
type queue struct {
	mu      sync.Mutex
	waiting []*request
	closed  bool
	news    chan struct{} // buffered by one: there is something to commit, or the queue is closed
}

func (q *queue) put(r *request) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return false
	}
	q.waiting = append(q.waiting, r)
	q.ring()
	return true
}

// withdraw takes a request out again; false: the committer has it.
func (q *queue) withdraw(r *request) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	at := slices.Index(q.waiting, r)
	if at < 0 {
		return false
	}
	q.waiting = slices.Delete(q.waiting, at, at+1)
	return true
}

// take waits for requests and returns those that share the next transaction; none: the queue is closed and empty.
func (q *queue) take() []*request {
	for {
		group, closed := q.cut()
		if len(group) > 0 || closed {
			return group
		}
		<-q.news
	}
}

func (q *queue) cut() (group []*request, closed bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	n, size := 0, 0
	for n < len(q.waiting) && size < groupBytes {
		for _, row := range q.waiting[n].rows {
			size += len(row.value)
		}
		n++
	}
	group, q.waiting = q.waiting[:n:n], slices.Clone(q.waiting[n:])
	return group, q.closed
}

func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.ring()
}

func (q *queue) ring() {
	select {
	case q.news <- struct{}{}:
	default:
	}
}

// write puts rows in line for the next transaction and waits until they are durable.
func (l *Log) write(ctx context.Context, rows []row) ([]events.Position, error) {
	const op = "sqlite.Append"
	if err := ctx.Err(); err != nil {
		return nil, events.Wrap(events.Transient, op, err, "the call ended before anything was written")
	}
	if len(rows) == 0 {
		return nil, nil
	}
	r := &request{rows: rows, positions: make([]events.Position, len(rows)), done: make(chan error, 1)}
	if !l.queue.put(r) {
		return nil, closedError(op)
	}
	select {
	case err := <-r.done:
		if err != nil {
			return nil, err
		}
		return r.positions, nil
	case <-ctx.Done():
	}
	if l.queue.withdraw(r) {
		return nil, events.Wrap(events.Transient, op, ctx.Err(), "the call ended before anything was written")
	}
	return nil, events.Wrap(events.Unknown, op, ctx.Err(), "the call ended while its events were being committed")
}

// commitAll commits what waits, over and over, until the queue is closed and empty. There is no linger: while one
// transaction reaches the disk the next group gathers.
func (l *Log) commitAll() {
	for {
		group := l.queue.take()
		if len(group) == 0 {
			return
		}
		var appended time.Time
		err := l.file.Durable(context.Background(), func(tx *sql.Tx) (err error) {
			appended, err = l.insertAll(tx, group)
			return err
		})
		if err == nil {
			l.tail.extend(recordsOf(group, appended))
		}
		if events.KindOf(err) != events.Unknown {
			l.unsafe.Store(math.MaxInt64) // after the tail is: an end beyond it is one that another process has written
		}
		if err == nil {
			l.announce()
		} else {
			l.logger.Error("events could not be written to the log", "file", l.file.Path(), "calls", len(group), "error", err)
		}
		for _, r := range group {
			r.done <- err
		}
	}
}

// insertAll gives each row its offset, behind whatever any process has appended, and an append time that never goes
// back.
func (l *Log) insertAll(tx *sql.Tx, group []*request) (appended time.Time, err error) {
	last, lastTime := int64(-1), int64(0)
	if err := tx.Stmt(l.last).QueryRow().Scan(&last, &lastTime); err != nil && !errors.Is(err, sql.ErrNoRows) {
		return time.Time{}, err
	}
	l.unsafe.Store(last + 1)
	now := max(time.Now().UnixMilli(), lastTime)
	insert := tx.Stmt(l.insert)
	for _, r := range group {
		for i, row := range r.rows {
			last++
			if _, err := insert.Exec(last, now, row.key, row.headers, row.value); err != nil {
				return time.Time{}, err
			}
			r.positions[i] = events.Position{Offset: last}
		}
	}
	return timeOf(now), nil
}
