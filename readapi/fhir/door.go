package fhir

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"binnacle/events"
	"binnacle/events/fhir/rest"
	"binnacle/projections"
	"binnacle/projections/catalog"
	"binnacle/readapi/fhir/pages"
	"binnacle/readapi/openapi"
)

// Config is what the reading doors need. Zero limits stand for their defaults. Without a Reader the door answers for
// no resource; it tells what the node offers, and how a request failed.
type Config struct {
	Tenant     string // the ledger that is read when [Door.For] names no other
	Partitions int32  // of the log; 0: 1
	Reader     projections.Reader
	Blobs      projections.Blobs
	Memos      projections.Memos // keeps searches by POST for their further pages
	Catalog    *catalog.Catalog
	// Heal brings the content of a version back from the log when the blob store has lost it; nil: a lost blob is an
	// error.
	Heal      func(ctx context.Context, version projections.Version) ([]byte, error)
	PublicURL string     // the same, if it was configured; for the capability statement
	Writes    []rest.Row // what the writing door offers; none: this node takes no writes
	Log       string     // the identity of the log; "": it has none
	Version   string     // of the software
	Dangling  bool       // references need not lead to something; told in the capability statement
	// unknown parameters of a search are left out when the client prefers nothing; else they are refused
	Lenient bool
	Logger  *slog.Logger
	Limits  Limits
}

// Limits bound what one request may ask for.
type Limits struct {
	DefaultCount int // entries on a page when _count is not given; default 50
	MaxCount     int // entries on a page at the most; a larger _count is read as this; default 1,000
	MaxValues    int // alternatives of one search parameter; default 1,000
	PageBytes    int // content on a page at the most, unless one entry alone is larger; default 32 MiB
	// resources beside the matches on a page at the most; more follow on pages of their own; default 1,000
	Included      int
	FormBytes     int64         // body of a search by POST; default 1 MiB
	SearchTime    time.Duration // one search; default 10 s
	LaterTime     time.Duration // one search that nobody holds a connection for; default 10 min
	PositionWait  time.Duration // for the position that a read must have reached; default 5 s
	PositionFresh time.Duration // age of the position that answers name; default 100 ms
}

func (l Limits) withDefaults() Limits {
	orDefault(&l.DefaultCount, 50)
	orDefault(&l.MaxCount, 1_000)
	l.DefaultCount = min(l.DefaultCount, l.MaxCount)
	orDefault(&l.PageBytes, 32<<20)
	orDefault(&l.Included, 1_000)
	orDefault(&l.FormBytes, 1<<20)
	orDefault(&l.SearchTime, 10*time.Second)
	orDefault(&l.LaterTime, 10*time.Minute)
	orDefault(&l.PositionWait, 5*time.Second)
	orDefault(&l.PositionFresh, 100*time.Millisecond)
	return l
}

func orDefault[T int | int64 | time.Duration](value *T, standard T) {
	if *value <= 0 {
		*value = standard
	}
}

// Door answers reads of one tenant. Its methods are a [rest.Read] of one interaction each. All are safe for
// concurrent use.
type Door struct {
	*shared
	Tenant    string
	Partition int32 // of the tenant in the log
	progress  *progress
}

// shared is what the doors of all tenants have in common.
type shared struct {
	Config
	Table      *rest.Table // of what the node offers
	progress   []*progress // of each partition
	capability *capability
	described  func() (*openapi.Document, error) // made when it is first asked for
	contents   pages.Contents
	buffers    sync.Pool // of *[]byte, for bodies of reads
}

