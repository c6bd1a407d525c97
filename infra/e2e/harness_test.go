package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"

	"binnacle/infra/servers"
	"binnacle/infra/terminal"
)

// folder holds the binaries of the program: one that watches for races, and one as users have it, for what takes long.
var folder string

func TestMain(m *testing.M) {
	var err error
	if folder, err = os.MkdirTemp("", "binnacle-e2e-"); err == nil {
		err = os.Chmod(folder, 0o755) // tests run the program as another user too
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	if err := os.RemoveAll(folder); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	os.Exit(code)
}

// The binaries are built when a test asks for them, once.
var (
	watched = sync.OnceValues(func() (string, error) { return build("watched", "-race") })
	plain   = sync.OnceValues(func() (string, error) { return build("plain") })
)

func build(name string, flags ...string) (string, error) {
	path := filepath.Join(folder, name)
	out, err := exec.Command("go", slices.Concat([]string{"build", "-o", path}, flags, []string{"binnacle"})...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("the program doesn't build: %w\n%s", err, out)
	}
	return path, nil
}

// needs returns the addresses of the real servers, or fails.
func needs(t *testing.T) []string {
	t.Helper()
	var env []string
	for _, name := range []string{"BINNACLE_KAFKA_BROKERS", "BINNACLE_CASSANDRA_HOSTS", "BINNACLE_POSTGRES_URL"} {
		value := os.Getenv(name)
		if value == "" {
			t.Fatalf("%s is not set: run `./task test`, or `./task servers:up` and source .servers/env", name)
		}
		env = append(env, name+"="+value)
	}
	return env
}

// installation is one set of storage: a folder, a topic, a keyspace, schemas. Nodes of it are started and killed.
type installation struct {
	t        *testing.T
	binary   string
	env      []string
	evidence string              // folder of the nodes' whole logs, kept when the test fails
	user     *syscall.Credential // that nodes and commands run as; nil: ours
	wrapper  []string            // a command that runs the program's; nil: none
}

// newInstallation makes an empty installation of a variant that is removed when the test ends.
func newInstallation(t *testing.T, built func() (string, error), variant string, servers []string) *installation {
	t.Helper()
	binary, err := built()
	if err != nil {
		t.Fatal(err)
	}
	name := "e2e_" + strings.ReplaceAll(uuid.NewString(), "-", "")[:12]
	i := &installation{t: t, binary: binary, evidence: evidence(t), env: append([]string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "BINNACLE_VARIANT=" + variant, "BINNACLE_DATA=" + t.TempDir(),
		"BINNACLE_KAFKA_TOPIC=" + name, "BINNACLE_CASSANDRA_KEYSPACE=" + name, "BINNACLE_POSTGRES_SCHEMA=" + name, "GORACE=halt_on_error=1"}, servers...)}
	if within := os.Getenv(envCommitWithin); within != "" {
		i.env = append(i.env, envCommitWithin+"="+within)
	}
	if variant == "replica" || variant == "distributed" {
		t.Cleanup(func() {
			if out, err := i.command(context.Background(), "drop", "--yes").CombinedOutput(); err != nil {
				t.Errorf("drop: %v\n%s", err, out)
			}
		})
	}
	return i
}

// envCommitWithin is the variable of --commit-within: set for the tests it is so for the nodes that they start.
const envCommitWithin = "BINNACLE_COMMIT_WITHIN"

func (i *installation) command(ctx context.Context, args ...string) *exec.Cmd {
	args = slices.Concat(i.wrapper, []string{i.binary}, args)
	c := exec.CommandContext(ctx, args[0], args[1:]...)
	c.Env = i.env
	c.WaitDelay = 10 * time.Second
	c.SysProcAttr = &syscall.SysProcAttr{Credential: i.user}
	return c
}

// value is a variable of the installation's environment.
func (i *installation) value(name string) string {
	for _, variable := range i.env {
		if value, found := strings.CutPrefix(variable, name+"="); found {
			return value
		}
	}
	i.t.Fatalf("the installation has no %s", name)
	return ""
}

