package jobs

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	"binnacle/events"
	"binnacle/events/fhir/rest"
	"binnacle/projections"
)

const op = "jobs.Jobs"

// Kinds of the memos of jobs. All but the chunks have the tenant and the id of the job for a name.
const (
	kindJob   = "job"        // the request, and what became of it; whoever changes it has the job
	kindOpen  = "job-open"   // it has no answer yet
	kindLease = "job-lease"  // a node works on it, and says how far it is; ends unless that node lives
	kindKept  = "job-kept"   // it has an answer of a size
	kindBody  = "job-body"   // a part of the request's body
	kindPart  = "job-answer" // a part of the answer
)

// name is what a job is found by: of another tenant it is another one.
type name struct{ tenant, id string }

// idBytes is how many random bytes are in the id of a job: nobody guesses it.
const idBytes = 24

func newName(tenant string) (name, error) {
	var random [idBytes]byte
	if _, err := rand.Read(random[:]); err != nil {
		return name{}, events.Wrap(events.Internal, op, err, "no random numbers")
	}
	return name{tenant, base64.RawURLEncoding.EncodeToString(random[:])}, nil
}

func (n name) text() string { return n.tenant + "/" + n.id }

func nameOf(text string) name {
	tenant, id, _ := strings.Cut(text, "/")
	return name{tenant, id}
}

func (n name) memo(kind string) projections.MemoName {
	return projections.MemoName{Kind: kind, Name: n.text()}
}

// chunk names a part of the body, or of the answer that an attempt has made.
func (n name) chunk(kind string, attempt, number int) projections.MemoName {
	return projections.MemoName{Kind: kind, Name: n.text() + "/" + strconv.Itoa(attempt) + "/" + strconv.Itoa(number)}
}

// request is what was asked.
type request struct {
	Method    string           `json:"method"`
	Path      string           `json:"path"` // below the FHIR root
	Query     string           `json:"query,omitempty"`
	Header    http.Header      `json:"header,omitempty"`
	Host      string           `json:"host,omitempty"`
	Root      string           `json:"root"`             // the FHIR root as the client saw it
	Tenant    string           `json:"tenant,omitempty"` // "": the request named none
	Prefer    rest.Preferences `json:"prefer"`
	Unawaited bool             `json:"unawaited,omitempty"`
	Length    int64            `json:"length"`         // of the body, bytes
	Body      []int64          `json:"body,omitempty"` // revisions of its chunks
}

// answer is what was answered.
type answer struct {
	Status   int       `json:"status"`
	ETag     string    `json:"etag,omitempty"`
	Location string    `json:"location,omitempty"`
	Modified time.Time `json:"modified,omitzero"`
	Outcome  bool      `json:"outcome,omitempty"` // the body tells how it went, and is no resource that was asked for
	Length   int64     `json:"length"`
	Body     []int64   `json:"body,omitempty"` // revisions of its chunks
}

// job is the memo of a job.
type job struct {
	Request request   `json:"request"`
	Asked   time.Time `json:"asked"`
	Attempt int       `json:"attempt,omitempty"` // how often it was begun; of the answer, the one that made it
	Began   time.Time `json:"began,omitzero"`    // the first of these
	Answer  *answer   `json:"answer,omitempty"`  // nil: there is none yet

	name     name
	revision int64
	until    time.Time
}

// open is the memo of a job that has no answer: what a node must know to take it.
type open struct {
	Method string    `json:"method"`
	Path   string    `json:"path"`
	Asked  time.Time `json:"asked"`
}

// kept is the memo of a job that has an answer.
type kept struct {
	Bytes int64 `json:"bytes"`
}

func encode(value any) ([]byte, error) {
	data, err := json.Marshal(value)
	if err != nil {
		return nil, events.Wrap(events.Internal, op, err, "the memo of a job can't be written")
	}
	return data, nil
}

func decode(data []byte, into any) error {
	if err := json.Unmarshal(data, into); err != nil {
		return events.Wrap(events.Internal, op, err, "the memo of a job can't be read")
	}
	return nil
}

// keep stores a memo of a job under a revision, and returns the next one.
func (j *Jobs) keep(ctx context.Context, of name, kind string, revision int64, value any, life time.Duration,
	durable bool) (int64, error) {
	data, err := encode(value)
	if err != nil {
		return 0, err
	}
	return j.Memos.Keep(ctx, projections.Memo{MemoName: of.memo(kind), Owner: of.tenant, Value: data,
		Revision: revision, Durable: durable}, life)
}

// load returns a job. Kind NotFound: there is none.
func (j *Jobs) load(ctx context.Context, of name) (*job, error) {
	memo, err := j.Memos.Memo(ctx, of.memo(kindJob))
	if err != nil {
		return nil, err
	}
	found := &job{name: of, revision: memo.Revision, until: memo.Until}
	return found, decode(memo.Value, found)
}

// drop forgets a memo whatever its revision is. That it is gone, or another one by now, is fine.
func (j *Jobs) drop(ctx context.Context, memo projections.MemoName) {
	found, err := j.Memos.Memo(ctx, memo)
	if err == nil {
		err = j.Memos.Forget(ctx, memo, found.Revision)
	}
	j.dropped(err)
}

// dropChunks forgets the chunks of a body.
func (j *Jobs) dropChunks(ctx context.Context, of name, kind string, attempt int, revisions []int64) {
	for number, revision := range revisions {
		j.dropped(j.Memos.Forget(ctx, of.chunk(kind, attempt, number), revision))
	}
}

// dropped tells of what could not be forgotten: it ends by itself.
func (j *Jobs) dropped(err error) {
	switch events.KindOf(err) {
	default:
		j.Logger.Debug("a memo of a job is left until it ends", "error", err)
	case events.NotFound, events.Conflict:
	}
}

// listed is how many memos are read at once.
const listed = 500

// each calls fn with the memos of a kind, of a tenant or of all (""), until fn returns false.
func (j *Jobs) each(ctx context.Context, kind, tenant string, fn func(of name, memo projections.Memo) bool) error {
	prefix := ""
	if tenant != "" {
		prefix = tenant + "/"
	}
	for after := prefix; ; {
		page, err := j.Memos.List(ctx, kind, after, listed)
		if err != nil {
			return err
		}
		for i := range page {
			if !strings.HasPrefix(page[i].Name, prefix) || !fn(nameOf(page[i].Name), page[i]) {
				return nil
			}
		}
		if len(page) < listed {
			return nil
		}
		after = page[len(page)-1].Name
	}
}