// New makes the door; an error is of kind Invalid and says which part of the configuration is missing.
func New(config Config) (*Door, error) {
	missing := ""
	switch {
	case config.Tenant == "":
		missing = "a tenant"
	case config.Reader != nil && config.Blobs == nil:
		missing = "blobs beside its index"
	case config.Reader != nil && config.Memos == nil:
		missing = "memos beside its index"
	case config.Catalog == nil:
		missing = "a catalog"
	case config.Logger == nil:
		missing = "a logger"
	}
	if missing != "" {
		return nil, events.Errorf(events.Invalid, "fhir.New", "the reading door needs %s", missing)
	}
	config.Limits = config.Limits.withDefaults()
	common := &shared{Config: config, contents: pages.Contents{Blobs: config.Blobs, Heal: config.Heal,
		Bytes: config.Limits.PageBytes, Logger: config.Logger}}
	for partition := range max(1, config.Partitions) {
		common.progress = append(common.progress, &progress{reader: config.Reader, partition: partition,
			fresh: config.Limits.PositionFresh, bound: config.Limits.PositionWait})
	}
	d := &Door{shared: common}
	d = d.For(config.Tenant)
	common.Table = rest.NewTable(config.Catalog.Known, append(d.rows(), config.Writes...)...)
	var err error
	common.described = sync.OnceValues(func() (*openapi.Document, error) {
		return openapi.New(openapi.Config{Rows: common.Table.Rows(), Catalog: config.Catalog, Version: config.Version})
	})
	common.capability, err = newCapability(config, common.Table)
	return d, err
}

// For returns the door of a tenant.
func (d *Door) For(tenant string) *Door {
	if tenant == d.Tenant {
		return d
	}
	partition := events.PartitionOf(tenant, int32(len(d.shared.progress)))
	return &Door{shared: d.shared, Tenant: tenant, Partition: partition, progress: d.shared.progress[partition]}
}

// rows are the lines that the reading door has in the table of what the node offers: a node without a Reader has the
// capability statement alone.
func (d *Door) rows() []rest.Row {
	type reader = func(*Door, context.Context, *rest.Ask, *rest.Answer) error
	read := func(name, path string, read reader, check func(*Door, *rest.Ask) error, codes ...string) rest.Row {
		ofTenant := func(ctx context.Context, ask *rest.Ask, answer *rest.Answer) error {
			return read(d.of(ask), ctx, ask, answer)
		}
		return rest.Row{Name: name, Codes: codes, Method: http.MethodGet, Path: path, Serve: rest.Reading(ofTenant),
			Read: ofTenant, Long: strings.HasPrefix(name, "search-") || strings.HasPrefix(name, "history-"),
			Check: func(ask *rest.Ask) error { return check(d.of(ask), ask) }}
	}
	capabilities := read("capabilities", "/metadata", (*Door).Metadata, byForm((*Door).metadataForm))
	capabilities.Serve = d.toldLedger(capabilities.Serve)
	described := rest.Row{Name: "openapi", Method: http.MethodGet, Path: "/openapi.json", Serve: d.OpenAPI}
	if d.Reader == nil {
		return []rest.Row{capabilities, described}
	}
	search := byForm(func(d *Door, ask *rest.Ask) (*search, error) { return d.searchForm(ask, ask.Query, false) })
	return []rest.Row{
		capabilities, described,
		d.bytesToo((*Door).current, read("read", "/:type/:id", (*Door).Read, byForm((*Door).readForm), "read")),
		d.bytesToo((*Door).numbered,
			read("vread", "/:type/:id/_history/:version", (*Door).VRead, byForm((*Door).versionForm), "vread")),
		read("history-instance", "/:type/:id/_history", (*Door).History, byForm((*Door).historyForm),
			"history-instance"),
		read("history-type", "/:type/_history", (*Door).History, byForm((*Door).historyForm), "history-type"),
		read("history-system", "/_history", (*Door).History, byForm((*Door).historyForm), "history-system"),
		read("search-type", "/:type", (*Door).Search, search, "search-type"),
		{Name: "search-type", Method: http.MethodPost, Path: "/:type/_search", Long: true,
			Serve: d.SearchForm},
		read("search-system", "", (*Door).Search, search, "search-system"),
		{Name: "search-system", Method: http.MethodPost, Path: "/_search", Long: true,
			Serve: d.SearchForm},
		read("search-compartment", "/:type/:id/:inside", (*Door).Search, search),
		{Name: "search-compartment", Method: http.MethodPost, Path: "/:type/:id/:inside/_search", Long: true,
			Serve: d.SearchForm},
	}
}

// byForm makes a check of the function that reads what is asked for.
func byForm[T any](form func(*Door, *rest.Ask) (T, error)) func(*Door, *rest.Ask) error {
	return func(d *Door, ask *rest.Ask) error {
		_, err := form(d, ask)
		return err
	}
}

// of returns the door of the tenant that is asked for.
func (d *Door) of(ask *rest.Ask) *Door {
	if ask.Tenant == "" {
		return d
	}
	return d.For(ask.Tenant)
}
