// Package servers runs real Kafka, Cassandra and Postgres servers on loopback ports, for development and for tests.
//
// A [Cluster] is one set of the three, or of several nodes of each ([OpenShape]), and everything it owns lies in one
// folder: settings, data, logs, state and a file env with the addresses. Where a docker engine answers the servers are
// containers; elsewhere they are local processes made from Maven artifacts, which needs a JDK 17 and Maven, installs
// nothing outside the folder, and works with and without root.
//
// The package promises: a server that Up calls ready has answered its own protocol; Up leaves either everything running
// or nothing that it started itself; a process is only ever ended when its id and its start time are the ones that were
// written down; two programs that use one folder take turns.
package servers

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
)

// The names of the servers.
const (
	Kafka     = "kafka"
	Cassandra = "cassandra"
	Postgres  = "postgres"
)

// EnvDir names the environment variable with the folder of the shared cluster; without it that is .servers beside
// go.mod.
const EnvDir = "BINNACLE_SERVERS_DIR"

// readyTimeout bounds one server's start on a busy machine; a start takes 1 to 7 s on an idle one.
const readyTimeout = 3 * time.Minute

// Cluster is one set of servers. Its methods may be called from several goroutines and processes at once: they take
// turns by a file lock.
type Cluster struct {
	dir     string // settings, data, logs and state of this set
	jars    string // fetched artifacts, shared with private sets
	servers []server
	tied    bool // the servers end with this program, and are local processes
}

// Dir returns the folder of the shared cluster: $BINNACLE_SERVERS_DIR, or .servers in the nearest folder upwards that
// holds a go.mod.
func Dir() (string, error) {
	if dir := os.Getenv(EnvDir); dir != "" {
		return filepath.Abs(dir)
	}
	at, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(at, "go.mod")); err == nil {
			return filepath.Join(at, ".servers"), nil
		}
		up := filepath.Dir(at)
		if up == at {
			return "", fmt.Errorf("no go.mod here or above: run inside the checkout, or set %s to a folder", EnvDir)
		}
		at = up
	}
}

