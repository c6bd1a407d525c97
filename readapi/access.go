package readapi

import (
	"net/http"
	"time"
)

// logged writes one line for a request, when it has been answered. Of what was searched for it says nothing: it has
// the path, and no parameters.
func (s *Server) logged(w http.ResponseWriter, r *http.Request) {
	began := time.Now()
	counted := &countedWriter{ResponseWriter: w}
	tenancy, path, named := tenancyOf(r.URL.Path, s.base)
	tenant := s.root.Tenant
	if named {
		tenant = tenancy.Tenant
	}
	method := r.Method
	defer func() { // also of an answer that is broken off
		s.log.InfoContext(r.Context(), "request", "method", clip(method), "path", clipped(path, 200), "status",
			counted.status, "bytes", counted.bytes,
			"ms", float64(time.Since(began).Microseconds())/1_000, "request", w.Header().Get("X-Request-Id"),
			"tenant", clip(tenant))
	}()
	s.serve(counted, r)
}

// countedWriter counts the bytes of an answer as they are sent.
type countedWriter struct {
	http.ResponseWriter
	status int // 0: the client has got no answer
	bytes  int64
}

func (c *countedWriter) WriteHeader(status int) {
	if c.status < http.StatusOK {
		c.status = status
	}
	c.ResponseWriter.WriteHeader(status)
}

func (c *countedWriter) Write(data []byte) (int, error) {
	if c.status == 0 {
		c.status = http.StatusOK
	}
	n, err := c.ResponseWriter.Write(data)
	c.bytes += int64(n)
	return n, err
}

func (c *countedWriter) Flush() {
	_ = http.NewResponseController(c.ResponseWriter).Flush() // a writer that can't has nothing to flush
}

// Unwrap is for http.ResponseController.
func (c *countedWriter) Unwrap() http.ResponseWriter { return c.ResponseWriter }
