package servers

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
)

// cassandra is one Cassandra node that is a ring by itself.
type cassandra struct{}

func (cassandra) name() string               { return Cassandra }
func (cassandra) ports() []string            { return []string{clientPort, "storage"} }
func (cassandra) stopSignal() syscall.Signal { return syscall.SIGTERM }

func (cassandra) env(at site) map[string]string {
	return map[string]string{"BINNACLE_CASSANDRA_HOSTS": at.address()}
}

func (cassandra) prepare(_ context.Context, at site) error {
	for _, file := range []string{"cassandra.yaml", "cassandra-logback.xml", "cassandra.options"} {
		if _, err := writeSettings(file, at, map[string]string{"DATA": filepath.Join(at.home, "data")}); err != nil {
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

// ask sends OPTIONS and expects SUPPORTED (CQL binary protocol v4, sections 4.1.3 and 4.2.4). The port opens when the node has joined.
func (cassandra) ask(conn net.Conn) error {
	const version, options, supported = 4, 0x05, 0x06
	if _, err := conn.Write([]byte{version, 0, 0, 0, options, 0, 0, 0, 0}); err != nil {
		return err
	}
	var header [9]byte
	if _, err := io.ReadFull(conn, header[:]); err != nil {
		return err
	}
	if header[0] != 0x80|version || header[4] != supported {
		return fmt.Errorf("opcode %#x in place of SUPPORTED", header[4])
	}
	return nil
}
