package jobs

import (
	"context"
	"errors"
	"time"

	"binnacle/events"
	"binnacle/events/fhir/rest"
	"binnacle/projections"
)

// Why a run ends before its job is answered.
var (
	errCanceled = errors.New("its client wants it no more")
	errStopping = errors.New("this node stops")
	errLost     = errors.New("another node has it")
)

// run is a job that this node works on.
type run struct {
	*job
	lease    int64 // revision of the lease
	waiting  int64 // revision of the memo of what is open
	progress *rest.Progress
	stop     context.CancelCauseFunc
}

// start takes a job if there is a place for it here and no other node has it, and works on it until it has ended, or
// ctx has.
func (j *Jobs) start(ctx context.Context, of name) {
	ctx, stop := context.WithCancelCause(ctx)
	here := &run{progress: new(rest.Progress), stop: stop}
	if !j.reserve(of, here) {
		stop(nil)
		return
	}
	taken, err := j.lease(ctx, of, here)
	if !taken {
		j.release(of)
		stop(nil)
		if err != nil && events.KindOf(err) != events.Conflict && ctx.Err() == nil {
			j.Logger.Warn("a job can't be begun now; it is tried again", "job", of.id, "error", err)
		}
		return
	}
	go func() {
		defer stop(nil)
		j.work(ctx, here)
	}()
}

// reserve takes a place for a job.
func (j *Jobs) reserve(of name, here *run) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.running[of] != nil || len(j.running) >= j.Limits.Running {
		return false
	}
	here.job = &job{name: of}
	j.running[of] = here
	return true
}

// release gives the place of a job back.
func (j *Jobs) release(of name) {
	j.mu.Lock()
	delete(j.running, of)
	j.mu.Unlock()
	select {
	case j.freed <- struct{}{}:
	default:
	}
}

// lease makes this node the one that works on a job. Not taken and no error: there is nothing to do.
func (j *Jobs) lease(ctx context.Context, of name, here *run) (taken bool, err error) {
	waiting, err := j.Memos.Memo(ctx, of.memo(kindOpen))
	if events.KindOf(err) == events.NotFound {
		return false, nil
	}
	if err != nil || !j.serves(waiting) {
		return false, err
	}
	lease, err := j.Memos.Keep(ctx, projections.Memo{MemoName: of.memo(kindLease), Owner: j.Node}, j.Limits.Lease)
	if err != nil {
		return false, err
	}
	defer func() {
		if !taken {
			j.dropped(j.Memos.Forget(context.WithoutCancel(ctx), of.memo(kindLease), lease))
		}
	}()
	found, err := j.load(ctx, of)
	if events.KindOf(err) == events.NotFound || err == nil && found.Answer != nil {
		j.dropped(j.Memos.Forget(ctx, of.memo(kindOpen), waiting.Revision))
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if found.Attempt++; found.Began.IsZero() {
		found.Began = j.Now().UTC()
	}
	if found.revision, err = j.keep(ctx, of, kindJob, found.revision, found, j.Limits.openLife(), false); err != nil {
		return false, err
	}
	if j.Now().Sub(found.Asked) > j.Limits.openLife()/2 { // who goes on after this node must find it
		waiting.Revision, err = j.Memos.Keep(ctx, waiting, j.Limits.openLife())
		if err != nil {
			return false, err
		}
	}
	j.mu.Lock()
	here.job, here.lease, here.waiting = found, lease, waiting.Revision
	j.mu.Unlock()
	return true, nil
}

// serves tells whether this node offers what a job asks for.
func (j *Jobs) serves(memo projections.Memo) bool {
	waiting := open{}
	if decode(memo.Value, &waiting) != nil {
		return false
	}
	row, _, err := j.Table().Find(waiting.Method, waiting.Path)
	return err == nil && row.Long
}

// beats is how often a lease is renewed while it lasts.
const beats = 4

// work answers a job, keeps its answer and gives the job back.
func (j *Jobs) work(ctx context.Context, here *run) {
	beating, still := context.WithCancel(context.WithoutCancel(ctx))
	beaten := make(chan struct{})
	go func() {
		defer close(beaten)
		j.beat(beating, here)
	}()
	began := j.Now()
	said := j.answer(ctx, here)
	why := context.Cause(ctx)
	if why == nil {
		why = j.finish(ctx, here, said)
	}
	still()
	<-beaten
	settle, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTime)
	defer cancel()
	if why != nil {
		j.dropChunks(settle, here.name, kindPart, here.Attempt, said.body.revisions)
	} else {
		j.dropChunks(settle, here.name, kindBody, 0, here.Request.Body)
		j.dropped(j.Memos.Forget(settle, here.name.memo(kindOpen), here.waiting))
	}
	// a lease that is free lets another node go on at once
	j.dropped(j.Memos.Forget(settle, here.name.memo(kindLease), here.lease))
	j.release(here.name)
	j.ended(here, said, why, j.Now().Sub(began))
}

// settleTime bounds what is done for a job after it has ended.
const settleTime = 10 * time.Second

// beat renews the lease of a job, with its progress, until ctx ends. Without the lease the job ends.
func (j *Jobs) beat(ctx context.Context, here *run) {
	tick := time.NewTicker(j.Limits.Lease / beats)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		progress := here.progress.String()
		revision, err := j.Memos.Keep(ctx, projections.Memo{MemoName: here.name.memo(kindLease), Owner: j.Node,
			Value: []byte(progress), Revision: here.lease}, j.Limits.Lease)
		switch {
		case err == nil:
			here.lease = revision
		case events.KindOf(err) == events.Conflict: // it was canceled elsewhere, or has ended
			here.stop(errLost)
			return
		case ctx.Err() == nil:
			j.Logger.Debug("the lease of a job can't be renewed now", "job", here.name.id, "error", err)
		}
	}
}

// finish keeps the answer of a job. The error is why it is not this one's to keep.
func (j *Jobs) finish(ctx context.Context, here *run, said *recorder) error {
	settled := *here.job
	settled.Answer = said.answer()
	for pause := 100 * time.Millisecond; ; pause = min(2*pause, j.Limits.Lease) {
		_, err := j.keep(ctx, here.name, kindJob, here.revision, settled, j.Limits.Keep, false)
		if err == nil {
			break
		}
		if events.KindOf(err) == events.Conflict {
			return errLost
		}
		j.Logger.Warn("the answer of a job can't be kept now; it is tried again", "job", here.name.id, "error", err)
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	if _, err := j.keep(ctx, here.name, kindKept, 0, kept{Bytes: settled.Answer.Length}, j.Limits.Keep,
		false); err != nil {
		j.Logger.Debug("the answer of a job is not counted", "job", here.name.id, "error", err)
	}
	return nil
}

// ended tells the operator of a job that this node works on no more.
func (j *Jobs) ended(here *run, said *recorder, why error, took time.Duration) {
	ending := Answered
	switch {
	case errors.Is(why, errCanceled):
		ending = Canceled
	case errors.Is(why, errLost):
		ending = Lost
	case why != nil:
		ending = HandedOver
	case said.status >= serverFailed:
		ending = Failed
	}
	j.mu.Lock()
	j.counts.Ended[ending]++
	j.mu.Unlock()
	if !j.AccessLog {
		return
	}
	asked := &here.Request
	j.Logger.Info("job", "method", asked.Method, "path", j.Base+asked.Path, "ending", ending.String(), "status",
		said.status, "bytes", said.body.length, "ms", float64(took.Microseconds())/1_000, "request",
		asked.Header.Get("X-Request-Id"), "tenant", here.name.tenant, "attempt", here.Attempt, "job", here.name.id)
}
