package node

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	"github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/ThreeDotsLabs/watermill/message/router/middleware"
	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"golang.org/x/sync/errgroup"

	"binnacle/events"
	"binnacle/functions"
	"binnacle/functions/jobs"
	"binnacle/functions/write"
	"binnacle/infra/parts"
	"binnacle/projections"
)

// Roles of a node. A node with no role of its own still answers health and metrics.
const (
	roleWrite   = "write"
	roleProject = "project"
	roleRead    = "read"
)

// settleBound is how long a commit may take that is under way when the node stops.
const settleBound = 5 * time.Second

// Settings is what a node needs beside its parts.
type Settings struct {
	Base      string // path of the FHIR root
	PublicURL string
	Proxies   []string // that are trusted
	Origins   []string // whose pages may use the node
	AccessLog bool
	Tenants   []string // beside the default one; "*": any
	Roles     []string
	Limits    parts.Limits
}

// Node is one running server: functions and doors put together.
type Node struct {
	*parts.Parts
	config    Settings
	registry  *prometheus.Registry
	waiters   *write.Waiters
	fresh     functions.Fresh // the ids that the write door makes
	meaning   atomic.Pointer[meaning]
	Handler   http.Handler // that of the meaning
	router    *message.Router
	follower  events.Follower    // nil on a node that does not project
	publish   *functions.Publish // nil on a node that does not project
	sweep     *functions.Sweep   // nil on a node that does not project
	fit       *functions.Fit     // whether the log is the one that the projections were made from
	logID     string             // of the log; "": it has none
	watch     *generationWatch
	lag       *lagWatch
	jobs      *jobs.Jobs         // requests that are answered later
	left      prometheus.Counter // clients that did not wait for the answers to their writes
	Stopping  context.Context    //nolint:containedctx // a signal, not a call's context: it ends when the node begins to stop: it isn't ready any more
	BeginStop context.CancelFunc
}

// New puts a node together, unless the log does not fit the projections; nothing runs yet.
func New(ctx context.Context, p *parts.Parts, config Settings) (*Node, error) {
	n := &Node{Parts: p, config: config, registry: prometheus.NewRegistry()}
	n.Stopping, n.BeginStop = context.WithCancel(context.Background())
	n.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	live := p.Generations.Live()
	n.waiters = write.NewWaiters(live)
	n.fit = &functions.Fit{Log: p.Log, Feed: p.Feed, Index: live, Name: p.LogName(), Logger: p.Logger}
	if err := n.fit.Handle(ctx); err != nil {
		return nil, err
	}
	var err error
	if n.logID, err = functions.LogIdentity(ctx, n.Log); err != nil {
		return nil, err
	}
	n.lag = newLagWatch(p.Log, live, n.registry, n.observe)
	n.watch = newGenerationWatch(p, n.registry)
	n.registerPartMetrics()
	n.registerHeadMetric()
	n.left = prometheus.NewCounter(prometheus.CounterOpts{Name: "binnacle_writes_left_total", Help: "Writes whose clients left before they were answered. Such a write may have been made."})
	n.registry.MustRegister(n.left)
	n.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { n.meaning.Load().handler.ServeHTTP(w, r) })
	if n.has(roleProject) {
		if err := n.newRouter(ctx); err != nil {
			return nil, err
		}
	}
	n.newJobs()
	return n, n.firstMeaning(ctx)
}

func (n *Node) has(role string) bool { return slices.Contains(n.config.Roles, role) }

// newRouter makes the Watermill router that hands the log's batches to the projector. The middleware tries a batch
// again while a part is away; what fails for longer is nacked, and the follower brings it again.
func (n *Node) newRouter(ctx context.Context) (err error) {
	logger := watermill.NewSlogLoggerWithLevelMapping(n.Logger, map[slog.Level]slog.Level{slog.LevelInfo: slog.LevelDebug})
	n.router, err = message.NewRouter(message.RouterConfig{CloseTimeout: 10 * time.Second}, logger)
	if err != nil {
		return err
	}
	n.publish = &functions.Publish{Index: n.Generations.Live(), Feed: n.Feed, Logger: n.Logger, Patience: n.patience()}
	n.registerFeedMetrics()
	n.sweep = &functions.Sweep{Index: n.Generations.Live(), Sweeper: n.Generations.Sweeper(), Logger: n.Logger, Grace: n.config.Limits.SweepAfter, Settle: n.config.Limits.SearchTimeout + time.Second}
	n.registerSweepMetrics()
	if n.follower, err = n.Log.Follow(func(ctx context.Context, partition int32) (int64, error) {
		return n.meaning.Load().project.Seek(ctx, partition)
	}); err != nil {
		return err
	}
	n.router.AddMiddleware(
		newHandlerMetrics(n.registry),
		middleware.Retry{MaxRetries: 3, InitialInterval: 50 * time.Millisecond, MaxInterval: time.Second, Multiplier: 3, Logger: logger}.Middleware,
		middleware.Recoverer,
	)
	n.router.AddConsumerHandler("project", "events", n.follower, func(msg *message.Message) error { return n.meaning.Load().project.Handle(msg) })
	return nil
}

// maxPatience bounds how long a replica lets others publish first.
const maxPatience = 2 * time.Second

// patience is how long this node lets others publish a decision first. Replicas all decide the same, each for itself:
// the one with the least patience publishes, and another one when it is away.
func (n *Node) patience() time.Duration {
	if n.Parts.Config.Variant != "replica" {
		return 0
	}
	return rand.N(maxPatience) //nolint:gosec // no secret
}

// observe tells the index that the doors read, and the projector, what the index says of itself.
func (n *Node) observe(ctx context.Context, states map[int32]projections.State, err error) {
	m := n.meaning.Load()
	if m == nil {
		return
	}
	m.whole.observe(states, err)
	if m.project != nil && err == nil {
		m.project.Observed(ctx, states)
	}
}

func NewID() string { return uuid.Must(uuid.NewV7()).String() }

// Run projects, follows other processes' progress and watches the lag until ctx ends, then stops in order.
func (n *Node) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	if n.router != nil {
		group.Go(func() error {
			err := n.router.Run(ctx)
			bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleBound)
			defer cancel()
			if settled := n.meaning.Load().project.Settle(bounded); settled != nil {
				n.Logger.Info("the projector's last commit did not come to its end; it is made again from the log", "error", settled)
			}
			return err
		})
	}
	group.Go(func() error {
		return n.Generations.Watch(ctx, func() { n.waiters.Progressed(ctx) })
	})
	if n.publish != nil {
		group.Go(func() error { return n.publish.Handle(ctx) })
	}
	if n.sweep != nil {
		group.Go(func() error {
			n.sweep.Handle(ctx)
			return nil
		})
	}
	group.Go(func() error {
		n.fit.Watch(ctx)
		return nil
	})
	group.Go(func() error {
		n.lag.run(ctx)
		return nil
	})
	group.Go(func() error {
		n.jobs.Run(ctx)
		return nil
	})
	group.Go(func() error {
		n.followMeaning(ctx)
		return nil
	})
	err := group.Wait()
	if ctx.Err() != nil && events.KindOf(err) == events.Transient {
		return nil // that is how the parts tell that they were asked to stop
	}
	return err
}
