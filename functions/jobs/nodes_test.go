package jobs_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"binnacle/events/fhir/rest"
	"binnacle/functions"
	"binnacle/functions/jobs"
	"binnacle/projections"
)

func TestAnotherNodeGoesOnWithAJobAndItsFirstNodeCanKeepNothing(t *testing.T) {
	memos := memosOf(t)
	lost, other := newNode(t, memos), newNode(t, memos)
	began, goOn := make(chan string, 1), make(chan struct{})
	lost.update = func(r *http.Request, _ string, w http.ResponseWriter) error {
		began <- r.Header.Get("Idempotency-Key")
		<-goOn
		return rest.Write(w, http.StatusCreated, []byte(`{"by":"the first"}`))
	}
	keys := make(chan string, 10)
	other.update = func(r *http.Request, body string, w http.ResponseWriter) error {
		keys <- r.Header.Get("Idempotency-Key")
		return rest.Write(w, http.StatusOK, []byte(`{"by":"the other","body":`+body+`}`))
	}
	var at, key string
	for at == "" { // the other one may be quicker to see it
		place := lost.begin("main", "PUT", "/Patient/1", `{"a":1}`)
		select {
		case key = <-began:
			at = place
		case <-keys:
		}
	}
	lost.store.off.Store(true) // as if it had been killed
	if status, body := other.fetch("main", at); status != "200" || body != `{"by":"the other","body":{"a":1}}` {
		t.Errorf("got %s %s", status, body)
	}
	if again := <-keys; again != key || key == "" {
		t.Errorf("begun under the key %s, and begun anew under %s", key, again)
	}
	lost.store.off.Store(false)
	close(goOn)
	until(t, "the first node sees that it has lost the job", func() bool {
		return lost.Counts().Ended[jobs.Lost] == 1
	})
	if _, body := lost.fetch("main", at); !strings.Contains(body, "the other") {
		t.Errorf("the answer has become %s", body)
	}
	for _, name := range left(t, memos) {
		if strings.Contains(name, strings.TrimPrefix(at, "/_async/")) && (strings.HasPrefix(name, "job-open") ||
			strings.HasPrefix(name, "job-body") || strings.HasSuffix(name, "/1/0")) {
			t.Errorf("left is %s", name)
		}
	}
}

func TestANodeThatStopsGivesItsJobsBack(t *testing.T) {
	memos := memosOf(t)
	long := func(c *jobs.Config) { c.Limits.Lease = time.Hour }
	stopping := newNode(t, memos, long)
	began := make(chan struct{})
	stopping.search = func(r *http.Request, _ http.ResponseWriter) error {
		close(began)
		<-r.Context().Done()
		return r.Context().Err()
	}
	at := stopping.begin("main", "GET", "/Patient", "")
	<-began
	stopping.stop()
	if got := stopping.Counts().Ended[jobs.HandedOver]; got != 1 {
		t.Errorf("%d jobs are handed over", got)
	}
	if status, _ := newNode(t, memos, long).fetch("main", at); status != "200" {
		t.Errorf("got %s", status)
	}
}

func TestACanceledJobEndsOnWhicheverNode(t *testing.T) {
	memos := memosOf(t)
	working := newNode(t, memos)
	canceled := make(chan struct{})
	began := make(chan struct{}, 1)
	working.search = func(r *http.Request, w http.ResponseWriter) error {
		rest.ProgressOf(r.Context()).Say("half done")
		began <- struct{}{}
		<-r.Context().Done()
		canceled <- struct{}{}
		return r.Context().Err()
	}
	for _, elsewhere := range []bool{false, true} {
		at := working.begin("main", "GET", "/Patient", "")
		<-began
		other := working
		if elsewhere {
			other = newNode(t, memos)
			until(t, "its progress is known elsewhere", func() bool {
				return other.send("main", "GET", at, "").Header().Get("X-Progress") == "half done"
			})
		}
		if w := other.send("lab", "DELETE", at, ""); w.Code != http.StatusNotFound {
			t.Errorf("another tenant cancels it: %d", w.Code)
		}
		if w := other.send("main", "DELETE", at, ""); w.Code != http.StatusAccepted {
			t.Errorf("got %d %s", w.Code, w.Body)
		}
		<-canceled
		if w := working.send("main", "GET", at, ""); w.Code != http.StatusNotFound {
			t.Errorf("afterwards: got %d %s", w.Code, w.Body)
		}
		until(t, "nothing is left of it", func() bool { return len(left(t, memos)) == 0 })
	}
}

