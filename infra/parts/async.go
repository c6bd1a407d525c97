package parts

import (
	"fmt"
	"time"
)

// Async are limits of requests with Prefer: respond-async, which are answered later.
type Async struct {
	SearchTime time.Duration `help:"Time limit of one search that a client has asked for with Prefer: respond-async, of its first page. It counts up to --sweep-after: a longer search would miss what is swept meanwhile." default:"10m" env:"BINNACLE_ASYNC_SEARCH_TIME"`
	Running    int           `help:"Requests with Prefer: respond-async that this node works on at once; others wait." default:"2" env:"BINNACLE_ASYNC_RUNNING"`
	Open       int           `help:"Requests with Prefer: respond-async of one tenant that may wait or run; more are answered with 429." default:"64" env:"BINNACLE_ASYNC_OPEN"`
	Keep       time.Duration `help:"How long the answer to a request with Prefer: respond-async is kept, unless it is deleted sooner." default:"24h" env:"BINNACLE_ASYNC_KEEP"`
	Kept       int64         `help:"Answers of one tenant that may be kept, bytes; beyond them, and beyond 4,000 answers, requests with Prefer: respond-async are answered with 429." default:"1073741824" env:"BINNACLE_ASYNC_KEPT"`
	Answer     int64         `help:"Largest answer that is kept, bytes; what is larger is too costly." default:"268435456" env:"BINNACLE_ASYNC_ANSWER"`
	Lease      time.Duration `help:"After so long without a sign of life of the node that works on a request with Prefer: respond-async, another node goes on with it." default:"10s" env:"BINNACLE_ASYNC_LEASE"`
}

// leastLease is the shortest lease: it is renewed four times while it lasts.
const leastLease = 100 * time.Millisecond

// Validate refuses limits with which nothing would be done. Kong calls it after parsing.
func (a *Async) Validate() error {
	for _, least := range []struct {
		flag            string
		value, smallest int64
	}{
		{"--async-running", int64(a.Running), 1}, {"--async-open", int64(a.Open), 1}, {"--async-kept", a.Kept, 1}, {"--async-answer", a.Answer, 1},
	} {
		if least.value < least.smallest {
			return fmt.Errorf("%s is %d; at least %d is needed", least.flag, least.value, least.smallest)
		}
	}
	for _, least := range []struct {
		flag            string
		value, smallest time.Duration
	}{
		{"--async-search-time", a.SearchTime, time.Millisecond}, {"--async-keep", a.Keep, time.Second}, {"--async-lease", a.Lease, leastLease},
	} {
		if least.value < least.smallest {
			return fmt.Errorf("%s is %v; at least %v is needed", least.flag, least.value, least.smallest)
		}
	}
	return nil
}

// SearchTimeLater is how long a search may take that nobody holds a connection for: not so long that what it looks at
// may be swept before it ends.
func (l *Limits) SearchTimeLater() time.Duration {
	if l.SweepAfter == 0 {
		return l.Async.SearchTime
	}
	return max(l.SearchTimeout, min(l.Async.SearchTime, l.SweepAfter))
}
