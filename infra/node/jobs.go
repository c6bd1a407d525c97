package node

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"binnacle/events/fhir/rest"
	"binnacle/functions/jobs"
	"binnacle/infra/parts"
)

// newJobs makes the jobs of the node: requests whose clients fetch the answers later. They outlive its meanings.
func (n *Node) newJobs() {
	limits := n.config.Limits
	n.jobs = jobs.New(jobs.Config{
		Memos: n.Memos, Table: func() *rest.Table { return n.meaning.Load().table }, Base: n.config.Base,
		Tenant: parts.DefaultTenant, Node: parts.Hostname(), Now: time.Now, KeyWindow: limits.KeyWindow,
		AccessLog: n.config.AccessLog, Logger: n.Logger,
		Limits: jobs.Limits{Running: limits.Async.Running, Open: limits.Async.Open, KeptBytes: limits.Async.Kept,
			AnswerBytes: limits.Async.Answer, Keep: limits.Async.Keep, Lease: limits.Async.Lease},
	})
	gauge := func(name, help string, value func(jobs.Counts) float64) {
		n.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help},
			func() float64 { return value(n.jobs.Counts()) }))
	}
	gauge("binnacle_async_running", "Requests with Prefer: respond-async that this node works on.",
		func(c jobs.Counts) float64 { return float64(c.Running) })
	gauge("binnacle_async_open", "Requests with Prefer: respond-async that wait or run, on any node.",
		func(c jobs.Counts) float64 { return float64(c.Open) })
	gauge("binnacle_async_kept", "Answers to requests with Prefer: respond-async that are kept.",
		func(c jobs.Counts) float64 { return float64(c.Kept) })
	gauge("binnacle_async_kept_bytes", "Size of the answers that are kept, bytes.",
		func(c jobs.Counts) float64 { return float64(c.KeptBytes) })
	for _, ending := range jobs.Endings() {
		n.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "binnacle_async_ended_total",
			Help:        "Requests with Prefer: respond-async that this node has worked on, by how that ended.",
			ConstLabels: prometheus.Labels{"ending": ending.String()}},
			func() float64 { return float64(n.jobs.Counts().Ended[ending]) }))
	}
}
