package readapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"binnacle/events"
	"binnacle/events/fhir/rest"
	"binnacle/projections/fhir/form"
	"binnacle/readapi/fhir"
)

// ServeHTTP answers a request. What happens to every request stands in this file, in its order.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if s.access {
		s.logged(w, r)
		return
	}
	s.serve(w, r)
}

// serve makes a path that ends with a slash the same as the one without, and takes the tenant off a path that names
// one. A delete keeps its slash: behind it an id may be missing, and the delete would be of the whole type.
func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	if isForwarded(r.Header) {
		s.proxies.believe(r)
	}
	if path := r.URL.Path; len(path) > 1 && path[len(path)-1] == '/' && r.Method != http.MethodDelete {
		r.URL.Path, r.URL.RawPath = path[:len(path)-1], ""
	}
	if strings.HasPrefix(r.URL.Path, tenantPath) {
		if tenancy, path, named := tenancyOf(r.URL.Path, s.base); named {
			r = r.WithContext(rest.WithTenancy(r.Context(), tenancy))
			r.URL.Path, r.URL.RawPath = path, ""
		}
	}
	if s.origins != nil && s.isFHIR(r.URL.Path) && s.origins.answered(w, r) {
		return
	}
	s.handler.ServeHTTP(w, r)
}

// isForwarded tells whether a proxy, or somebody like one, tells of the client's side.
func isForwarded(header http.Header) bool {
	for _, name := range forwarding {
		if len(header[name]) > 0 {
			return true
		}
	}
	return false
}

// isFHIR tells whether a path is the FHIR root or below it.
func (s *Server) isFHIR(path string) bool {
	below, found := strings.CutPrefix(path, s.base)
	return found && (below == "" || below[0] == '/')
}

// answer shows to browsers as a page what is answered to reads under the FHIR root; everybody else gets the answer
// itself.
func (s *Server) answer(w http.ResponseWriter, r *http.Request) {
	if mayWantPage(r) && rest.PrefersHTML(r) && s.isFHIR(r.URL.Path) && !s.showsBinary(r) {
		s.serveView(w, r)
		return
	}
	s.engine.ServeHTTP(w, r)
}

// readsBinary tells whether a request reads one Binary, which may be answered as bytes of any type.
func (s *Server) readsBinary(r *http.Request) bool {
	id, found := strings.CutPrefix(r.URL.Path, s.base+"/"+fhir.BinaryType+"/")
	if !found || r.Method != http.MethodGet && r.Method != http.MethodHead {
		return false
	}
	id, version, versioned := strings.Cut(id, "/_history/")
	return !strings.Contains(id, "/") && !strings.HasPrefix(id, "_") && (!versioned || version != "")
}

// showsBinary tells whether a browser is to show what a Binary holds: its page is shown when it is asked for (_format).
func (s *Server) showsBinary(r *http.Request) bool {
	if !s.readsBinary(r) {
		return false
	}
	format, _, _ := rest.Param(r.URL.RawQuery, "_format")
	return format == ""
}

// mayWantPage tells of most requests at once that nobody wants a page: they name neither a format nor HTML.
func mayWantPage(r *http.Request) bool {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return false
	}
	accept, query := r.Header["Accept"], r.URL.RawQuery
	return len(accept) > 1 || len(accept) == 1 && strings.Contains(accept[0], "html") ||
		strings.Contains(query, "format") || strings.Contains(query, "%")
}

// request is a request on its way.
type request struct {
	*gin.Context
	label string // of its tenant, in metrics; "": it is about none
}

