package load

import (
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// NewHistogram makes a histogram of latencies in microseconds, up to an hour, with three digits.
func NewHistogram() *hdrhistogram.Histogram { return hdrhistogram.New(1, time.Hour.Microseconds(), 3) }

func Percentiles(h *hdrhistogram.Histogram) (p50, p95, p99, most time.Duration) {
	at := func(q float64) time.Duration { return time.Duration(h.ValueAtQuantile(q)) * time.Microsecond }
	return at(50), at(95), at(99), time.Duration(h.Max()) * time.Microsecond
}
