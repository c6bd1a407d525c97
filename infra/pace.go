package infra

import (
	"errors"
	"io"
	"net/http"
	"os"
	"time"
)

// pace is how fast a request's body must come. A client that stalls holds memory and a connection; what is asked of it
// is little.
type pace struct {
	handler http.Handler
	window  time.Duration // in each one
	bytes   int64         // so many must come
	most    time.Duration // for the whole body
}

// paceWindow is how long a body may stand still.
const paceWindow = 10 * time.Second

func newPace(handler http.Handler, perSecond int64, most time.Duration) *pace {
	return &pace{handler: handler, window: paceWindow, bytes: perSecond * int64(paceWindow/time.Second), most: most}
}

func (p *pace) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Body != nil && r.Body != http.NoBody {
		connection := http.NewResponseController(w)
		_ = connection.SetReadDeadline(time.Now().Add(p.window)) // also of a body that nobody reads, which the server throws away
		paced := *r
		paced.Body = &pacedBody{ReadCloser: r.Body, pace: p, connection: connection, header: w.Header()}
		r = &paced
	}
	p.handler.ServeHTTP(w, r)
}

// pacedBody is a body whose reads end with [os.ErrDeadlineExceeded] when it comes too slowly. Only the time in which
// somebody waits for it counts. It is read by one goroutine.
type pacedBody struct {
	io.ReadCloser
	pace       *pace
	connection *http.ResponseController
	header     http.Header   // of the answer
	waited     time.Duration // for all that has come
	began      time.Duration // waited, when the window at hand began
	came       int64         // in it
}

func (b *pacedBody) Read(data []byte) (int, error) {
	start := time.Now()
	left := min(b.began+b.pace.window, b.pace.most) - b.waited
	if err := b.connection.SetReadDeadline(start.Add(left)); err != nil {
		return b.ReadCloser.Read(data) // there is no connection that could stall
	}
	n, err := b.ReadCloser.Read(data)
	b.waited += time.Since(start)
	if b.came += int64(n); b.came >= b.pace.bytes {
		b.began, b.came = b.waited, 0
	}
	if err == nil && b.waited >= b.pace.most {
		err = os.ErrDeadlineExceeded
	}
	switch {
	case errors.Is(err, io.EOF):
		// The server looks from now on whether the client is still there: it must not take the end of the time for the
		// end of the connection.
		_ = b.connection.SetReadDeadline(time.Time{})
	case err != nil:
		b.header.Set("Connection", "close") // what is left of the body is in the way of the next request
	}
	return n, err
}
