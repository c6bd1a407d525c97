package functions_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"

	"binnacle/functions/door"
)

// upload begins a request from an address that has sent some of its body and stalls; it ends with the status when rest is closed.
func (n *node) upload(address string, length int64, some string) (rest *io.PipeWriter, status <-chan int) {
	n.t.Helper()
	body, writer := io.Pipe()
	r := httptest.NewRequest("PUT", base+"/Patient/stalled", body)
	r.RemoteAddr, r.ContentLength = address, length
	answered := make(chan int, 1)
	go func() { answered <- n.do(r).status }()
	if _, err := writer.Write([]byte(some)); err != nil { // a part has been read
		n.t.Fatal(err)
	}
	return writer, answered
}

// TestStalledUploadsHoldNoMoreThanTheyHaveSent: others write meanwhile, small and large.
func TestStalledUploadsHoldNoMoreThanTheyHaveSent(t *testing.T) {
	const most = 1 << 20
	n := newNode(t, func(n *node) {
		n.front.Limits = door.Limits{BodyBytes: most, BodiesBytes: 4 * most, BudgetWait: time.Millisecond}
	})
	var ends []*io.PipeWriter
	var answers []<-chan int
	for i := range 20 {
		rest, status := n.upload(fmt.Sprintf("10.0.0.%d:99", i/5), most, "{")
		ends, answers = append(ends, rest), append(answers, status)
	}
	n.must(201, "PUT", "/Patient/small", patient("small", "1"))
	large := strings.TrimSuffix(patient("large", "1"), "}") + `,"x":"` + strings.Repeat("y", most-200) + `"}`
	n.must(201, "PUT", "/Patient/large", large)
	for i, end := range ends {
		_ = end.CloseWithError(io.ErrUnexpectedEOF)
		if status := <-answers[i]; status != http.StatusBadRequest {
			t.Errorf("upload %d: got %d when it broke off, want 400", i, status)
		}
	}
	n.must(200, "PUT", "/Patient/large", large+" ")
}

// TestSmallBodiesDoNotWaitForLargeOnes: what is full for large ones, or for one address, is not for others.
func TestSmallBodiesDoNotWaitForLargeOnes(t *testing.T) {
	const most = 4 << 20
	n := newNode(t, func(n *node) {
		n.front.Limits = door.Limits{BodyBytes: most, BodiesBytes: 3 * most, BudgetWait: 100 * time.Millisecond}
	})
	large := func(address string) int {
		r := httptest.NewRequest("PUT", base+"/Patient/large", strings.NewReader(strings.TrimSuffix(patient("large", "1"), "}")+`,"x":"`+strings.Repeat("y", 3<<20)+`"}`))
		r.RemoteAddr = address
		return n.do(r).status
	}
	// Beyond its first two MiB a body takes the rest at once: one address gets as much as leaves room for another's.
	first, answered := n.upload("10.0.0.1:1", most, strings.Repeat(" ", 2<<20+2))
	if status := large("10.0.0.1:2"); status != http.StatusServiceUnavailable {
		t.Errorf("a second large body of an address that has its part: got %d, want 503", status)
	}
	if status := large("10.0.0.2:1"); status >= 300 {
		t.Errorf("a large body of another address: got %d", status)
	}
	second, again := n.upload("10.0.0.3:1", most, strings.Repeat(" ", 2<<20+2))
	var waiting sync.WaitGroup
	for i := range 8 {
		waiting.Go(func() { large(fmt.Sprintf("10.0.1.%d:1", i)) })
	}
	for i := range 20 {
		if got := n.send("PUT", fmt.Sprintf("/Patient/s%d", i), patient(fmt.Sprintf("s%d", i), "1")); got.status != 201 {
			t.Errorf("a small body while large ones wait: got %d %s", got.status, got.body)
		}
	}
	waiting.Wait()
	_ = first.CloseWithError(io.ErrUnexpectedEOF)
	_ = second.CloseWithError(io.ErrUnexpectedEOF)
	<-answered
	<-again
	if status := large("10.0.0.1:2"); status >= 300 {
		t.Errorf("when it has been given back: got %d", status)
	}
}

// TestABodyOfAnyLengthIsReadToItsEndOrRefused: told or not, packed or not, around every step.
func TestABodyOfAnyLengthIsReadToItsEndOrRefused(t *testing.T) {
	const most = 3 << 20
	n := newNode(t, func(n *node) { n.front.Limits = door.Limits{BodyBytes: most, BodiesBytes: most} })
	for _, length := range []int{100, 8<<10 - 1, 8 << 10, 8<<10 + 1, 32 << 10, 128<<10 + 1, 256 << 10, 512 << 10, 2<<20 - 1, 2 << 20, 2<<20 + 1, most - 1, most, most + 1} {
		head, tail := strings.TrimSuffix(patient("b", fmt.Sprint(length)), "}")+`,"x":"`, `"}`
		content := head + strings.Repeat("y", max(0, length-len(head)-len(tail))) + tail
		want := http.StatusOK
		if length > most {
			want = http.StatusRequestEntityTooLarge
		}
		n.send("PUT", "/Patient/b", patient("b", "other"))
		for _, form := range []string{"told", "not told", "packed"} {
			var body io.Reader = strings.NewReader(content)
			r := httptest.NewRequest("PUT", base+"/Patient/b", body)
			switch form {
			case "not told":
				r = httptest.NewRequest("PUT", base+"/Patient/b", io.MultiReader(body))
			case "packed":
				packed := new(strings.Builder)
				z := gzip.NewWriter(packed)
				_, _ = z.Write([]byte(content))
				_ = z.Close()
				r = httptest.NewRequest("PUT", base+"/Patient/b", strings.NewReader(packed.String()))
				r.Header.Set("Content-Encoding", "gzip")
			}
			if got := n.do(r); got.status != want || want == http.StatusOK && n.stored("Patient/b") != content {
				t.Errorf("%d bytes, %s: got %d, want %d", length, form, got.status, want)
			}
		}
	}
}