// handler answers a request, or returns an error and has then set headers at the most.
type handler func(c *request) error

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
	return func(given *gin.Context) {
		began, c := time.Now(), &request{Context: given}
		s.metrics.inFlight.Inc()
		identify(c)
		defer func() {
			s.metrics.inFlight.Dec()
			took := time.Since(began)
			times.observe(c.Writer.Status(), took)
			if c.label != "" {
				s.metrics.tenant(c.label, c.Writer.Status(), took)
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

// identify gives the request an id that client and operator can talk about: the client's own, or a new one (FHIR R4
// http, 3.1.0.1.6).
func identify(c *request) {
	id := c.Request.Header.Get("X-Request-Id")
	if !isRequestID(id) {
		id = strconv.FormatUint(rand.Uint64(), 36)
	}
	// the write door reads it, too
	c.Request.Header["X-Request-Id"], c.Writer.Header()["X-Request-Id"] = []string{id}, []string{id}
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

// fhir is the middleware of what answers in FHIR: what is asked, of which tenant, and the content type of the answer.
// The type stands in the header before the answer is made.
func (s *Server) fhir(answer func(c *request, ask *rest.Ask) error) handler {
	return func(c *request) error {
		ask := s.address.Ask(c.Request)
		header := c.Writer.Header()
		header["Vary"] = append(header["Vary"], "Accept")
		if c.Request.Context().Value(asPage{}) != nil {
			ask.ContentType, ask.Accepts = rest.ContentType, rest.AcceptsResource
		}
		if ask.ContentType == "" && !s.readsBinary(c.Request) { // which has a type of its own
			return rest.NotAcceptable()
		}
		if ask.ContentType != "" { // else only the bytes of a Binary are accepted
			header["Content-Type"] = []string{ask.ContentType}
		}
		if ask.Pretty {
			c.Writer = &prettyWriter{ResponseWriter: c.Writer}
		}
		if ask.XML() {
			return s.inXML(c, ask, answer)
		}
		return s.ofTenant(c, ask, answer)
	}
}

// ofTenant answers when there is the tenant that is asked for.
func (s *Server) ofTenant(c *request, ask *rest.Ask, answer func(c *request, ask *rest.Ask) error) error {
	switch {
	case ask.Tenant == "":
		c.label = s.root.Tenant
	case s.tenants.known(ask.Tenant):
		c.label = s.tenants.label(ask.Tenant)
	default:
		return events.Errorf(events.NotFound, "readapi", "there is no tenant %q here", clip(ask.Tenant))
	}
	return answer(c, ask)
}

// offered answers where a row of the table does.
func (s *Server) offered(row rest.Row) func(c *request, ask *rest.Ask) error {
	return func(c *request, ask *rest.Ask) error {
		ask.Place = rest.Place{Type: c.Param("type"), ID: c.Param("id"), Version: c.Param("version"),
			Inside: c.Param("inside")}
		if row.Instead != "" || hasEmpty(c.Params) || !s.root.Table.Fits(&row, ask.Place) {
			return s.found(c, ask)
		}
		return s.serveRow(c, ask, &row)
	}
}

// serveRow answers a request by its row: at once, or later when the client prefers that and the answer may be long.
func (s *Server) serveRow(c *request, ask *rest.Ask, row *rest.Row) error {
	if ask.Prefer.Async && row.Long && s.later != nil && c.Request.Method != http.MethodHead {
		return s.later(c.Writer, c.Request, ask, row)
	}
	return row.Serve(c.Writer, c.Request, ask)
}

// hasEmpty tells of a path with slashes that follow each other: Gin takes the nothing between them for a parameter.
func hasEmpty(params gin.Params) bool {
	return slices.ContainsFunc(params, func(p gin.Param) bool { return p.Value == "" })
}

// found answers where Gin has no route, or one of a shape that the path has by chance: as the table says.
func (s *Server) found(c *request, ask *rest.Ask) error {
	method, path := c.Request.Method, c.Request.URL.Path
	below, found := strings.CutPrefix(path, s.base)
	if allow := c.Writer.Header().Get("Allow"); !found && allow != "" { // Gin has set it
		return rest.NotAllowed(method, allow)
	}
	if !found || below != "" && below[0] != '/' {
		return events.Errorf(events.NotFound, "readapi", "there is nothing at %.200q; %s/metadata tells what there is",
			path, s.base)
	}
	c.Writer.Header().Del("Allow")
	row, at, err := s.root.Table.Find(method, below)
	if err != nil {
		return err
	}
	ask.Place = at
	return s.serveRow(c, ask, row)
}

// unknown is the interaction of what the table does not have.
const unknown = "unknown"

// refuse answers with an error and tells the operator what the client must not read.
func (s *Server) refuse(c *request, err error) {
	s.tell(c.Request.Context(), c.Request.Method, c.Request.URL.Path, c.Writer.Header().Get("X-Request-Id"), err)
	rest.Refuse(c.Writer, err)
}

// tell tells the operator of a request that is answered with an error.
func (s *Server) tell(ctx context.Context, method, path, request string, err error) {
	switch kind := events.KindOf(err); kind {
	default:
		s.log.DebugContext(ctx, "a request was refused", "method", method, "path", clipped(path, 200), "kind", kind,
			"request", request, "reason", err)
	case events.Internal:
		s.log.ErrorContext(ctx, "a request failed", "method", method, "path", path, "request", request, "cause", err)
	}
}

// recovered answers for a handler that has panicked. http.ErrAbortHandler is how an answer that cannot be finished is
// broken off, and net/http's to handle; so is any panic after the answer has begun.
func (s *Server) recovered(c *request, cause any) {
	if err, is := cause.(error); is && errors.Is(err, http.ErrAbortHandler) {
		panic(http.ErrAbortHandler)
	}
	s.log.ErrorContext(c.Request.Context(), "a handler has panicked", "method", c.Request.Method, "path",
		c.Request.URL.Path,
		"request", c.Writer.Header().Get("X-Request-Id"), "cause", fmt.Sprint(cause), "stack", string(debug.Stack()))
	if c.Writer.Written() {
		panic(http.ErrAbortHandler)
	}
	rest.Refuse(c.Writer, events.Errorf(events.Internal, "readapi", "a handler has panicked"))
}

// prettyWriter indents the body of an answer. How long that is its handler does not know.
type prettyWriter struct {
	gin.ResponseWriter
	asIs   bool      // the body is that of a Binary
	indent io.Writer // nil until something is written
}

func (p *prettyWriter) WriteHeader(status int) {
	if p.asIs = p.Header().Get("Content-Disposition") != ""; !p.asIs {
		p.Header().Del("Content-Length")
	}
	p.ResponseWriter.WriteHeader(status)
}

func (p *prettyWriter) Write(data []byte) (int, error) {
	if p.asIs {
		return p.ResponseWriter.Write(data)
	}
	if p.indent == nil {
		p.indent = fhir.Indented(p.ResponseWriter, form.Asked(rest.IsXML(p.Header().Get("Content-Type"))))
	}
	return p.indent.Write(data)
}

// clip shortens what a client has sent for a message.
func clip(s string) string { return clipped(s, 64) }

func clipped(s string, most int) string {
	if len(s) > most {
		return strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
}