// Open returns the cluster of all three servers that lives in dir; "" stands for [Dir]. It starts nothing.
func Open(dir string) (*Cluster, error) {
	if dir == "" {
		shared, err := Dir()
		if err != nil {
			return nil, err
		}
		dir = shared
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	return &Cluster{dir: dir, jars: filepath.Join(dir, "jars"), servers: all()}, nil
}

// OpenPrivate returns a cluster of its own in dir, with ports and data of its own, that a test may stop and kill
// without disturbing anybody. It holds the named servers, all three without names, and uses the artifacts already
// fetched in [Dir].
func OpenPrivate(dir string, names ...string) (*Cluster, error) {
	shared, err := Dir()
	if err != nil {
		return nil, err
	}
	c, err := Open(dir)
	if err != nil {
		return nil, err
	}
	c.jars = filepath.Join(shared, "jars")
	for _, name := range names {
		if _, err := c.find(name); err != nil {
			return nil, err
		}
	}
	if len(names) > 0 {
		c.servers = slices.DeleteFunc(c.servers, func(s server) bool { return !slices.Contains(names, s.name()) })
	}
	return c, nil
}

// Up starts what isn't running, all servers at once, and returns when each has answered; it writes the env file.
// Servers that already answer are left alone. progress gets a line at a time, from several goroutines one after the
// other, and may be nil. After an error nothing that this call started is running; the error holds the end of the log
// of each server that failed.
func (c *Cluster) Up(ctx context.Context, progress func(string)) error {
	say := serial(progress)
	return c.locked(ctx, func(st *state) error {
		eng, err := c.engine(ctx, st)
		if err != nil {
			return err
		}
		var missing []server
		for _, s := range c.servers {
			if !c.answers(ctx, eng, s, st) {
				missing = append(missing, s)
			}
		}
		if len(missing) == 0 {
			say("already up")
			return c.writeEnv(st)
		}
		if err := eng.provide(ctx, missing, say); err != nil {
			return err
		}
		if err := c.startAll(ctx, eng, st, missing, say); err != nil {
			return err
		}
		return c.writeEnv(st)
	})
}

// startAll starts servers in parallel, and those that ask for it in turn, and takes all of them back when one fails.
func (c *Cluster) startAll(ctx context.Context, eng engine, st *state, missing []server, say func(string)) error {
	err := c.makeRoom(ctx, eng, st, missing)
	if err == nil {
		group, groupCtx := errgroup.WithContext(ctx)
		var inTurn []server
		for _, s := range missing {
			if s.portsOfFirst() {
				inTurn = append(inTurn, s)
				continue
			}
			group.Go(func() error { return c.start(groupCtx, eng, s, st, say) })
		}
		group.Go(func() error {
			for _, s := range inTurn {
				if err := c.start(groupCtx, eng, s, st, say); err != nil {
					return err
				}
			}
			return nil
		})
		err = group.Wait()
	}
	for _, s := range missing {
		if err == nil {
			err = waitReady(ctx, s.settled, c.site(s, st).address(), nil)
		}
	}
	if err == nil {
		return nil
	}
	back := context.WithoutCancel(ctx)
	for _, s := range missing {
		err = errors.Join(err, c.stop(back, eng, s, st, true))
	}
	return err
}

// makeRoom ends what is there of ours and doesn't answer (an earlier start that was interrupted, a server that hangs),
// and chooses the ports of all before any starts: the nodes of one kind are told each other's.
func (c *Cluster) makeRoom(ctx context.Context, eng engine, st *state, missing []server) error {
	for _, s := range missing {
		if err := c.stop(ctx, eng, s, st, true); err != nil {
			return err
		}
	}
	for _, s := range missing {
		if err := st.choosePorts(s); err != nil {
			return err
		}
	}
	return nil
}

// start brings one server from not running to ready.
func (c *Cluster) start(ctx context.Context, eng engine, s server, st *state, say func(string)) error {
	began := time.Now()
	say(s.name() + ": starting")
	at := c.site(s, st)
	ctx, done := context.WithCancel(ctx)
	defer done()
	exited, err := eng.launch(ctx, s, at, st)
	if err != nil {
		return fmt.Errorf("%s: %w", s.name(), err)
	}
	if err := waitReady(ctx, s.ask, at.address(), exited); err != nil {
		return fmt.Errorf("%s: %w\n%s", s.name(), err, eng.tail(context.WithoutCancel(ctx), s))
	}
	say(fmt.Sprintf("%s: ready on %s after %.1f s", s.name(), at.address(), time.Since(began).Seconds()))
	return nil
}

// waitReady asks the server until it answers well, it exits, or its time is over.
func waitReady(ctx context.Context, ask func(net.Conn) error, address string, exited <-chan error) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	var last error // what the server lacks, not that our time is over
	for {
		err := probe(ctx, ask, address)
		if err == nil {
			return nil
		}
		if last == nil || ctx.Err() == nil {
			last = err
		}
		select {
		case err := <-exited:
			return fmt.Errorf("ended before it was ready: %w", err)
		case <-ctx.Done():
			return fmt.Errorf("not ready on %s: %w: %w", address, ctx.Err(), last)
		case <-tick.C:
		}
	}
}

// Down stops the servers that this folder's Up started, and returns when their ports are closed. Data stays.
func (c *Cluster) Down(ctx context.Context) error {
	return c.locked(ctx, func(st *state) error { return c.down(ctx, st) })
}

func (c *Cluster) down(ctx context.Context, st *state) error {
	eng, err := c.engine(ctx, st)
	if err != nil {
		return err
	}
	errs := make([]error, len(c.servers))
	var group errgroup.Group
	for i, s := range c.servers {
		group.Go(func() error {
			errs[i] = c.stop(ctx, eng, s, st, false)
			return nil
		})
	}
	_ = group.Wait() // the goroutines keep their errors in errs
	if err := errors.Join(errs...); err != nil {
		return err
	}
	return remove(filepath.Join(c.dir, envFile))
}

