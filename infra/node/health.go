package node

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/prometheus/client_golang/prometheus"

	"binnacle/events"
	"binnacle/infra/terminal"
	"binnacle/projections"
	"binnacle/readapi"
)

// healthParts lists what the ready check asks.
func (n *Node) healthParts() []readapi.Part {
	list := []readapi.Part{
		{Name: "server", Check: func(context.Context) (map[string]any, error) {
			if n.Stopping.Err() != nil {
				return nil, events.Errorf(events.Transient, "infra.health", "the server is stopping")
			}
			return map[string]any{"variant": n.Parts.Config.Variant, "roles": n.config.Roles}, nil
		}},
		{Name: "log", Check: n.checkLog},
		{Name: "blobs", Check: func(ctx context.Context) (map[string]any, error) { return nil, n.Blobs.Ready(ctx) }},
		{Name: "index", Check: n.watch.check},
		{Name: "projector", Check: n.checkProjector},
	}
	return list
}

// lost tells why only a new start of the process can help.
func (n *Node) lost() error {
	if n.File == nil {
		return nil
	}
	return n.File.Lost()
}

// checkLog asks the log what it says of itself. A log that writes can still wait for, while a lost broker is replaced,
// doesn't make a node unready: all nodes would be, and nobody would be left to hold the writes and to answer the reads.
func (n *Node) checkLog(ctx context.Context) (map[string]any, error) {
	detail := map[string]any{"partitions": n.Partitions}
	if err := n.fit.Err(); err != nil {
		return detail, err
	}
	if err := n.fit.Head(); err != nil {
		if n.config.Limits.LogHead == "strict" {
			return detail, err
		}
		detail["warning"] = terminal.Sentence(err)
	}
	if prober, ok := n.Log.(events.Prober); ok {
		return detail, prober.Health(ctx)
	}
	_, err := n.Log.Ends(ctx)
	return detail, err
}

// checkProjector tells the lag. A lag alone doesn't make a node unready: writes are refused by their own bound.
func (n *Node) checkProjector(ctx context.Context) (map[string]any, error) {
	if !n.lag.measured() {
		n.lag.measure(ctx) // the first look at a node that has just started
	}
	lag, seconds, err := n.lag.Lag()
	if err != nil {
		return nil, err
	}
	detail := map[string]any{"lagEvents": lag, "lagSeconds": seconds.Seconds()}
	if err := n.meaning.Load().whole.Whole(ctx); err != nil && n.has(roleRead) {
		return detail, err
	}
	trouble := n.trouble()
	if trouble != nil {
		detail["trouble"] = trouble.Text
	}
	refused, why := n.Refused()
	switch {
	case why == nil || time.Since(refused) < troublePatience:
	case time.Since(refused) > projectorStall:
		return detail, events.Wrap(events.Transient, "infra.health", why, "the index has not taken what was acknowledged for %s, and what that concerns can't be read", time.Since(refused).Round(time.Second))
	default:
		detail["trouble"] = "the index does not take what was acknowledged; it is tried again, and what that concerns can't be read until then"
	}
	switch {
	case seconds > projectorStall && trouble != nil:
		return detail, events.Wrap(events.Transient, "infra.health", trouble, "the projector is %d events and %s behind; %s", lag, seconds.Round(time.Second), trouble.Text)
	case seconds > projectorStall:
		return detail, events.Errorf(events.Transient, "infra.health", "the projector is %d events and %s behind", lag, seconds.Round(time.Second))
	}
	return detail, nil
}

// troublePatience is how long the projector may fail before health tells of it: what is tried again at once may have
// worked by then.
const troublePatience = 2 * time.Second

// trouble is why this node's projector does not go on.
func (n *Node) trouble() *events.Error {
	m := n.meaning.Load()
	if m == nil || m.project == nil {
		return nil
	}
	since, err := m.project.Trouble()
	var told *events.Error
	if err == nil || time.Since(since) < troublePatience || !errors.As(err, &told) {
		return nil
	}
	return told
}

