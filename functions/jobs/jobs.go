package jobs

import (
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"binnacle/events/fhir/rest"
	"binnacle/functions"
	"binnacle/projections"
)

// Config is what jobs need. All fields must be set.
type Config struct {
	Memos     projections.Memos
	Table     func() *rest.Table // what this node offers now
	Base      string             // path of the FHIR root, "/fhir"
	Tenant    string             // the ledger of requests that name none
	Node      string             // what the operator calls this node
	Now       func() time.Time
	KeyWindow time.Duration // how long an idempotency key stands for its request
	AccessLog bool          // a line for each job that has ended
	Logger    *slog.Logger
	Limits    Limits
}

// Limits of jobs; a zero value stands for the default.
type Limits struct {
	Running     int           // jobs that this node works on at once; others wait; default 2
	Open        int           // jobs of a tenant that wait or run, about; default 64
	Kept        int           // answers of a tenant that are kept, about; default 4,000
	KeptBytes   int64         // of the answers that are kept for a tenant; default 1 GiB
	AnswerBytes int64         // of one answer; default 256 MiB
	Keep        time.Duration // how long an answer is kept; default 24 h
	Lease       time.Duration // after so long without a sign of life another node takes a job; default 10 s
	Patience    time.Duration // how long what can't be answered now is tried again; default 5 min
}

func (l Limits) withDefaults() Limits {
	functions.Default(&l.Running, 2)
	functions.Default(&l.Open, 64)
	functions.Default(&l.Kept, 4_000)
	functions.Default(&l.KeptBytes, 1<<30)
	functions.Default(&l.AnswerBytes, 256<<20)
	functions.Default(&l.Keep, 24*time.Hour)
	functions.Default(&l.Lease, 10*time.Second)
	functions.Default(&l.Patience, 5*time.Minute)
	return l
}

// openLife is how long a request is kept that has no answer yet. A node that takes it begins this time anew, but for
// the body.
func (l Limits) openLife() time.Duration { return max(l.Keep, 24*time.Hour) }

// answerLife is how long the chunks of an answer are kept: longer than the job, which tells of them, however long
// it took to make them.
func (l Limits) answerLife() time.Duration { return l.Keep + l.openLife() }

// Jobs takes requests, answers them later, and tells of them. It is safe for concurrent use.
type Jobs struct {
	Config
	asked chan name     // jobs that may be free to be taken
	freed chan struct{} // a place for a job is free

	mu      sync.Mutex
	running map[name]*run
	counts  Counts
}

// Counts are numbers for the operator.
type Counts struct {
	Running   int   // here
	Open      int   // waiting or running anywhere, as of the last look
	Kept      int   // answers that are kept, as of the last look
	KeptBytes int64 // of those
	Ended     [len(endings)]int64
}

// Ending is what became of a job that this node has worked on.
type Ending int

// The endings.
const (
	Answered   Ending = iota // its answer is kept, whatever it says
	Failed                   // the same, and the answer is that the server failed
	Canceled                 // its client wants it no more
	HandedOver               // this node stops, and another one goes on
	Lost                     // another node has taken it meanwhile
)

var endings = [...]string{"answered", "failed", "canceled", "handed-over", "lost"}

func (e Ending) String() string { return endings[e] }

// Endings are all there are.
func Endings() []Ending { return []Ending{Answered, Failed, Canceled, HandedOver, Lost} }

// New makes the jobs of a node. [Jobs.Run] works on them.
func New(config Config) *Jobs {
	config.Limits = config.Limits.withDefaults()
	config.Base = "/" + strings.Trim(config.Base, "/")
	return &Jobs{Config: config, asked: make(chan name, 64), freed: make(chan struct{}, 1), running: map[name]*run{}}
}

// path of jobs below the FHIR root.
const path = "/_async/"

// Rows are the lines of the table where clients ask for their jobs.
func (j *Jobs) Rows() []rest.Row {
	return []rest.Row{
		{Name: "async-status", Method: http.MethodGet, Path: path + ":id", Serve: j.status, About: rest.About{
			Summary: "How far a request is that is answered later, or its answer", Gives: "Bundle",
			Headers: []string{"If-None-Match"}, Statuses: []int{200, 202, 304}}},
		{Name: "async-cancel", Method: http.MethodDelete, Path: path + ":id", Serve: j.cancel, About: rest.About{
			Summary: "A request that is answered later is wanted no more, or its answer",
			Gives:   "OperationOutcome", Statuses: []int{202}}},
	}
}

// Counts returns the numbers for the operator.
func (j *Jobs) Counts() Counts {
	j.mu.Lock()
	defer j.mu.Unlock()
	counts := j.counts
	counts.Running = len(j.running)
	return counts
}

// poke says that a job may be free to be taken.
func (j *Jobs) poke(of name) {
	select {
	case j.asked <- of:
	default: // the next look finds it
	}
}
