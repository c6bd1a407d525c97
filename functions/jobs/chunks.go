package jobs

import (
	"context"
	"io"
	"time"

	"binnacle/events"
	"binnacle/projections"
)

// chunkBytes is the size of a chunk: what a body on its way takes in memory.
const chunkBytes = 1 << 20

// chunks keeps what is written to it, in memos of chunkBytes each.
type chunks struct {
	keep      func(number int, value []byte) (revision int64, err error)
	most      int64 // bytes that there may be; kind TooCostly: there are more
	gathered  []byte
	length    int64
	first     byte // of all bytes
	revisions []int64
	err       error
}

// newChunks makes chunks of a job that last for a life.
func (j *Jobs) newChunks(ctx context.Context, of name, kind string, attempt int, most int64,
	life time.Duration) *chunks {
	return &chunks{most: most, keep: func(number int, value []byte) (int64, error) {
		return j.Memos.Keep(ctx, projections.Memo{MemoName: of.chunk(kind, attempt, number), Owner: of.tenant,
			Value: value}, life)
	}}
}

// Write implements io.Writer.
func (c *chunks) Write(data []byte) (int, error) {
	written := len(data)
	if c.length == 0 && written > 0 {
		c.first = data[0]
	}
	if c.length += int64(written); c.length > c.most && c.err == nil {
		c.err = events.Errorf(events.TooCostly, op, "more than %d bytes", c.most)
	}
	for len(data) > 0 && c.err == nil {
		taken := min(len(data), chunkBytes-len(c.gathered))
		c.gathered = append(c.gathered, data[:taken]...)
		if data = data[taken:]; len(c.gathered) == chunkBytes {
			c.flush()
		}
	}
	return written, c.err
}

// flush keeps what was gathered.
func (c *chunks) flush() {
	if len(c.gathered) == 0 || c.err != nil {
		return
	}
	revision, err := c.keep(len(c.revisions), c.gathered)
	if c.err = err; err == nil {
		c.revisions, c.gathered = append(c.revisions, revision), c.gathered[:0]
	}
}

// close keeps the last of what was written.
func (c *chunks) close() error {
	c.flush()
	return c.err
}

// chunkReader reads what chunks have kept.
type chunkReader struct {
	load func(number int) ([]byte, error)
	many int
	next int
	left []byte
	err  error // why the next chunk could not be read; io.EOF: there is none
}

func (j *Jobs) readChunks(ctx context.Context, of name, kind string, attempt, many int) *chunkReader {
	return &chunkReader{many: many, load: func(number int) ([]byte, error) {
		memo, err := j.Memos.Memo(ctx, of.chunk(kind, attempt, number))
		return memo.Value, err
	}}
}

// Read implements io.Reader.
func (c *chunkReader) Read(into []byte) (int, error) {
	for len(c.left) == 0 && c.err == nil {
		if c.next == c.many {
			c.err = io.EOF
			break
		}
		c.left, c.err = c.load(c.next)
		c.next++
	}
	if len(c.left) == 0 {
		return 0, c.err
	}
	n := copy(into, c.left)
	c.left = c.left[n:]
	return n, nil
}

// Close implements io.Closer: a chunkReader is the body of a request.
func (c *chunkReader) Close() error { return nil }
