package door_test

import (
	"bytes"
	"errors"
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
	"binnacle/functions/functionstest"
)

// upload begins a request from an address that has sent some of its body and stalls; it ends with the status when
// rest is closed.
func upload(n *functionstest.Node, address string, length int64, some string) (rest *io.PipeWriter, status <-chan int) {
	n.T.Helper()
	body, writer := io.Pipe()
	r := httptest.NewRequest("PUT", functionstest.Base+"/Patient/stalled", body)
	r.RemoteAddr, r.ContentLength = address, length
	answered := make(chan int, 1)
	go func() { answered <- n.Do(r).Status }()
	if _, err := writer.Write([]byte(some)); err != nil { // a part has been read
		n.T.Fatal(err)
	}
	return writer, answered
}

// TestStalledUploadsHoldNoMoreThanTheyHaveSent: others write meanwhile, small and large.
func TestStalledUploadsHoldNoMoreThanTheyHaveSent(t *testing.T) {
	const most = 1 << 20
	n := functionstest.NewNode(t, func(n *functionstest.Node) {
		n.Front.Limits = door.Limits{BodyBytes: most, BodiesBytes: 4 * most, BudgetWait: time.Millisecond}
	})
	var ends []*io.PipeWriter
	var answers []<-chan int
	for i := range 20 {
		rest, status := upload(n, fmt.Sprintf("10.0.0.%d:99", i/5), most, "{")
		ends, answers = append(ends, rest), append(answers, status)
	}
	n.Must(201, "PUT", "/Patient/small", functionstest.Patient("small", "1"))
	large := strings.TrimSuffix(functionstest.Patient("large", "1"), "}") + `,"x":"` + strings.Repeat("y",
		most-200) + `"}`
	n.Must(201, "PUT", "/Patient/large", large)
	for i, end := range ends {
		_ = end.CloseWithError(io.ErrUnexpectedEOF)
		if status := <-answers[i]; status != http.StatusBadRequest {
			t.Errorf("upload %d: got %d when it broke off, want 400", i, status)
		}
	}
	n.Must(200, "PUT", "/Patient/large", large+" ")
}

