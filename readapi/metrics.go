package readapi

import (
	"errors"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics counts and times what comes through the door.
type metrics struct {
	durations *prometheus.HistogramVec
	inFlight  prometheus.Gauge
	requests  *prometheus.CounterVec // by tenant and class of status
	seconds   *prometheus.CounterVec // by tenant
	byTenant  sync.Map               // label → *tenantCounters
}

// tenantCounters are those of one tenant, so that a request finds them without hashing label values.
type tenantCounters struct {
	requests [6]prometheus.Counter // by the first digit of the status
	seconds  prometheus.Counter
}

func newMetrics(registry prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		durations: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "binnacle_http_request_duration_seconds",
			Help: "Time from the first byte of a request's header to the last byte of its answer, by FHIR " +
				"interaction and HTTP status.",
			Buckets: []float64{.00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10, 60},
		}, []string{"interaction", "status"}),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "binnacle_http_requests_in_flight",
			Help: "Requests that are being answered.",
		}),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "binnacle_tenant_requests_total",
			Help: "FHIR requests by tenant and class of HTTP status; tenants that nobody listed are counted by name " +
				"up to a bound.",
		}, []string{"tenant", "status"}),
		seconds: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "binnacle_tenant_request_seconds_total",
			Help: "Time spent on FHIR requests, by tenant.",
		}, []string{"tenant"}),
	}
	var err error
	if m.durations, err = registered(registry, m.durations); err != nil {
		return nil, err
	}
	if m.inFlight, err = registered(registry, m.inFlight); err != nil {
		return nil, err
	}
	if m.requests, err = registered(registry, m.requests); err != nil {
		return nil, err
	}
	if m.seconds, err = registered(registry, m.seconds); err != nil {
		return nil, err
	}
	return m, nil
}

// registered is a collector that the registry has, this one or an equal one: a node whose search parameters change
// puts a new door in place of its first.
func registered[C prometheus.Collector](registry prometheus.Registerer, collector C) (C, error) {
	err := registry.Register(collector)
	var already prometheus.AlreadyRegisteredError
	if errors.As(err, &already) {
		if there, same := already.ExistingCollector.(C); same {
			return there, nil
		}
	}
	return collector, err
}

// interaction times one kind of request. It remembers the histogram of each status, so that a request finds its own
// without hashing label values.
type interaction struct {
	name      string
	durations *prometheus.HistogramVec
	byStatus  sync.Map // int → prometheus.Observer
}

func (m *metrics) interaction(name string) *interaction {
	return &interaction{name: name, durations: m.durations}
}

func (i *interaction) observe(status int, took time.Duration) {
	observer, found := i.byStatus.Load(status)
	if !found {
		observer, _ = i.byStatus.LoadOrStore(status, i.durations.WithLabelValues(i.name, strconv.Itoa(status)))
	}
	observer.(prometheus.Observer).Observe(took.Seconds())
}

// tenant counts a request of a tenant under a label.
func (m *metrics) tenant(label string, status int, took time.Duration) {
	found, have := m.byTenant.Load(label)
	if !have {
		made := &tenantCounters{seconds: m.seconds.WithLabelValues(label)}
		for class := 1; class < len(made.requests); class++ {
			made.requests[class] = m.requests.WithLabelValues(label, strconv.Itoa(class)+"xx")
		}
		found, _ = m.byTenant.LoadOrStore(label, made)
	}
	counters := found.(*tenantCounters)
	counters.requests[min(max(1, status/100), len(counters.requests)-1)].Inc()
	counters.seconds.Add(took.Seconds())
}
