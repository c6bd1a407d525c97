package cassandra

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"binnacle/events"
	"binnacle/projections"
)

// line carries connections to the test server and can be cut and frozen, as a network or a node can.
type line struct {
	t       *testing.T
	server  string
	address string
	tls     *tls.Config // nil: plain

	mu       sync.Mutex
	thawed   sync.Cond
	listener net.Listener
	open     map[net.Conn]bool
	frozen   bool
}

func newLine(t *testing.T, server string) *line {
	t.Helper()
	l := &line{t: t, server: server, address: "127.0.0.1:0", open: map[net.Conn]bool{}}
	l.thawed.L = &l.mu
	l.mend()
	t.Cleanup(func() {
		l.freeze(false)
		l.cut()
	})
	return l
}

// mend listens, again at the address of the first time.
func (l *line) mend() {
	l.t.Helper()
	listener, err := net.Listen("tcp", l.address)
	if err != nil {
		l.t.Fatal(err)
	}
	l.address = listener.Addr().String()
	if l.tls != nil {
		listener = tls.NewListener(listener, l.tls)
	}
	l.mu.Lock()
	l.listener = listener
	l.mu.Unlock()
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return // cut
			}
			server, err := net.Dial("tcp", l.server)
			if err != nil {
				_ = client.Close()
				continue
			}
			l.mu.Lock()
			l.open[client], l.open[server] = true, true
			if l.listener != listener { // cut in between
				_, _ = client.Close(), server.Close()
			}
			l.mu.Unlock()
			go l.carry(client, server)
			go l.carry(server, client)
		}
	}()
}

func (l *line) carry(to, from net.Conn) {
	defer func() { _, _ = to.Close(), from.Close() }()
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		if err != nil {
			return
		}
		l.mu.Lock()
		for l.frozen {
			l.thawed.Wait()
		}
		l.mu.Unlock()
		if _, err := io.Copy(to, bytes.NewReader(buffer[:n])); err != nil {
			return
		}
	}
}

func (l *line) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	_ = l.listener.Close()
	l.listener = nil
	for conn := range l.open {
		_ = conn.Close()
	}
	clear(l.open)
}

func (l *line) freeze(frozen bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.frozen = frozen
	l.thawed.Broadcast()
}

func TestANodeThatGoesAwayIsTransientAndIsFoundAgain(t *testing.T) {
	for _, fault := range []struct {
		name       string
		begin, end func(*line)
	}{
		{"its connections are cut and refused", (*line).cut, (*line).mend},
		{"it takes requests and answers none", func(l *line) { l.freeze(true) }, func(l *line) { l.freeze(false) }},
	} {
		t.Run(fault.name, func(t *testing.T) {
			c := config(t)
			if err := ensure(t.Context(), c, true); err != nil {
				t.Fatal(err)
			}
			l := newLine(t, c.Hosts[0])
			c.Hosts = []string{l.address}
			store := open(t, c)
			store.Timeout = 500 * time.Millisecond // of the calls from here on: with retries, 2 s
			one, two := blob("before the fault"), blob("during the fault")
			if err := store.Put(t.Context(), []projections.Blob{one}); err != nil {
				t.Fatal(err)
			}

			fault.begin(l)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			_, err := store.Get(ctx, []events.Hash{one.Hash})
			for name, err := range map[string]error{
				"Get":    err,
				"Put":    store.Put(ctx, []projections.Blob{two}),
				"Each":   store.Each(ctx, func(events.Hash) error { return nil }),
				"Delete": store.Delete(ctx, []events.Hash{two.Hash}),
				"Ready":  store.Ready(ctx),
			} {
				if err == nil || events.KindOf(err) != events.Transient || ctx.Err() != nil {
					t.Errorf("%s: got %v, want an error of kind transient in bounded time", name, err)
				}
			}

			fault.end(l)
			store.Timeout = 10 * time.Second
			for store.Ready(ctx) != nil {
				if ctx.Err() != nil {
					t.Fatal("the node was not found again")
				}
				time.Sleep(20 * time.Millisecond)
			}
			if err := store.Put(ctx, []projections.Blob{two}); err != nil {
				t.Fatalf("Put after the fault: %v", err)
			}
			got, err := store.Get(ctx, []events.Hash{one.Hash, two.Hash})
			if err != nil || !bytes.Equal(got[0], one.Content) || !bytes.Equal(got[1], two.Content) {
				t.Errorf("after the fault: got %q and %v, want both blobs", got, err)
			}
		})
	}
}

func TestAFaultInTheMiddleOfABatchIsRiddenOut(t *testing.T) {
	c := config(t)
	if err := ensure(t.Context(), c, true); err != nil {
		t.Fatal(err)
	}
	l := newLine(t, c.Hosts[0])
	c.Hosts = []string{l.address}
	store := open(t, c)
	list := make([]projections.Blob, 3_000)
	hashes := make([]events.Hash, len(list))
	for i := range list {
		list[i] = blob(string(rune('a'+i%26)) + time.Duration(i).String())
		hashes[i] = list[i].Hash
	}
	put := make(chan error, 1)
	go func() { put <- store.Put(t.Context(), list) }()
	for range 3 {
		time.Sleep(30 * time.Millisecond)
		l.cut()
		l.mend()
	}
	if err := <-put; err != nil {
		t.Fatalf("Put over three cuts: %v, want them ridden out", err)
	}
	got, err := store.Get(t.Context(), hashes)
	if err != nil {
		t.Fatal(err)
	}
	for i := range got {
		if !bytes.Equal(got[i], list[i].Content) {
			t.Fatalf("blob %d: got %q, want %q", i, got[i], list[i].Content)
		}
	}
}
