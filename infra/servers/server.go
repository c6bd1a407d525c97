package servers

import (
	"context"
	"embed"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// files holds the poms, the settings of the servers and the compose file.
//
//go:embed files
var files embed.FS

// server is what differs between the three.
type server interface {
	name() string
	// kind is what the nodes of one cluster have in common: artifacts, settings, the first part of the name.
	kind() string
	// first is the name of the node whose secret the others share.
	first() string
	// ports names the ports it needs; clientPort is among them.
	ports() []string
	// host is the loopback address it listens on.
	host() string
	// prepare writes its settings and, the first time, its empty data.
	prepare(ctx context.Context, at site) error
	// command runs it in the foreground.
	command(at site) (*exec.Cmd, error)
	// ask sends one question in the server's protocol and returns nil when the answer shows that it serves.
	ask(conn net.Conn) error
	// settled asks, in the same way, whether one of several nodes knows the others well enough to be used.
	settled(conn net.Conn) error
	// portsOfFirst tells that nodes of this kind have the same ports, on different hosts, and that they start one after
	// the other.
	portsOfFirst() bool
	// env gives the variables by which Binnacle finds it.
	env(at site) map[string]string
	// stopSignal asks it to stop in good order without waiting for its clients.
	stopSignal() syscall.Signal
}

func all() []server { return Shape{Kafka: 1, Cassandra: 1, Postgres: 1}.servers() }

// engine is a way of running servers: local processes or containers.
type engine interface {
	// provide fetches what the servers need, if it isn't there.
	provide(ctx context.Context, missing []server, say func(string)) error
	// launch starts a server; the channel tells when it has ended.
	launch(ctx context.Context, s server, at site, st *state) (exited <-chan error, err error)
	alive(ctx context.Context, s server, st *state) bool
	// stop returns when the server is gone and its port closed.
	stop(ctx context.Context, s server, st *state, hard bool) error
	// tail returns the end of what the server has logged.
	tail(ctx context.Context, s server) string
	purge(ctx context.Context) error
}

// probe connects to a server and asks it one thing.
func probe(ctx context.Context, ask func(net.Conn) error, address string) error {
	dialer := net.Dialer{Timeout: time.Second}
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		return err
	}
	return ask(conn)
}

// waitClosed returns when nothing accepts connections on an address: a JVM may do so for two seconds after kill -9.
func waitClosed(ctx context.Context, address string) error {
	for {
		conn, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "tcp", address)
		if err != nil && ctx.Err() == nil {
			return nil
		}
		if err == nil {
			err = conn.Close()
		}
		if ctx.Err() != nil {
			return fmt.Errorf("%s still accepts connections: %w", address, ctx.Err())
		}
		if err != nil {
			return err
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// settings fills the values in ${} of an embedded file: those given, and the ports as ${CLIENT_PORT} and so on.
func settings(file string, at site, values map[string]string) (string, error) {
	text, err := files.ReadFile("files/" + file)
	if err != nil {
		return "", err
	}
	filled := os.Expand(string(text), func(name string) string {
		if value, ok := values[name]; ok {
			return value
		}
		port, ok := at.ports[strings.ToLower(strings.TrimSuffix(name, "_PORT"))]
		if !ok {
			err = fmt.Errorf("%s wants a value for %s", file, name)
		}
		return strconv.Itoa(port)
	})
	return filled, err
}

// writeSettings writes an embedded file, filled in, into a server's home and returns its path.
func writeSettings(file string, at site, values map[string]string) (string, error) {
	text, err := settings(file, at, values)
	if err != nil {
		return "", err
	}
	path := filepath.Join(at.home, file)
	return path, replaceFile(path, []byte(text), 0o644)
}