// run runs a command of the program to its end and returns what it printed; it must succeed.
func (i *installation) run(args ...string) string {
	i.t.Helper()
	out, err := i.command(i.t.Context(), args...).CombinedOutput()
	if err != nil {
		i.t.Fatalf("binnacle %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// node is a running server.
type node struct {
	t       *testing.T
	base    string // of the FHIR API
	root    string // of the server
	command *exec.Cmd
	output  *terminal.Tail
	ended   chan struct{}
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// start starts a node and waits until it is ready.
func (i *installation) start(flags ...string) *node {
	i.t.Helper()
	n := i.launch(freeAddress(i.t), flags...)
	n.awaitReady(time.Minute)
	return n
}

// launch starts a node at an address and does not wait.
func (i *installation) launch(address string, flags ...string) *node {
	i.t.Helper()
	n := &node{t: i.t, root: "http://" + address, base: "http://" + address + "/fhir", output: &terminal.Tail{}, ended: make(chan struct{})}
	n.command = i.command(context.Background(), append([]string{"serve", "--listen", address}, flags...)...)
	log := appendTo(i.t, i.evidence, strings.ReplaceAll(address, ":", "-")+".log")
	out := io.MultiWriter(n.output, log)
	n.command.Stdout, n.command.Stderr = out, out
	servers.Tie(n.command)
	started := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // the thread that the process is tied to
		defer runtime.UnlockOSThread()
		err := n.command.Start()
		if started <- err; err == nil {
			_ = n.command.Wait() // how it ended is for the test to judge
		}
		_ = log.Close() // only evidence
		close(n.ended)
	}()
	if err := <-started; err != nil {
		i.t.Fatal(err)
	}
	i.t.Cleanup(func() {
		n.stop()
		if i.t.Failed() {
			i.t.Logf("the node at %s printed:\n%s", n.root, n.output)
		}
		if strings.Contains(n.output.String(), "DATA RACE") {
			i.t.Errorf("the node at %s found a data race:\n%s", n.root, n.output)
		}
	})
	return n
}

// kill ends the node with SIGKILL.
func (n *node) kill() {
	_ = n.command.Process.Kill()
	<-n.ended
}

// stop ends the node with SIGTERM, as an operator would.
func (n *node) stop() {
	_ = n.command.Process.Signal(syscall.SIGCONT) // a stopped process would not hear the other
	_ = n.command.Process.Signal(syscall.SIGTERM)
	select {
	case <-n.ended:
	case <-time.After(30 * time.Second):
		n.t.Errorf("the node at %s did not stop within 30 s of SIGTERM", n.root)
		n.kill()
	}
}

func (n *node) awaitReady(bound time.Duration) {
	n.t.Helper()
	n.await(bound, "ready", func() bool { return n.probe("/health/ready") == http.StatusOK })
}

// await polls until a condition holds.
func (n *node) await(bound time.Duration, what string, holds func() bool) {
	n.t.Helper()
	for deadline := time.Now().Add(bound); !holds(); time.Sleep(20 * time.Millisecond) {
		select {
		case <-n.ended:
			n.t.Fatalf("the node ended while it should become %s:\n%s", what, n.output)
		default:
		}
		if time.Now().After(deadline) {
			n.t.Fatalf("the node was not %s within %v; it printed:\n%s", what, bound, n.output)
		}
	}
}

// probe returns the status of a health page; 0 when nobody answers.
func (n *node) probe(path string) int {
	client := http.Client{Timeout: 5 * time.Second}
	response, err := client.Get(n.root + path)
	if err != nil {
		return 0
	}
	response.Body.Close()
	return response.StatusCode
}

// metric returns the sum of a metric's samples that have some labels; -1 when nobody answers, or what is there is no
// number.
func (n *node) metric(name string, labels ...string) float64 {
	r, err := send(n.root+"/metrics", http.MethodGet, "")
	if err != nil {
		return -1
	}
	sum := 0.0
	for line := range strings.Lines(string(r.body)) {
		if !strings.HasPrefix(line, name+"{") && !strings.HasPrefix(line, name+" ") || slices.ContainsFunc(labels, func(label string) bool { return !strings.Contains(line, label) }) {
			continue
		}
		fields := strings.Fields(line)
		value, err := strconv.ParseFloat(fields[len(fields)-1], 64)
		if err != nil {
			return -1
		}
		sum += value
	}
	return sum
}

// reply is an answer, read to its end.
type reply struct {
	status int
	header http.Header
	body   []byte
}

// id is the id in the Location header.
func (r reply) id(t *testing.T) string {
	t.Helper()
	parts := strings.Split(r.header.Get("Location"), "/")
	if len(parts) < 4 {
		t.Fatalf("no usable Location in %v (status %d): %.300s", r.header, r.status, r.body)
	}
	return parts[len(parts)-3]
}

// try sends a request; headers are given in pairs.
func (n *node) try(method, path, body string, headers ...string) (reply, error) {
	return send(n.base+path, method, body, headers...)
}

func send(url, method, body string, headers ...string) (reply, error) {
	return sendWithin(2*time.Minute, url, method, body, headers...)
}

// sendWithin is send with a time limit of its own: a node that was stopped doesn't answer.
func sendWithin(limit time.Duration, url, method, body string, headers ...string) (reply, error) {
	request, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		return reply{}, err
	}
	if body != "" {
		request.Header.Set("Content-Type", "application/fhir+json")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	client := http.Client{Timeout: limit}
	response, err := client.Do(request)
	if err != nil {
		return reply{}, err
	}
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	return reply{response.StatusCode, response.Header, data}, err
}

// do sends a request that must be answered with a status.
func (n *node) do(want int, method, path, body string, headers ...string) reply {
	n.t.Helper()
	r, err := n.try(method, path, body, headers...)
	if err != nil {
		n.t.Fatalf("%s %s: %v; the node printed:\n%s", method, path, err, n.output)
	}
	if r.status != want {
		n.t.Fatalf("%s %s: status %d, want %d\n%.600s", method, path, r.status, want, r.body)
	}
	return r
}

// found returns the ids that a search finds, over all pages, in order.
func (n *node) found(query string) (ids []string) {
	n.t.Helper()
	for link := n.base + "/" + query; link != ""; {
		r, err := send(link, http.MethodGet, "", "Prefer", "handling=strict")
		if err != nil || r.status != http.StatusOK {
			n.t.Fatalf("GET %s: %d %v\n%.600s", link, r.status, err, r.body)
		}
		bundle := bundleOf(n.t, r.body)
		for _, e := range bundle.Entry {
			ids = append(ids, e.Resource.ID)
		}
		link = bundle.next()
	}
	return ids
}

// bundle is what the tests read of a Bundle.
type bundle struct {
	Total *int
	Link  []struct{ Relation, URL string }
	Entry []struct {
		FullURL  string
		Resource struct {
			ResourceType, ID string
			Language         string
			Meta             struct{ VersionID, LastUpdated string }
		}
		Response struct {
			Status, Location string
			Outcome          json.RawMessage
		}
	}
}

func bundleOf(t *testing.T, body []byte) (b bundle) {
	t.Helper()
	if err := json.NewDecoder(bytes.NewReader(body)).Decode(&b); err != nil {
		t.Fatalf("no bundle: %v\n%.300s", err, body)
	}
	return b
}

func (b bundle) next() string {
	for _, l := range b.Link {
		if l.Relation == "next" {
			return l.URL
		}
	}
	return ""
}

// bound is how long anything may take on a slow, shared machine before a test gives up; no figure of performance.
const bound = 2 * time.Minute

// sampleFolder holds the bundles that come with the project.
const sampleFolder = "../sample"

func total(t *testing.T, n *node, kind string) int {
	t.Helper()
	b := bundleOf(t, n.do(http.StatusOK, "GET", "/"+kind+"?_count=0&_total=accurate", "").body)
	if b.Total == nil {
		t.Fatalf("%s: no total", kind)
	}
	return *b.Total
}
