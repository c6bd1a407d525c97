package jobs

import (
	"bytes"
	"cmp"
	"context"
	"io"
	"net/http"
	"strconv"
	"time"

	"binnacle/events"
	"binnacle/events/fhir"
	"binnacle/events/fhir/rest"
)

// find returns the job that a request names.
func (j *Jobs) find(ctx context.Context, ask *rest.Ask) (*job, error) {
	if err := strict(ask); err != nil {
		return nil, err
	}
	found, err := j.load(ctx, name{cmp.Or(ask.Tenant, j.Tenant), ask.ID})
	if events.KindOf(err) == events.NotFound {
		return nil, events.Errorf(events.NotFound, op, "there is no such request here: its answer is kept for %s "+
			"at the most, and not after it was deleted", j.Limits.Keep)
	}
	return found, err
}

// strict refuses parameters that are not known here, when the client wants that.
func strict(ask *rest.Ask) error {
	params, err := rest.Params(ask.Query)
	if err != nil || ask.Prefer.Handling != rest.Strict {
		return err
	}
	for param := range params {
		if !rest.IsOfAnswer(param) {
			return events.Errorf(events.Unsupported, op, "the parameter %.60q is not known here; leave it out", param)
		}
	}
	return nil
}

// status answers GET and HEAD [base]/_async/id: how far a job is, or its answer.
func (j *Jobs) status(w http.ResponseWriter, r *http.Request, ask *rest.Ask) error {
	found, err := j.find(r.Context(), ask)
	if err != nil {
		return err
	}
	if found.Answer == nil {
		return j.tellProgress(w, r, found)
	}
	if ask.XML() && found.Answer.Length > mostXML {
		return rest.Refused(http.StatusNotAcceptable, events.Unsupported, op, "the answer has %d bytes, and beyond %d it "+
			"is given in JSON alone; accept %s", found.Answer.Length, mostXML, rest.AcceptsResource)
	}
	header := w.Header()
	etag := rest.ETagOf(found.revision)
	header.Set("Etag", etag)
	header.Set("Expires", found.until.UTC().Format(http.TimeFormat))
	rest.Revalidate(header)
	if had := (rest.Copy{Tags: r.Header["If-None-Match"]}); had.IsGood(etag, time.Time{}) {
		header.Del("Content-Type")
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	body := j.readChunks(r.Context(), found.name, kindPart, found.Attempt, len(found.Answer.Body))
	first := make([]byte, min(chunkBytes, found.Answer.Length))
	if _, err := io.ReadFull(body, first); err != nil { // the answer has not begun yet: an error can be told
		return lostAnswer(err)
	}
	rest.SetContentType(header)
	w.WriteHeader(http.StatusOK)
	if err := found.Answer.write(w, io.MultiReader(bytes.NewReader(first), body)); err != nil {
		j.Logger.Debug("the answer of a job was broken off", "error", err)
		panic(http.ErrAbortHandler)
	}
	return nil
}

// mostXML is how large an answer may be that becomes XML, bytes: it is not streamed.
const mostXML = 32 << 20

// lostAnswer is the error of an answer whose chunks are not all there.
func lostAnswer(err error) error {
	if events.KindOf(err) == events.NotFound {
		return events.Wrap(events.Gone, op, err, "the answer is not kept any more; send the request again")
	}
	return err
}

// write writes the bundle of an answer (FHIR R5, async-bundle.html): one entry, with the resource that was answered.
func (a *answer) write(w io.Writer, body io.Reader) error {
	// Of the bundle's two strings that may come from elsewhere, location and etag, AppendString makes JSON.
	head := []byte(`{"resourceType":"Bundle","type":"batch-response","entry":[{`)
	tail := append([]byte(`"response":{"status":"`), strconv.Itoa(a.Status)...)
	tail = append(tail, '"')
	if a.Location != "" {
		tail = fhir.AppendString(append(tail, `,"location":`...), a.Location)
	}
	if a.ETag != "" {
		tail = fhir.AppendString(append(tail, `,"etag":`...), a.ETag)
	}
	if !a.Modified.IsZero() {
		tail = fhir.AppendString(append(tail, `,"lastModified":`...), a.Modified.UTC().Format(time.RFC3339))
	}
	end := []byte(`}}]}`)
	parts := []io.Reader{bytes.NewReader(head)}
	switch {
	case a.Length == 0:
		parts = append(parts, bytes.NewReader(tail))
	case a.Outcome:
		parts = append(parts, bytes.NewReader(append(tail, `,"outcome":`...)), body)
	default:
		parts = append(parts, bytes.NewReader([]byte(`"resource":`)), body, bytes.NewReader(append([]byte(`,`), tail...)))
	}
	_, err := io.Copy(w, io.MultiReader(append(parts, bytes.NewReader(end))...))
	return err
}

// mostProgress is the length of a header that tells progress, characters (FHIR R4, async.html).
const mostProgress = 100

// tellProgress tells how far a job is. One that no node works on is brought to this node's notice.
func (j *Jobs) tellProgress(w http.ResponseWriter, r *http.Request, found *job) error {
	progress := ""
	j.mu.Lock()
	if here := j.running[found.name]; here != nil {
		progress = cmp.Or(here.progress.String(), "running")
	}
	j.mu.Unlock()
	if progress == "" {
		lease, err := j.Memos.Memo(r.Context(), found.name.memo(kindLease))
		switch {
		case events.KindOf(err) == events.NotFound:
			progress = "waiting"
			j.poke(found.name)
		case err != nil:
			return err
		default:
			progress = cmp.Or(string(lease.Value), "running")
		}
	}
	header := w.Header()
	header.Set("X-Progress", progress[:min(len(progress), mostProgress)])
	header.Set("Retry-After", strconv.Itoa(j.pollAfter(found)))
	rest.Revalidate(header)
	_ = rest.Write(w, http.StatusAccepted, told("The request is being answered: "+progress+"."))
	return nil
}

// mostPoll is how long a client is asked to wait at the most, seconds.
const mostPoll = 30

// pollAfter is how long a client should wait before it asks again, seconds: a tenth of what the job has taken.
func (j *Jobs) pollAfter(found *job) int {
	return min(max(1, int(j.Now().Sub(found.Asked).Seconds()/10)), mostPoll)
}

// cancel answers DELETE [base]/_async/id: a job that runs is given up, and an answer is forgotten.
func (j *Jobs) cancel(w http.ResponseWriter, r *http.Request, ask *rest.Ask) error {
	ctx := r.Context()
	for {
		found, err := j.find(ctx, ask)
		if err != nil {
			return err
		}
		err = j.Memos.Forget(ctx, found.name.memo(kindJob), found.revision)
		if events.KindOf(err) == events.Conflict {
			continue // it has gone on meanwhile
		}
		if err != nil {
			return err
		}
		j.clear(context.WithoutCancel(ctx), found)
		break
	}
	rest.Revalidate(w.Header())
	_ = rest.Write(w, http.StatusAccepted, told("The request is given up, and its answer forgotten. What it has "+
		"written until now stands."))
	return nil
}

// clear removes what is left of a job that was forgotten. The node that works on it sees that its lease is gone.
func (j *Jobs) clear(ctx context.Context, of *job) {
	j.mu.Lock()
	here := j.running[of.name]
	j.mu.Unlock()
	if here != nil {
		here.stop(errCanceled)
	}
	for _, kind := range []string{kindOpen, kindLease, kindKept} {
		j.drop(ctx, of.name.memo(kind))
	}
	j.dropChunks(ctx, of.name, kindBody, 0, of.Request.Body)
	if of.Answer != nil {
		j.dropChunks(ctx, of.name, kindPart, of.Attempt, of.Answer.Body)
	}
}
