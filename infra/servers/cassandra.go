package servers

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// cassandra is one Cassandra node, a ring by itself or with others that have the same ports on other addresses: clients
// take the port of one node for that of all.
type cassandra struct{ member }

func (cassandra) ports() []string            { return []string{clientPort, "storage"} }
func (cassandra) stopSignal() syscall.Signal { return syscall.SIGTERM }
func (cassandra) portsOfFirst() bool         { return true }

// host is where it answers itself. Behind a proxy that is not the address which clients are told.
func (c cassandra) host() string {
	if c.proxied {
		return fmt.Sprintf("127.0.1.%d", c.number)
	}
	return c.told()
}

// told is the address that nodes and clients know it by.
func (c cassandra) told() string { return fmt.Sprintf("127.0.0.%d", c.number) }

func (cassandra) env(at site) map[string]string {
	return map[string]string{"BINNACLE_CASSANDRA_HOSTS": at.public()}
}

func (c cassandra) values(at site) map[string]string {
	seeds := make([]string, c.of)
	for i := range seeds {
		seeds[i] = net.JoinHostPort(cassandra{member{number: i + 1}}.told(), strconv.Itoa(at.ports["storage"]))
	}
	return map[string]string{"DATA": filepath.Join(at.home, "data"), "SEEDS": strings.Join(seeds, ","), "HOST": c.told(), "RPC": c.host()}
}

func (c cassandra) prepare(_ context.Context, at site) error {
	for _, file := range []string{"cassandra.yaml", "cassandra-logback.xml", "cassandra.options"} {
		if _, err := writeSettings(file, at, c.values(at)); err != nil {
			return err
		}
	}
	// Native libraries are unpacked to and loaded from here: /tmp may forbid that.
	return os.MkdirAll(filepath.Join(at.home, "tmp"), 0o755)
}

func (cassandra) command(at site) (*exec.Cmd, error) {
	tmp := filepath.Join(at.home, "tmp")
	cmd, err := java(at.home,
		"@"+filepath.Join(at.home, "cassandra.options"),
		"-Dcassandra.config=file://"+filepath.Join(at.home, "cassandra.yaml"),
		"-Dcassandra.storagedir="+filepath.Join(at.home, "data"),
		"-Dcassandra.logdir="+tmp,
		"-Dlogback.configurationFile="+filepath.Join(at.home, "cassandra-logback.xml"),
		"-Djava.io.tmpdir="+tmp, "-Djna.tmpdir="+tmp,
		"-cp", filepath.Join(at.jars, "*"),
		"org.apache.cassandra.service.CassandraDaemon")
	if err != nil {
		return nil, err
	}
	// As cassandra-env.sh has it: glibc's arenas otherwise grow with the number of threads.
	cmd.Env = append(os.Environ(), "MALLOC_ARENA_MAX=4")
	return cmd, nil
}

// ask sends OPTIONS and expects SUPPORTED: the port opens when the node has joined.
func (cassandra) ask(conn net.Conn) error {
	_, err := cqlCall(conn, cqlOptions, nil, cqlSupported)
	return err
}

// settled tells whether a node knows all the others with its own version of the schema: before that, tables made on two
// nodes would be two tables.
func (c cassandra) settled(conn net.Conn) error {
	if c.of == 1 {
		return nil
	}
	if _, err := cqlCall(conn, cqlStartup, []byte("\x00\x01\x00\x0bCQL_VERSION\x00\x053.0.0"), cqlReady); err != nil {
		return err
	}
	ours, err := cqlColumn(conn, "SELECT schema_version FROM system.local")
	if err != nil {
		return err
	}
	theirs, err := cqlColumn(conn, "SELECT schema_version FROM system.peers_v2")
	if err != nil {
		return err
	}
	if len(ours) != 1 || len(theirs) != c.of-1 {
		return fmt.Errorf("the node knows %d others, there are %d", len(theirs), c.of-1)
	}
	for _, version := range theirs {
		if !bytes.Equal(version, ours[0]) {
			return errors.New("the nodes have not agreed on the schema yet")
		}
	}
	return nil
}