// lagTimeout bounds what the log, and what the index, is asked for a measurement.
const lagTimeout = 2 * time.Second

// projectorStall is how far behind in time the projector may be on a node that calls itself ready.
const projectorStall = 60 * time.Second

// lagWatch measures how far the projections are behind the log, in events and in seconds, once a second.
type lagWatch struct {
	log     events.Log
	index   projections.Index
	observe func(ctx context.Context, states map[int32]projections.State, err error) // is told what the index says

	mu      sync.Mutex
	events  int64
	marks   []lagMark // ends of the log that were seen and not reached yet, oldest first
	err     error
	checked time.Time

	firsts    *prometheus.GaugeVec
	unsettled int64     // records in quarantine that nobody has handled
	oldest    time.Time // append time of the oldest of them; zero: none
}

type lagMark struct {
	end  map[int32]int64
	seen time.Time
}

func newLagWatch(log events.Log, index projections.Index, registry *prometheus.Registry, observe func(context.Context, map[int32]projections.State, error)) *lagWatch {
	w := &lagWatch{log: log, index: index, observe: observe}
	w.firsts = prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "binnacle_log_first_offset", Help: "First offset that the log still has, by partition; above 0: records were deleted."}, []string{"partition"})
	registry.MustRegister(w.firsts,
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "binnacle_projector_lag_events", Help: "Events in the log that are not projected yet."}, func() float64 {
			lag, _, _ := w.Lag() // an unknown lag shows as the last one known
			return float64(lag)
		}),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "binnacle_projector_lag_seconds", Help: "Age of the oldest event that is not projected yet."}, func() float64 {
			_, seconds, _ := w.Lag()
			return seconds.Seconds()
		}))
	w.registerQuarantineMetrics(registry)
	return w
}

func (w *lagWatch) run(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		w.measure(ctx)
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

func (w *lagWatch) measure(ctx context.Context) {
	asking, asked := context.WithTimeout(ctx, lagTimeout)
	ends, silent := w.log.Ends(asking) // how a log is that doesn't answer is told by the check of the log
	asked()
	ctx, cancel := context.WithTimeout(ctx, lagTimeout)
	defer cancel()
	states, err := w.index.Partitions(ctx)
	if ctx.Err() == nil {
		w.observe(ctx, states, err)
	}
	var unsettled int64
	var oldest time.Time
	if err == nil {
		unsettled, oldest, err = w.index.Unsettled(ctx)
	}
	now := time.Now()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.checked = now
	if w.err = err; err != nil {
		return
	}
	if silent != nil {
		return // the lag stays as it was known; the age of the oldest event goes on
	}
	w.unsettled, w.oldest = unsettled, oldest
	w.events = 0
	mark := lagMark{end: map[int32]int64{}, seen: now}
	for _, end := range ends {
		mark.end[end.Partition] = end.Next
		w.firsts.WithLabelValues(strconv.Itoa(int(end.Partition))).Set(float64(end.First))
		w.events += max(0, end.Next-max(end.First, states[end.Partition].Next))
	}
	reached := func(m lagMark) bool {
		for partition, end := range m.end {
			if states[partition].Next < end {
				return false
			}
		}
		return true
	}
	for len(w.marks) > 0 && reached(w.marks[0]) {
		w.marks = w.marks[1:]
	}
	if !reached(mark) {
		w.marks = append(w.marks, mark)
	}
	const most = 3600 // an hour of marks tells enough
	if len(w.marks) > most {
		w.marks = append(w.marks[:1:1], w.marks[len(w.marks)-most+1:]...)
	}
}

// measured tells whether there has been a measurement.
func (w *lagWatch) measured() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return !w.checked.IsZero()
}

// Lag returns the events that are not projected yet and the age of the oldest of them, not older than about a second.
func (w *lagWatch) Lag() (lag int64, age time.Duration, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.marks) > 0 {
		age = time.Since(w.marks[0].seen)
	}
	return w.events, age, w.err
}

