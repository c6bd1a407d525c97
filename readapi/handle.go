package readapi

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"

	"binnacle/events"
	"binnacle/events/fhir/rest"
	"binnacle/readapi/fhir"
)

// handler answers a request, or returns an error and has then set headers at the most.
type handler func(c *gin.Context) error

// get routes GET, and HEAD with it: net/http drops the body that HEAD must not have.
func (s *Server) get(engine *gin.Engine, path, name string, h handler) {
	wrapped := s.handle(name, h)
	engine.GET(path, wrapped)
	engine.HEAD(path, wrapped)
}

// handle is the middleware of every route: request id, metrics, recovery, errors.
func (s *Server) handle(name string, h handler) gin.HandlerFunc {
	times := s.interactions[name]
	if times == nil {
		times = s.metrics.interaction(name)
		s.interactions[name] = times
	}
	return func(c *gin.Context) {
		began := time.Now()
		s.metrics.inFlight.Inc()
		identify(c)
		defer func() {
			s.metrics.inFlight.Dec()
			took := time.Since(began)
			times.observe(c.Writer.Status(), took)
			if tenant := c.GetString(tenantLabel); tenant != "" {
				s.metrics.tenant(tenant, c.Writer.Status(), took)
			}
		}()
		defer func() {
			if cause := recover(); cause != nil {
				s.recovered(c, cause)
			}
		}()
		if err := h(c); err != nil {
			s.refuse(c, err)
		}
	}
}

// identify gives the request an id that client and operator can talk about: the client's own, or a new one (FHIR R4 http, 3.1.0.1.6).
func identify(c *gin.Context) {
	id := c.Request.Header.Get("X-Request-Id")
	if !isRequestID(id) {
		id = strconv.FormatUint(rand.Uint64(), 36)
	}
	c.Request.Header["X-Request-Id"], c.Writer.Header()["X-Request-Id"] = []string{id}, []string{id} // the write door reads it, too
}

func isRequestID(id string) bool {
	if id == "" || len(id) > 128 {
		return false
	}
	for i := range len(id) {
		if id[i] <= ' ' || id[i] > '~' {
			return false
		}
	}
	return true
}

// refuse answers with an error and tells the operator what the client must not read.
func (s *Server) refuse(c *gin.Context, err error) {
	s.tell(c.Request.Context(), c.Request.Method, c.Request.URL.Path, c.Writer.Header().Get("X-Request-Id"), err)
	rest.Refuse(c.Writer, err)
}

// tell tells the operator of a request that is answered with an error.
func (s *Server) tell(ctx context.Context, method, path, request string, err error) {
	switch kind := events.KindOf(err); kind {
	default:
		s.log.DebugContext(ctx, "a request was refused", "method", method, "path", clipped(path, 200), "kind", kind, "request", request, "reason", err)
	case events.Internal:
		s.log.ErrorContext(ctx, "a request failed", "method", method, "path", path, "request", request, "cause", err)
	}
}

// recovered answers for a handler that has panicked. http.ErrAbortHandler is how an answer that cannot be finished is broken off,
// and net/http's to handle; so is any panic after the answer has begun.
func (s *Server) recovered(c *gin.Context, cause any) {
	if err, is := cause.(error); is && errors.Is(err, http.ErrAbortHandler) {
		panic(http.ErrAbortHandler)
	}
	s.log.ErrorContext(c.Request.Context(), "a handler has panicked", "method", c.Request.Method, "path", c.Request.URL.Path,
		"request", c.Writer.Header().Get("X-Request-Id"), "cause", fmt.Sprint(cause), "stack", string(debug.Stack()))
	if c.Writer.Written() {
		panic(http.ErrAbortHandler)
	}
	rest.Refuse(c.Writer, events.Errorf(events.Internal, "readapi", "a handler has panicked"))
}

// fhir is the middleware of what answers in FHIR: the address that the client sees, and the content type it accepts. The type
// stands in the header before the handler runs.
func (s *Server) fhir(h handler) handler {
	return func(c *gin.Context) error {
		s.address.Resolve(c.Request)
		tenant := s.root.TenantOf(c.Request)
		if !s.tenants.known(tenant) {
			return events.Errorf(events.NotFound, "readapi", "there is no tenant %q here", clip(tenant))
		}
		c.Set(tenantLabel, s.tenants.label(tenant))
		header := c.Writer.Header()
		header["Vary"] = append(header["Vary"], "Accept")
		contentType, acceptable := rest.ContentType, true
		if c.Request.Context().Value(asPage{}) == nil {
			contentType, acceptable = rest.Negotiate(c.Request)
		}
		if !acceptable {
			return rest.NotAcceptable()
		}
		header["Content-Type"] = []string{contentType}
		if fhir.IsPretty(c.Request.URL.RawQuery) {
			c.Writer = &prettyWriter{ResponseWriter: c.Writer, indent: fhir.NewIndenter(c.Writer)}
		}
		return h(c)
	}
}

// prettyWriter indents the body of an answer. How long that is its handler does not know.
type prettyWriter struct {
	gin.ResponseWriter
	indent *fhir.Indenter
}

func (p *prettyWriter) WriteHeader(status int) {
	p.Header().Del("Content-Length")
	p.ResponseWriter.WriteHeader(status)
}

func (p *prettyWriter) Write(data []byte) (int, error) { return p.indent.Write(data) }

// plain is a handler that does not look at the request.
func plain(serve func(w http.ResponseWriter)) handler {
	return func(c *gin.Context) error {
		serve(c.Writer)
		return nil
	}
}

// writePlain writes a small body that no cache may keep.
func writePlain(w http.ResponseWriter, status int, contentType string, body []byte) {
	header := w.Header()
	header.Set("Content-Type", contentType)
	header.Set("Cache-Control", "no-store")
	header.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body) // the client has gone: there is nobody left to tell
}
