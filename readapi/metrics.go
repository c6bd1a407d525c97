package readapi

import (
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics counts and times what comes through the door.
type metrics struct {
	durations *prometheus.HistogramVec
	inFlight  prometheus.Gauge
}

func newMetrics(registry prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		durations: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "binnacle_http_request_duration_seconds",
			Help:    "Time from the first byte of a request's header to the last byte of its answer, by FHIR interaction and HTTP status.",
			Buckets: []float64{.00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10, 60},
		}, []string{"interaction", "status"}),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "binnacle_http_requests_in_flight",
			Help: "Requests that are being answered.",
		}),
	}
	for _, collector := range []prometheus.Collector{m.durations, m.inFlight} {
		if err := registry.Register(collector); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// interaction times one kind of request. It remembers the histogram of each status, so that a request finds its own without
// hashing label values.
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