// TestSmallBodiesDoNotWaitForLargeOnes: what is full for large ones, or for one address, is not for others.
func TestSmallBodiesDoNotWaitForLargeOnes(t *testing.T) {
	const most = 4 << 20
	n := functionstest.NewNode(t, func(n *functionstest.Node) {
		n.Front.Limits = door.Limits{BodyBytes: most, BodiesBytes: 3 * most, BudgetWait: 100 * time.Millisecond}
	})
	large := func(address string) int {
		r := httptest.NewRequest("PUT", functionstest.Base+"/Patient/large",
			strings.NewReader(strings.TrimSuffix(functionstest.Patient("large", "1"), "}")+`,"x":"`+strings.Repeat("y",
				3<<20)+`"}`))
		r.RemoteAddr = address
		return n.Do(r).Status
	}
	// Beyond its first two MiB a body takes the rest at once: one address gets as much as leaves room for another's.
	first, answered := upload(n, "10.0.0.1:1", most, strings.Repeat(" ", 2<<20+2))
	if status := large("10.0.0.1:2"); status != http.StatusServiceUnavailable {
		t.Errorf("a second large body of an address that has its part: got %d, want 503", status)
	}
	if status := large("10.0.0.2:1"); status >= 300 {
		t.Errorf("a large body of another address: got %d", status)
	}
	second, again := upload(n, "10.0.0.3:1", most, strings.Repeat(" ", 2<<20+2))
	var waiting sync.WaitGroup
	for i := range 8 {
		waiting.Go(func() { large(fmt.Sprintf("10.0.1.%d:1", i)) })
	}
	for i := range 20 {
		if got := n.Send("PUT", fmt.Sprintf("/Patient/s%d", i),
			functionstest.Patient(fmt.Sprintf("s%d", i), "1")); got.Status != 201 {
			t.Errorf("a small body while large ones wait: got %d %s", got.Status, got.Body)
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
	n := functionstest.NewNode(t, func(n *functionstest.Node) {
		n.Front.Limits = door.Limits{BodyBytes: most,
			BodiesBytes: most}
	})
	for _, length := range []int{100, 8<<10 - 1, 8 << 10, 8<<10 + 1, 32 << 10, 128<<10 + 1, 256 << 10, 512 << 10,
		2<<20 - 1, 2 << 20, 2<<20 + 1, most - 1, most, most + 1} {
		head, tail := strings.TrimSuffix(functionstest.Patient("b", fmt.Sprint(length)), "}")+`,"x":"`, `"}`
		content := head + strings.Repeat("y", max(0, length-len(head)-len(tail))) + tail
		want := http.StatusOK
		if length > most {
			want = http.StatusRequestEntityTooLarge
		}
		n.Send("PUT", "/Patient/b", functionstest.Patient("b", "other"))
		for _, form := range []string{"told", "not told", "packed"} {
			var body io.Reader = strings.NewReader(content)
			r := httptest.NewRequest("PUT", functionstest.Base+"/Patient/b", body)
			switch form {
			case "not told":
				r = httptest.NewRequest("PUT", functionstest.Base+"/Patient/b", io.MultiReader(body))
			case "packed":
				packed := new(strings.Builder)
				z := gzip.NewWriter(packed)
				_, _ = z.Write([]byte(content))
				_ = z.Close()
				r = httptest.NewRequest("PUT", functionstest.Base+"/Patient/b", strings.NewReader(packed.String()))
				r.Header.Set("Content-Encoding", "gzip")
			}
			if got := n.Do(r); got.Status != want || want == http.StatusOK && n.Stored("Patient/b") != content {
				t.Errorf("%d bytes, %s: got %d, want %d", length, form, got.Status, want)
			}
		}
	}
}

func packed(t *testing.T, s string) *bytes.Buffer {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := io.WriteString(w, s); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return &b
}

func TestBodiesAreBounded(t *testing.T) {
	n := functionstest.NewNode(t, func(n *functionstest.Node) { n.Front.Limits.BodyBytes = 2 << 20 })
	fits := functionstest.Patient("p", strings.Repeat("x", 2<<20-len(functionstest.Patient("p", ""))))
	unknown := func(body io.Reader) functionstest.Reply {
		r := httptest.NewRequest("PUT", functionstest.Base+"/Patient/p", io.MultiReader(body)) // no Content-Length
		r.ContentLength = -1
		return n.Do(r)
	}
	compressed := func(body io.Reader) functionstest.Reply {
		r := httptest.NewRequest("PUT", functionstest.Base+"/Patient/p", body)
		r.Header.Set("Content-Encoding", "gzip")
		return n.Do(r)
	}
	broken := packed(t, fits).Bytes()
	cases := []struct {
		name   string
		got    functionstest.Reply
		status int
	}{
		{"just fits", n.Send("PUT", "/Patient/p", fits), 201},
		{"one more", n.Send("PUT", "/Patient/p", fits+" "), 413},
		{"of unknown length", unknown(strings.NewReader(fits)), 200},
		{"of unknown length, small", unknown(strings.NewReader(functionstest.Patient("p", "1"))), 200},
		{"of unknown length, too large", unknown(strings.NewReader(fits + " ")), 413},
		{"packed", compressed(packed(t, fits)), 200},
		{"packed, too large", compressed(packed(t, fits+" ")), 413},
		{"packed, a bomb", compressed(packed(t, strings.Repeat(" ", 64<<20))), 413},
		{"packed, broken off", compressed(bytes.NewReader(broken[:len(broken)-20])), 400},
		{"of unknown length, broken off", unknown(io.MultiReader(strings.NewReader(`{"resource`), brokenReader{})),
			400},
	}
	for _, c := range cases {
		if c.got.Status != c.status {
			t.Errorf("%s: got %d, want %d: %.300s", c.name, c.got.Status, c.status, c.got.Body)
		}
	}
	n.Verified()
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, errors.New("connection reset") }

func TestBodiesInFlightShareABudget(t *testing.T) {
	n := functionstest.NewNode(t, func(n *functionstest.Node) {
		n.Front.Limits = door.Limits{BodyBytes: 1 << 20, BodiesBytes: 1 << 20, BudgetWait: 50 * time.Millisecond}
	})
	body := functionstest.Patient("p", strings.Repeat("x", 700<<10))
	inside, goOn := make(chan struct{}), make(chan struct{})
	slow := io.MultiReader(strings.NewReader(body[:len(body)-100]), readerFunc(func([]byte) (int, error) {
		close(inside)
		<-goOn
		return 0, io.EOF
	}), strings.NewReader(body[len(body)-100:]))
	done := make(chan functionstest.Reply)
	go func() {
		r := httptest.NewRequest("PUT", functionstest.Base+"/Patient/p", slow)
		r.ContentLength = int64(len(body))
		done <- n.Do(r)
	}()
	<-inside
	if got := n.Send("PUT", "/Patient/p", body); got.Status != 503 || got.Header.Get("Retry-After") == "" {
		t.Errorf("got %d, want 503 with Retry-After: %s", got.Status, got.Body)
	}
	n.Must(201, "PUT", "/Patient/small", functionstest.Patient("small", "1"))
	close(goOn)
	if got := <-done; got.Status != 201 {
		t.Errorf("the slow one: got %d: %s", got.Status, got.Body)
	}
	n.Must(200, "PUT", "/Patient/p", body)
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }
