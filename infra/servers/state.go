package servers

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// The files of a cluster's folder.
const (
	stateFile = "state.json"
	lockFile  = "lock"
	envFile   = "env"
	logFolder = "logs"
)

// Ports come from below the range that the kernel hands to outgoing connections (from 32768 on Linux, 49152 elsewhere):
// while a server is stopped, a client's own connection must not land on its port.
const (
	firstPort = 15000
	lastPort  = 32000
)

// clientPort is the port every server has: the one that clients use.
const clientPort = "client"

// state is what a cluster remembers between two programs that use it.
type state struct {
	Engine  string               `json:"engine"`
	Servers map[string]*instance `json:"servers"`

	mu   sync.Mutex // servers start in parallel
	path string
}

// instance is one server's part of the state.
type instance struct {
	Ports   map[string]int `json:"ports"`
	Secret  string         `json:"secret"`            // Postgres' password, Kafka's cluster id: 22 letters of base64url
	Pid     int32          `json:"pid,omitempty"`     // 0 when it isn't running as a process
	Created int64          `json:"created,omitempty"` // when that process was made, ms since 1970
}

func readState(dir string) (*state, error) {
	st := &state{Servers: map[string]*instance{}, path: filepath.Join(dir, stateFile)}
	text, err := os.ReadFile(st.path)
	if errors.Is(err, fs.ErrNotExist) {
		return st, nil
	}
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(text, st); err != nil {
		return nil, fmt.Errorf("%s: %w: stop the servers by hand and remove the folder's data", st.path, err)
	}
	if st.Servers == nil {
		st.Servers = map[string]*instance{}
	}
	return st, nil
}

// save replaces the state file whole, so that a reader never sees half of one.
func (st *state) save() error {
	text, err := json.MarshalIndent(st, "", "  ")
	if err != nil {
		return err
	}
	return replaceFile(st.path, append(text, '\n'), 0o600)
}

func (st *state) known(name string) bool {
	st.mu.Lock()
	defer st.mu.Unlock()
	return st.Servers[name] != nil
}

// instance returns a copy of a server's part.
func (st *state) instance(name string) instance {
	st.mu.Lock()
	defer st.mu.Unlock()
	if in := st.Servers[name]; in != nil {
		return *in
	}
	return instance{}
}

// setProcess notes a server's process, and that of a stopped one as 0, on disk at once: a later program has to find it.
func (st *state) setProcess(name string, pid int32, created int64) error {
	st.mu.Lock()
	defer st.mu.Unlock()
	in := st.Servers[name]
	in.Pid, in.Created = pid, created
	return st.save()
}

// choosePorts keeps the ports a server had, or finds free ones for those that it lacks or that somebody else took.
// Where nodes know each other by their ports, a port that is taken is an error.
func (st *state) choosePorts(s server) error {
	st.mu.Lock()
	defer st.mu.Unlock()
	in := st.Servers[s.name()]
	if in == nil {
		in = &instance{Secret: secret()}
		st.Servers[s.name()] = in
	}
	ports := map[string]int{} // a new one: copies of the instance have the old
	maps.Copy(ports, in.Ports)
	in.Ports = ports
	for _, name := range s.ports() {
		port, have := ports[name]
		busy := have && name != proxyPort && taken(s.host(), port) // a proxy's port is the caller's to use
		switch {
		case busy && s.name() != s.kind():
			return fmt.Errorf("%s: somebody else has taken its port %d", s.name(), port)
		case have && !busy:
			continue
		}
		if s.portsOfFirst() && s.name() != s.first() {
			port = st.Servers[s.first()].Ports[name]
		} else {
			var err error
			if port, err = st.freePort(s); err != nil {
				return err
			}
		}
		ports[name] = port
	}
	return st.save()
}

// freePort finds a port that this state doesn't name and that nobody listens on, neither at the server's host nor where
// its proxy may listen.
func (st *state) freePort(s server) (int, error) {
	var named []int
	for _, in := range st.Servers {
		named = slices.AppendSeq(named, maps.Values(in.Ports))
	}
	for range 1000 {
		n, err := rand.Int(rand.Reader, big.NewInt(lastPort-firstPort))
		if err != nil {
			return 0, err
		}
		port := firstPort + int(n.Int64())
		if !slices.Contains(named, port) && !taken(s.host(), port) && !taken("127.0.0.1", port) {
			return port, nil
		}
	}
	return 0, fmt.Errorf("no free port between %d and %d on %s", firstPort, lastPort, s.host())
}

func taken(host string, port int) bool {
	l, err := net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(port)))
	if err != nil {
		return true
	}
	return l.Close() != nil
}

// secret makes 22 letters of base64url, the form of a Kafka cluster id, without the leading dash that a command line
// would take for a flag.
func secret() string {
	var raw [16]byte
	for {
		_, _ = rand.Read(raw[:]) // never fails, see crypto/rand
		if text := base64.RawURLEncoding.EncodeToString(raw[:]); text[0] != '-' {
			return text
		}
	}
}

// locked runs f with the folder's lock and the state read after it was taken.
func (c *Cluster) locked(ctx context.Context, f func(*state) error) error {
	unlock, err := lock(ctx, c.dir)
	if err != nil {
		return err
	}
	defer unlock()
	st, err := readState(c.dir)
	if err != nil {
		return err
	}
	err = f(st)
	st.mu.Lock()
	defer st.mu.Unlock()
	return errors.Join(err, st.save())
}

// lock takes a folder for this call, waiting for others; the kernel frees it when its holder dies.
func lock(ctx context.Context, dir string) (unlock func(), err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(filepath.Join(dir, lockFile), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { _ = f.Close() }, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			return nil, errors.Join(fmt.Errorf("lock %s: %w", f.Name(), err), f.Close())
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(fmt.Errorf("%s is held by another program: %w", f.Name(), ctx.Err()), f.Close())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func (c *Cluster) env(st *state) map[string]string {
	// A test that opens a private cluster finds the artifacts by the folder.
	env := map[string]string{EnvDir: filepath.Dir(c.jars)}
	for _, s := range c.servers {
		if in := st.instance(s.name()); len(in.Ports) > 0 {
			for name, value := range s.env(c.site(s, st)) {
				if before, several := env[name]; several {
					value = before + "," + value
				}
				env[name] = value
			}
		}
	}
	return env
}

// writeEnv writes the addresses as lines that a POSIX shell can source.
func (c *Cluster) writeEnv(st *state) error {
	return replaceFile(filepath.Join(c.dir, envFile), []byte(shellExports(c.env(st))), 0o600)
}

// shellExports renders variables as export lines in the order of their names, with single quotes that keep every value
// as it is.
func shellExports(env map[string]string) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(env)) {
		fmt.Fprintf(&b, "export %s='%s'\n", name, strings.ReplaceAll(env[name], "'", `'\''`))
	}
	return b.String()
}

func replaceFile(path string, content []byte, mode fs.FileMode) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(path+".new", content, mode); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

func remove(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// serial makes a progress function that may be nil safe for several goroutines.
func serial(progress func(string)) func(string) {
	if progress == nil {
		return func(string) {}
	}
	var mu sync.Mutex
	return func(line string) {
		mu.Lock()
		defer mu.Unlock()
		progress(line)
	}
}
