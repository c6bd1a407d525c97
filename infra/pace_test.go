package infra

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// stalled opens a connection that announces a body and sends a part of it.
func stalled(t *testing.T, server *httptest.Server, request, contentType, part string, length int) net.Conn {
	t.Helper()
	connection, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = connection.Close() })
	if _, err := fmt.Fprintf(connection, "%s HTTP/1.1\r\nHost: x\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s", request, contentType, length, part); err != nil {
		t.Fatal(err)
	}
	return connection
}

// TestStalledUploadsStopNobodyAndAreToldSo: four connections announce the largest body, send one byte, and wait.
func TestStalledUploadsStopNobodyAndAreToldSo(t *testing.T) {
	e, _ := embedded(t)
	const json, form, largest = "application/fhir+json", "application/x-www-form-urlencoded", 64 << 20
	begin := func(server *httptest.Server) (connections []net.Conn) {
		for range 4 {
			connections = append(connections, stalled(t, server, "PUT /fhir/Patient/stalled", json, "{", largest))
		}
		return append(connections,
			stalled(t, server, "POST /fhir/Patient/_search", form, "_id", 100),
			stalled(t, server, "POST /fhir/Unicorn", json, "{", 100))
	}
	patiently := httptest.NewServer(newPace(e.Handler(), 4096, time.Hour))
	t.Cleanup(patiently.CloseClientConnections)
	begin(patiently)
	for i := range 8 {
		id := fmt.Sprintf("p%d", i)
		if got := exchanged(t, patiently, "PUT", "/fhir/Patient/"+id, person(id, "f")); got.status != 201 {
			t.Fatalf("a write beside stalled ones: got %d %s", got.status, got.body)
		}
	}
	strict := httptest.NewServer(&pace{handler: e.Handler(), window: 20 * time.Millisecond, bytes: 10, most: time.Hour})
	t.Cleanup(strict.Close)
	for i, connection := range begin(strict) {
		answer, err := http.ReadResponse(bufio.NewReader(connection), nil)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(answer.Body)
		_ = answer.Body.Close()
		want := http.StatusRequestTimeout
		if i == 5 {
			want = http.StatusNotFound // nobody wants to read it
		}
		if answer.StatusCode != want || !strings.Contains(string(body), "OperationOutcome") {
			t.Errorf("connection %d: got %s %s, want %d", i, answer.Status, body, want)
		}
		if _, err := connection.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
			t.Errorf("connection %d stays open: %v", i, err)
		}
	}
	if got := exchanged(t, strict, "PUT", "/fhir/Patient/p0", person("p0", "g")); got.status != 200 {
		t.Errorf("a body that comes: got %d %s", got.status, got.body)
	}
}

// drip is a body that comes in parts; Read gives one of them.
type drip struct {
	parts []string
	pause time.Duration
}

func (d *drip) Read(data []byte) (int, error) {
	if len(d.parts) == 0 {
		return 0, io.EOF
	}
	time.Sleep(d.pause)
	n := copy(data, d.parts[0])
	d.parts = d.parts[1:]
	return n, nil
}

func (d *drip) Close() error { return nil }

// TestABodyMayComeSlowlyForALimitedTime: the whole time counts, not only that without a byte.
func TestABodyMayComeSlowlyForALimitedTime(t *testing.T) {
	read := func(most time.Duration) error {
		var err error
		p := &pace{window: time.Hour, bytes: 1, most: most, handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { _, err = io.ReadAll(r.Body) })}
		server := httptest.NewUnstartedServer(p)
		server.Start()
		defer server.Close()
		r, _ := http.NewRequest(http.MethodPost, server.URL, &drip{parts: strings.Split(strings.Repeat("x ", 20), " "), pause: 2 * time.Millisecond})
		if answer, err := http.DefaultClient.Do(r); err == nil {
			_ = answer.Body.Close()
		}
		return err
	}
	if err := read(time.Millisecond); err == nil {
		t.Error("a body that takes longer than it may was read to its end")
	}
	if err := read(time.Hour); err != nil {
		t.Errorf("a body that comes in time: %v", err)
	}
}
