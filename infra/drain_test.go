package infra

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/alecthomas/kong"

	"binnacle/infra/node"
	"binnacle/infra/parts"
)

func TestAStoppingServerSaysSoFirstAndFinishesWhatItHas(t *testing.T) {
	var cli commandLine
	parser, err := kong.New(&cli, kong.Name("binnacle"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parser.Parse([]string{"serve", "--variant", "memory", "--drain", "2s"}); err != nil {
		t.Fatal(err)
	}
	p, err := parts.Open(t.Context(), &cli.Config, slog.New(slog.DiscardHandler), parts.Options{Create: true})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	n, err := node.New(t.Context(), p, node.Settings{Base: cli.Serve.Base, Roles: cli.Serve.Only, Limits: cli.Serve.Limits})
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &httptest.Server{URL: "http://" + listener.Addr().String()}
	inner := n.Handler
	entered, release := make(chan struct{}), make(chan struct{})
	n.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Slow") != "" {
			close(entered)
			<-release
		}
		inner.ServeHTTP(w, r)
	})
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- cli.Serve.run(ctx, n, listener) }()
	if got := exchanged(t, server, "GET", "/health/ready", ""); got.status != 200 {
		t.Fatalf("ready: %d %s", got.status, got.body)
	}
	slow := make(chan int, 1)
	go func() {
		r, err := http.NewRequestWithContext(t.Context(), "GET", server.URL+"/fhir/metadata", nil)
		if err != nil {
			slow <- 0
			return
		}
		r.Header.Set("Slow", "1")
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			slow <- 0
			return
		}
		defer response.Body.Close()
		_, _ = io.Copy(io.Discard, response.Body)
		slow <- response.StatusCode
	}()
	<-entered
	stop()
	<-n.Stopping.Done()
	fresh := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for path, want := range map[string]int{"/health/ready": 503, "/fhir/metadata": 200, "/health/live": 200} {
		response, err := fresh.Get(server.URL + path) //nolint:noctx // of a test
		if err != nil {
			t.Fatalf("%s on a new connection: %v", path, err)
		}
		_ = response.Body.Close()
		if response.StatusCode != want {
			t.Errorf("%s while the server drains: %d, want %d", path, response.StatusCode, want)
		}
	}
	select {
	case err := <-ended:
		t.Fatalf("the server ended before its requests: %v", err)
	default:
	}
	close(release)
	if status := <-slow; status != 200 {
		t.Errorf("the request in flight got %d, want 200", status)
	}
	if err := <-ended; err != nil {
		t.Errorf("the server ended with %v, want none", err)
	}
}