// Purge does what Down does and removes the data, the ports chosen and the logs. Fetched artifacts stay.
func (c *Cluster) Purge(ctx context.Context) error {
	return c.locked(ctx, func(st *state) error {
		if err := c.down(ctx, st); err != nil {
			return err
		}
		eng, err := c.engine(ctx, st)
		if err != nil {
			return err
		}
		if err := eng.purge(ctx); err != nil {
			return err
		}
		st.Engine, st.Servers = "", map[string]*instance{}
		return os.RemoveAll(filepath.Join(c.dir, logFolder))
	})
}

// Stop ends one server and returns when its port is closed: in good order, or with hard as a crash does (kill -9).
// Stopping a stopped server is no error. Addresses stay reserved for Start.
func (c *Cluster) Stop(ctx context.Context, name string, hard bool) error {
	s, err := c.find(name)
	if err != nil {
		return err
	}
	return c.locked(ctx, func(st *state) error {
		eng, err := c.engine(ctx, st)
		if err != nil {
			return err
		}
		return c.stop(ctx, eng, s, st, hard)
	})
}

// Start starts one server with the data and on the address it had, and returns when it has answered. Starting a running
// server is no error.
func (c *Cluster) Start(ctx context.Context, name string) error {
	s, err := c.find(name)
	if err != nil {
		return err
	}
	return c.locked(ctx, func(st *state) error {
		eng, err := c.engine(ctx, st)
		if err != nil {
			return err
		}
		if c.answers(ctx, eng, s, st) {
			return nil
		}
		if err := eng.provide(ctx, []server{s}, serial(nil)); err != nil {
			return err
		}
		return c.startAll(ctx, eng, st, []server{s}, serial(nil))
	})
}

// Env returns the BINNACLE_* variables with the addresses of the servers that have been started at least once.
func (c *Cluster) Env() map[string]string {
	st, err := readState(c.dir)
	if err != nil {
		return map[string]string{}
	}
	return c.env(st)
}

// Status is what is known of one server.
type Status struct {
	Name    string
	Address string // host:port; empty before the first start
	Engine  string // "process" or "docker"; empty before the first start
	Running bool   // it was started from this folder and has not ended
	Ready   bool   // it answered just now
}

// Status looks at every server once.
func (c *Cluster) Status(ctx context.Context) ([]Status, error) {
	st, err := readState(c.dir)
	if err != nil {
		return nil, err
	}
	eng, err := c.engine(ctx, st)
	if err != nil {
		return nil, err
	}
	var list []Status
	for _, s := range c.servers {
		one := Status{Name: s.name()}
		if st.known(s.name()) {
			one.Address, one.Engine = c.site(s, st).address(), st.Engine
			one.Running = eng.alive(ctx, s, st)
			one.Ready = one.Running && probe(ctx, s.ask, one.Address) == nil
		}
		list = append(list, one)
	}
	return list, nil
}

func (c *Cluster) find(name string) (server, error) {
	for _, s := range c.servers {
		if s.name() == name {
			return s, nil
		}
	}
	var names []string
	for _, s := range c.servers {
		names = append(names, s.name())
	}
	return nil, fmt.Errorf("no server %q in this cluster: there are %s", name, strings.Join(names, ", "))
}

// answers tells whether a server was started from this folder, is alive and answers now.
func (c *Cluster) answers(ctx context.Context, eng engine, s server, st *state) bool {
	return st.known(s.name()) && eng.alive(ctx, s, st) && probe(ctx, s.ask, c.site(s, st).address()) == nil
}

func (c *Cluster) stop(ctx context.Context, eng engine, s server, st *state, hard bool) error {
	if !st.known(s.name()) {
		return nil
	}
	if err := eng.stop(ctx, s, st, hard); err != nil {
		return fmt.Errorf("stop %s: %w", s.name(), err)
	}
	return nil
}
