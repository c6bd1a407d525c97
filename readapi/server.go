package readapi

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/klauspost/compress/gzhttp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"binnacle/events"
	"binnacle/events/fhir/rest"
	"binnacle/projections"
	"binnacle/projections/catalog"
	"binnacle/readapi/fhir"
)

// Config is what a node's outer door needs.
type Config struct {
	Base      string // path of the FHIR root, "/fhir"
	PublicURL string // the FHIR root as clients see it; empty: what proxies or the request say

	TrustedProxies []string // addresses and networks whose Forwarded and X-Forwarded-* are believed
	CORSOrigins    []string // whose pages may use the FHIR root from a browser; "*": any
	AccessLog      bool     // a line for each request

	Tenant     string   // the ledger of requests that name none
	Tenants    []string // the others that may be named, as /t/name in front of Base; "*": any valid name
	Partitions int32    // of the log; 0: 1
	Log        string   // the identity of the log; "": it has none

	Writes []rest.Row // what the writing door offers; none: this node does not write

	// answers later what a client prefers to fetch later, of rows that are Long; nil: every answer comes at once
	Later func(w http.ResponseWriter, r *http.Request, ask *rest.Ask, row *rest.Row) error

	Reader projections.Reader // nil: this node does not read
	Blobs  projections.Blobs
	Memos  projections.Memos
	// content that Blobs has lost; nil: it stays lost
	Heal    func(ctx context.Context, version projections.Version) ([]byte, error)
	Catalog *catalog.Catalog

	Health []Part
	// tells why only a new start of the process can help, which makes /health/live 503; nil: nothing ever does
	Lost func() error
	// closed when the node begins to stop: the next ready check sees it at once; nil: never
	Stopping <-chan struct{}
	Registry *prometheus.Registry // gets the door's metrics, and is what /metrics shows
	Logger   *slog.Logger
	Version  string // of the software

	Dangling bool // references need not lead to something; told in the capability statement
	// unknown parameters of a search are left out when the client prefers nothing; else they are refused
	Lenient      bool
	MaxValues    int           // alternatives of one search parameter; 0: 1,000
	DefaultCount int           // entries on a page when _count is not given; 0: 50
	MaxCount     int           // entries on a page at the most; 0: 1,000
	SearchTime   time.Duration // time limit of one search; 0: 10 s
	LaterTime    time.Duration // of one that nobody holds a connection for; 0: 10 min
	PositionWait time.Duration // how long a read waits for a position that it must have reached; 0: 5 s
}

// Server is the outer http.Handler of a node.
type Server struct {
	base    string
	address rest.Address
	proxies proxies
	origins *origins // nil: there are none
	access  bool
	later   func(w http.ResponseWriter, r *http.Request, ask *rest.Ask, row *rest.Row) error
	tenants tenants
	root    *fhir.Door // of the tenant of requests that name none
	catalog *catalog.Catalog
	health  *health
	metrics *metrics

	interactions map[string]*interaction // by name, from when the routes are made
	log          *slog.Logger
	pages        pages
	handler      http.Handler // what compresses answers, in front of Server.answer
	engine       *gin.Engine
}

// New makes the server. It puts Gin into release mode, which is a setting of the whole process.
func New(config Config) (*Server, error) {
	base := "/" + strings.Trim(config.Base, "/")
	if base == "/" || strings.ContainsAny(base, ":*?#%") || strings.HasPrefix(base+"/", tenantPath) {
		return nil, events.Errorf(events.Invalid, "readapi.New", "the base path %q cannot be used; write it as /fhir",
			config.Base)
	}
	if config.Registry == nil || config.Logger == nil {
		return nil, events.Errorf(events.Invalid, "readapi.New", "the server needs a metrics registry and a logger")
	}
	s := &Server{base: base, interactions: map[string]*interaction{}, access: config.AccessLog, later: config.Later, catalog: config.Catalog,
		log: config.Logger, health: newHealth(config)}
	var err error
	if s.tenants, err = newTenants(config.Tenant, config.Tenants); err != nil {
		return nil, err
	}
	if s.address, err = rest.NewAddress(config.PublicURL, base); err != nil {
		return nil, err
	}
	if s.proxies, err = newProxies(config.TrustedProxies, config.Logger); err != nil {
		return nil, err
	}
	s.root, err = fhir.New(fhir.Config{
		Tenant: config.Tenant, Partitions: config.Partitions, Reader: config.Reader, Blobs: config.Blobs,
		Memos: config.Memos, Catalog: config.Catalog, Heal: config.Heal,
		PublicURL: strings.TrimRight(config.PublicURL,
			"/"), Writes: config.Writes, Log: config.Log, Dangling: config.Dangling, Lenient: config.Lenient,
		Version: config.Version, Logger: config.Logger,
		Limits: fhir.Limits{MaxValues: config.MaxValues, DefaultCount: config.DefaultCount, MaxCount: config.MaxCount,
			SearchTime: config.SearchTime, LaterTime: config.LaterTime, PositionWait: config.PositionWait},
	})
	if err != nil {
		return nil, err
	}
	if s.origins, err = newOrigins(config.CORSOrigins, s.root.Table.Methods()); err != nil {
		return nil, err
	}
	if s.metrics, err = newMetrics(config.Registry); err != nil {
		return nil, err
	}
	if s.pages, err = newPages(); err != nil {
		return nil, err
	}
	gin.SetMode(gin.ReleaseMode)
	engine := gin.New()
	engine.HandleMethodNotAllowed = true
	engine.RedirectTrailingSlash = false
	engine.ForwardedByClientIP = false
	s.route(engine, config)
	compress, err := gzhttp.NewWrapper(gzhttp.MinSize(1_400), gzhttp.CompressionLevel(1),
		gzhttp.ContentTypes([]string{"application/fhir+json", "application/json", "text/json",
			"application/fhir+xml", "application/xml", "text/xml", "text/html", "text/plain"}))
	if err != nil {
		return nil, events.Wrap(events.Internal, "readapi.New", err, "the compressing handler")
	}
	s.engine, s.handler = engine, compress(http.HandlerFunc(s.answer))
	return s, nil
}

// Table is what the node offers.
func (s *Server) Table() *rest.Table { return s.root.Table }

// route tells Gin what there is.
func (s *Server) route(engine *gin.Engine, config Config) {
	s.get(engine, "/", "start", s.serveStart)
	s.get(engine, "/health", "health", plain(s.health.serveText))
	s.get(engine, "/health/live", "health", plain(s.health.serveLive))
	s.get(engine, "/health/ready", "health", plain(s.health.serveReady))
	exposition := promhttp.HandlerFor(config.Registry,
		promhttp.HandlerOpts{DisableCompression: true, ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelWarn)})
	s.get(engine, "/metrics", "metrics", func(c *request) error {
		exposition.ServeHTTP(c.Writer, c.Request)
		return nil
	})

	for _, row := range s.root.Table.Rows() {
		answer := s.handle(row.Name, s.fhir(s.offered(row)))
		engine.Handle(row.Method, s.base+row.Path, answer)
		if row.Method == http.MethodGet { // net/http drops the body that HEAD must not have
			engine.HEAD(s.base+row.Path, answer)
		}
	}
	engine.NoRoute(s.handle(unknown, s.fhir(s.found)))
	engine.NoMethod(s.handle(unknown, s.fhir(s.found)))
}
