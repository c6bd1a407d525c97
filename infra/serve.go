package infra

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"os"
	"runtime/debug"
	"time"

	"golang.org/x/sync/errgroup"

	"binnacle/events"
	"binnacle/infra/node"
	"binnacle/infra/parts"
	"binnacle/infra/terminal"
)

// serveCommand runs the server.
type serveCommand struct {
	Listen       string        `help:"Address to listen on, host:port." default:"127.0.0.1:8080" env:"BINNACLE_LISTEN"`
	Base         string        `help:"Path of the FHIR root." default:"/fhir" env:"BINNACLE_BASE"`
	PublicURL    string        `help:"URL of the FHIR root as clients see it; empty: taken from Forwarded or X-Forwarded-* of trusted proxies, else from the request." env:"BINNACLE_PUBLIC_URL"`
	Proxies      []string      `help:"Addresses and networks of proxies whose Forwarded and X-Forwarded-* are believed; from anybody else they are ignored. Of a chain of proxies name all." default:"127.0.0.0/8,::1/128" sep:"," env:"BINNACLE_TRUSTED_PROXIES" name:"trusted-proxies"`
	Origins      []string      `help:"Origins whose pages may use the server from a browser, as in https://app.example.org; *: any; empty: none." sep:"," env:"BINNACLE_CORS_ORIGINS" name:"cors-origins"`
	AccessLog    bool          `help:"Log one line for each request, at level info: method, path without parameters, status, bytes, time, request id and tenant." env:"BINNACLE_ACCESS_LOG"`
	Tenants      []string      `help:"Tenants that are served at /t/NAME in front of the FHIR root, beside the one at the root itself; *: any valid name." sep:"," env:"BINNACLE_TENANTS"`
	Only         []string      `help:"Roles of this node: ${enum}." enum:"write,project,read" default:"write,project,read" sep:"," env:"BINNACLE_ONLY"`
	NoInit       bool          `help:"Refuse to start instead of creating topic, keyspace and schema when they are missing." env:"BINNACLE_NO_INIT" group:"The process:"`
	Drain        time.Duration `help:"How long the server goes on answering after it has begun to stop, so that load balancers notice." default:"0s" env:"BINNACLE_DRAIN" group:"The process:"`
	StartWait    time.Duration `help:"How long the server tries again to start while Kafka, Cassandra or Postgres can't be reached." default:"1m" env:"BINNACLE_START_WAIT" group:"The process:"`
	Pprof        string        `help:"Address of Go's profiler; empty: none. Keep it private." env:"BINNACLE_PPROF" group:"The process:"`
	Memory       int64         `help:"Soft limit of the Go heap, bytes (GOMEMLIMIT); 0: none." default:"199229440" env:"BINNACLE_MEMORY" group:"The process:"`
	parts.Limits `embed:"" group:"Limits:"`
}

const serveHelp = `Runs the server until it is interrupted. With no flags at all it listens on http://127.0.0.1:8080/fhir and keeps
everything in one SQLite file in ./binnacle-data.

On the distributed variant it needs --kafka-brokers, --cassandra-hosts and --postgres-url (or their environment
twins) and creates topic, keyspace and schema when nothing is there yet, unless --no-init is given.`

func (*serveCommand) Help() string { return serveHelp }

// stopBound is how long requests in flight may take to finish when the server stops.
const stopBound = 30 * time.Second

// Run is called by the command line.
func (c *serveCommand) Run(ctx context.Context, config *parts.Config, out *terminal.Output, logger *slog.Logger) error {
	if c.Memory > 0 && os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(c.Memory)
	}
	lock, err := parts.LockFolder(config, !c.NoInit)
	if err != nil {
		return err
	}
	defer lock.Close()
	listener, err := net.Listen("tcp", c.Listen)
	if err != nil {
		return fmt.Errorf("can't listen on %s: %w; choose another address with --listen", c.Listen, err)
	}
	defer listener.Close()
	n, err := c.start(ctx, config, logger)
	if err != nil {
		return err
	}
	defer n.Close()
	fmt.Fprintf(out.Err, "Binnacle (%s) serves http://%s%s\n", config.Variant, listener.Addr(), c.Base)
	return c.run(ctx, n, listener)
}

// startPause is how long a start that failed rests before it is tried again.
const startPause = time.Second

// start makes the node. While a part is away it tries again, for a bounded time: one broker of several may be lost just
// now, and where everything is started at once the databases come last.
func (c *serveCommand) start(ctx context.Context, config *parts.Config, logger *slog.Logger) (*node.Node, error) {
	for deadline := time.Now().Add(c.StartWait); ; {
		n, err := c.open(ctx, config, logger)
		if err == nil || events.KindOf(err) != events.Transient || time.Now().After(deadline) {
			return n, err
		}
		logger.Warn("the server can't start yet and tries again", "until", deadline.Format(time.TimeOnly), "error", err)
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(startPause):
		}
	}
}

// open opens the parts and puts them together.
func (c *serveCommand) open(ctx context.Context, config *parts.Config, logger *slog.Logger) (*node.Node, error) {
	p, err := parts.Open(ctx, config, logger, parts.Options{Create: !c.NoInit, BlobCache: c.BlobCache, SearchTimeout: c.SearchTimeout, CommitWithin: c.CommitWithin, Exclusive: true})
	if err != nil {
		return nil, err
	}
	n, err := node.New(ctx, p, c.node())
	if err != nil {
		p.Close()
		return nil, err
	}
	return n, nil
}

// node is what of the flags a node needs.
func (c *serveCommand) node() node.Settings {
	return node.Settings{Base: c.Base, PublicURL: c.PublicURL, Proxies: c.Proxies, Origins: c.Origins, AccessLog: c.AccessLog, Tenants: c.Tenants, Roles: c.Only, Limits: c.Limits}
}

// run serves until ctx ends; then the node says that it isn't ready, requests in flight finish, and the projector
// stops.
func (c *serveCommand) run(ctx context.Context, n *node.Node, listener net.Listener) error {
	server := &http.Server{Handler: newPace(n.Handler, c.BodyRate, c.BodyTimeout), ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute,
		ErrorLog: slog.NewLogLogger(n.Logger.Handler(), slog.LevelDebug), Protocols: new(http.Protocols)}
	server.Protocols.SetHTTP1(true)
	server.Protocols.SetUnencryptedHTTP2(true)
	working, stopWorking := context.WithCancel(context.WithoutCancel(ctx))
	defer stopWorking()
	group, failed := errgroup.WithContext(working)
	group.Go(func() error { return n.Run(failed) })
	group.Go(func() error {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
	if c.Pprof != "" {
		group.Go(func() error { return serveProfiler(failed, c.Pprof) })
	}
	group.Go(func() error {
		select {
		case <-ctx.Done():
		case <-failed.Done():
		}
		n.BeginStop()
		select { // new requests are answered too, until whoever sends them has seen that the node isn't ready
		case <-time.After(c.Drain):
		case <-failed.Done():
		}
		bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopBound)
		defer cancel()
		err := server.Shutdown(bounded)
		stopWorking()
		return err
	})
	return group.Wait()
}

// serveProfiler answers Go's profiling tool on an address of its own.
func serveProfiler(ctx context.Context, address string) error {
	mux := http.NewServeMux()
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	server := &http.Server{Addr: address, Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	go func() {
		<-ctx.Done()
		_ = server.Close() // the program ends, and its sockets with it
	}()
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("the profiler can't listen on %s: %w", address, err)
	}
	return nil
}