// newHandlerMetrics counts and times the batches of the router's handlers.
func newHandlerMetrics(registry *prometheus.Registry) message.HandlerMiddleware {
	durations := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "binnacle_handler_duration_seconds", Help: "Time that a handler took for one batch, by handler and result.",
		Buckets: prometheus.ExponentialBuckets(0.0005, 4, 9),
	}, []string{"handler", "result"})
	registry.MustRegister(durations)
	return func(next message.HandlerFunc) message.HandlerFunc {
		return func(msg *message.Message) ([]*message.Message, error) {
			began := time.Now()
			produced, err := next(msg)
			result := "done"
			if err != nil {
				result = "failed"
			}
			durations.WithLabelValues(message.HandlerNameFromCtx(msg.Context()), result).Observe(time.Since(began).Seconds())
			return produced, err
		}
	}
}

// registerHeadMetric shows whether the log is whole.
func (n *Node) registerHeadMetric() {
	n.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "binnacle_log_head_lost", Help: "1 when the log has lost its first records, or its settings let that happen."}, func() float64 {
		if n.fit.Head() != nil {
			return 1
		}
		return 0
	}))
}

// registerFeedMetrics shows how far the feed is behind the decisions of this node.
func (n *Node) registerFeedMetrics() {
	n.registry.MustRegister(
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "binnacle_feed_lag_events", Help: "Events that this node has decided and whose decisions are not in the feed yet."}, func() float64 {
			lag, _ := n.publish.Lag()
			return float64(lag)
		}),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "binnacle_feed_lag_seconds", Help: "Age of the oldest decision of this node that is not in the feed yet."}, func() float64 {
			_, age := n.publish.Lag()
			return age.Seconds()
		}))
}

// registerSweepMetrics shows how the index is swept.
func (n *Node) registerSweepMetrics() {
	n.registry.MustRegister(
		prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "binnacle_index_swept_rows_total", Help: "Rows of superseded versions that this node has swept from the index."},
			func() float64 { return float64(n.sweep.Figures().Removed) }),
		prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "binnacle_index_sweeps_total", Help: "Sweeps of the index that this node has brought to their end."},
			func() float64 { return float64(n.sweep.Figures().Sweeps) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "binnacle_index_superseded_versions", Help: "Superseded versions that nobody can search any more and whose rows are not swept yet."},
			func() float64 { return float64(n.sweep.Figures().Superseded) }))
}

// registerPartMetrics shows what the parts count themselves.
func (n *Node) registerPartMetrics() {
	if n.Cache == nil {
		return
	}
	figure := func(name, help string, value func() float64) {
		n.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help}, value))
	}
	figure("binnacle_blob_cache_hits_total", "Contents that were read from the cache.", func() float64 { return float64(n.Cache.Figures().Hits) })
	figure("binnacle_blob_cache_misses_total", "Contents that the store was asked for.", func() float64 { return float64(n.Cache.Figures().Misses) })
	n.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "binnacle_blob_cache_bytes", Help: "Size of the cached contents."},
		func() float64 { return float64(n.Cache.Figures().Bytes) }))
}

// registerQuarantineMetrics shows the alarms, from the measurement of the lag.
func (w *lagWatch) registerQuarantineMetrics(registry *prometheus.Registry) {
	registry.MustRegister(
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "binnacle_quarantine_records", Help: "Records in quarantine that nobody has handled."}, func() float64 {
			w.mu.Lock()
			defer w.mu.Unlock()
			return float64(w.unsettled)
		}),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "binnacle_quarantine_oldest_seconds", Help: "Age of the oldest record in quarantine that nobody has handled; 0: there is none."}, func() float64 {
			w.mu.Lock()
			defer w.mu.Unlock()
			if w.oldest.IsZero() {
				return 0
			}
			return time.Since(w.oldest).Seconds()
		}))
}