func TestAJobWaitsForWhatBecomesOfItsWriteAsLongAsItTries(t *testing.T) {
	n := newNode(t, memosOf(t), func(c *jobs.Config) { c.Limits.Patience = 7 * time.Minute })
	n.update = func(r *http.Request, body string, w http.ResponseWriter) error {
		if got := functions.OutcomeWait(r.Context(), time.Second); got != 7*time.Minute {
			t.Errorf("it waits %v, want 7 minutes", got)
		}
		return rest.Write(w, http.StatusOK, []byte(body))
	}
	if status, body := n.fetch("main", n.begin("main", "PUT", "/Patient/1", "{}")); status != "200" {
		t.Errorf("got %s %s", status, body)
	}
}

func TestAWriteThatWasBrokenOffTooLongAgoIsNotBegunAnew(t *testing.T) {
	for _, c := range []struct {
		name, method, path, status string
		begun                      bool
	}{
		{"a write", "PUT", "/Patient/1", "504", false}, {"a read", "GET", "/Patient", "200", true},
	} {
		memos := memosOf(t)
		first := newNode(t, memos)
		began, never := make(chan struct{}), make(chan struct{})
		hang := func() error {
			close(began)
			<-never
			return nil
		}
		first.update = func(*http.Request, string, http.ResponseWriter) error { return hang() }
		first.search = func(*http.Request, http.ResponseWriter) error { return hang() }
		at := first.begin("main", c.method, c.path, "{}")
		<-began
		later := newNode(t, memos, func(c *jobs.Config) { c.Limits.Patience = time.Nanosecond })
		later.clock.Store(23 * 60 * 60)
		begun := false
		later.update = func(*http.Request, string, http.ResponseWriter) error { begun = true; return nil }
		search := later.search
		later.search = func(r *http.Request, w http.ResponseWriter) error { begun = true; return search(r, w) }
		first.store.off.Store(true)
		if status, body := later.fetch("main", at); status != c.status || begun != c.begun {
			t.Errorf("%s: got %s %s, begun anew: %v", c.name, status, body, begun)
		}
		close(never)
	}
}

func TestARequestWhoseBodyIsLostFailsClearly(t *testing.T) {
	memos := memosOf(t)
	n := newNode(t, memos, func(c *jobs.Config) { c.Limits.Running = 1 })
	goOn, began := make(chan struct{}), make(chan struct{}, 2)
	n.update = func(_ *http.Request, body string, w http.ResponseWriter) error {
		began <- struct{}{}
		<-goOn
		return rest.Write(w, http.StatusOK, []byte(body))
	}
	n.begin("main", "PUT", "/Patient/1", "{}")
	<-began
	at := n.begin("main", "PUT", "/Patient/2", "{}") // waits
	list, err := memos.List(t.Context(), "job-body", "main/"+strings.TrimPrefix(at, "/_async/"), 1)
	if err != nil || len(list) != 1 {
		t.Fatalf("the body of the second one: %v, %v", list, err)
	}
	if err := memos.Forget(t.Context(), projections.MemoName{Kind: "job-body", Name: list[0].Name},
		list[0].Revision); err != nil {
		t.Fatal(err)
	}
	close(goOn)
	if status, body := n.fetch("main", at); status != "410" || !strings.Contains(body, "send the request again") {
		t.Errorf("got %s %s", status, body)
	}
}
