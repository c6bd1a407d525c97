package clients

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"binnacle/infra/terminal"

	"github.com/google/uuid"
)

// variant is one way to run a node, with the variables that it needs beside the usual ones.
type variant struct {
	name string
	env  []string
}

// addresses are the variables that name the real servers.
var addresses = []string{"BINNACLE_KAFKA_BROKERS", "BINNACLE_CASSANDRA_HOSTS", "BINNACLE_POSTGRES_URL"}

// variants are those that this environment has the servers for.
func variants() []variant {
	all := []variant{{name: "standalone"}}
	if slices.ContainsFunc(addresses, func(name string) bool { return os.Getenv(name) == "" }) {
		return all
	}
	store := "clients_" + strings.ReplaceAll(uuid.NewString(), "-", "")[:12]
	distributed := variant{name: "distributed", env: []string{"BINNACLE_KAFKA_TOPIC=" + store,
		"BINNACLE_CASSANDRA_KEYSPACE=" + store, "BINNACLE_POSTGRES_SCHEMA=" + store}}
	for _, name := range addresses {
		distributed.env = append(distributed.env, name+"="+os.Getenv(name))
	}
	return append(all, distributed)
}

// node is a running server.
type node struct {
	root    string
	command *exec.Cmd
	told    *terminal.Tail
	ended   chan struct{}
	drop    func() error // removes what it stored on servers
}

// startTimeout is how long a node may take to be ready, and stopTimeout how long to stop.
const (
	startTimeout = time.Minute
	stopTimeout  = 30 * time.Second
)

// start starts a node with everything on that is off unless an operator wants it, and waits until it is ready.
func (v variant) start(ctx context.Context, binary, folder string) (*node, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	address := listener.Addr().String()
	if err := listener.Close(); err != nil {
		return nil, err
	}
	env := append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"), "BINNACLE_VARIANT=" + v.name,
		"BINNACLE_DATA=" + filepath.Join(folder, "data")}, v.env...)
	n := &node{root: "http://" + address, told: &terminal.Tail{}, ended: make(chan struct{}), drop: func() error { return nil }}
	n.command = exec.Command(binary, "serve", "--listen", address, "--tenants", "*",
		"--conditional-delete", "multiple", "--cascade", "1000")
	n.command.Env, n.command.Stdout, n.command.Stderr = env, n.told, n.told
	wait, err := start(context.WithoutCancel(ctx), n.command)
	if err != nil {
		return nil, err
	}
	go func() {
		_ = wait() // why it ended stands in what it told
		close(n.ended)
	}()
	if len(v.env) > 0 {
		n.drop = func() error {
			drop := exec.Command(binary, "drop", "--yes")
			drop.Env = env
			return quietly(context.WithoutCancel(ctx), drop)
		}
	}
	if err := n.await(ctx); err != nil {
		return nil, errors.Join(err, n.stop())
	}
	return n, nil
}

func (n *node) await(ctx context.Context) error {
	for began := time.Now(); time.Since(began) < startTimeout; {
		select {
		case <-n.ended:
			return fmt.Errorf("the node ended:\n%s", strings.Join(n.told.Lines(20), "\n"))
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
		answer, err := http.Get(n.root + "/health/ready")
		if err != nil {
			continue
		}
		if err := answer.Body.Close(); err != nil {
			return err
		}
		if answer.StatusCode == http.StatusOK {
			return nil
		}
	}
	return fmt.Errorf("the node was not ready after %s:\n%s", startTimeout, strings.Join(n.told.Lines(20), "\n"))
}

// stop ends the node as an operator would, and removes what it stored on servers.
func (n *node) stop() error {
	_ = n.command.Process.Signal(syscall.SIGTERM)
	var err error
	select {
	case <-n.ended:
	case <-time.After(stopTimeout):
		err = fmt.Errorf("the node did not stop within %s of SIGTERM", stopTimeout)
		_ = n.command.Process.Kill()
		<-n.ended
	}
	return errors.Join(err, n.drop())
}
