package servers

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// postgres is one Postgres server with the database and the superuser "binnacle".
type postgres struct{ member }

func (postgres) host() string      { return "127.0.0.1" }
func (p postgres) ports() []string { return append([]string{clientPort}, p.proxyPorts()...) }

// stopSignal is a fast shutdown: clients are disconnected.
func (postgres) stopSignal() syscall.Signal { return syscall.SIGINT }

func (postgres) env(at site) map[string]string {
	return map[string]string{"BINNACLE_POSTGRES_URL": fmt.Sprintf("postgres://binnacle:%s@%s/binnacle?sslmode=disable", at.secret, at.public())}
}

func (p postgres) prepare(ctx context.Context, at site) error {
	owner, err := postgresOwner()
	if err != nil {
		return err
	}
	home, err := owner.home(at.home)
	if err != nil {
		return err
	}
	data := filepath.Join(home, "data")
	if _, err := os.Stat(filepath.Join(home, "complete")); err == nil {
		return nil
	}
	// What an interrupted first start left is no database.
	if err := os.RemoveAll(data); err != nil {
		return err
	}
	password := filepath.Join(home, "password")
	if err := errors.Join(os.Mkdir(data, 0o700), os.WriteFile(password, []byte(at.secret+"\n"), 0o600), owner.own(data), owner.own(password)); err != nil {
		return err
	}
	initdb, err := owner.command(at, "initdb", "--pgdata="+data, "--username=binnacle", "--pwfile="+password, "--auth=scram-sha-256",
		"--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--no-instructions")
	if err != nil {
		return err
	}
	if err := runQuietly(ctx, initdb); err != nil {
		return err
	}
	create, err := owner.command(at, "postgres", "--single", "-D", data, "postgres")
	if err != nil {
		return err
	}
	create.Stdin = strings.NewReader("CREATE DATABASE binnacle\n")
	if err := runQuietly(ctx, create); err != nil {
		return err
	}
	return errors.Join(os.Remove(password), os.WriteFile(filepath.Join(home, "complete"), nil, 0o644))
}

func (postgres) command(at site) (*exec.Cmd, error) {
	owner, err := postgresOwner()
	if err != nil {
		return nil, err
	}
	home, err := owner.home(at.home)
	if err != nil {
		return nil, err
	}
	sync, err := syncSetting()
	if err != nil {
		return nil, err
	}
	return owner.command(at, "postgres", "-D", filepath.Join(home, "data"),
		"-c", "fsync="+sync, "-c", "synchronous_commit="+sync, "-c", "full_page_writes="+sync,
		"-c", "listen_addresses=127.0.0.1",
		"-c", "port="+strconv.Itoa(at.ports[clientPort]),
		// The path of a Unix socket has a limit of 107 bytes, that of the checkout has none.
		"-c", "unix_socket_directories=",
		// Several test packages share this server, each with pools of its own.
		"-c", "max_connections=300",
		"-c", "shared_buffers=256MB",
		"-c", "max_wal_size=4GB")
}

// EnvSync names the environment variable that tells whether Postgres waits for the disk: "on" (the default) or "off",
// for tests. Off, what was committed survives the end of the server, kill -9 too, but not that of the machine.
const EnvSync = "BINNACLE_SERVERS_SYNC"

func syncSetting() (string, error) {
	switch value := os.Getenv(EnvSync); value {
	case "", "on":
		return "on", nil
	case "off":
		return "off", nil
	default:
		return "", fmt.Errorf("%s is %q: set it to on or off, or leave it empty", EnvSync, value)
	}
}

// ask sends a StartupMessage (PostgreSQL, "Message Formats"): a server that accepts connections asks for a password,
// one that is still starting answers with an error.
func (postgres) ask(conn net.Conn) error {
	const protocol = 3 << 16
	body := append(binary.BigEndian.AppendUint32(nil, protocol), "user\x00binnacle\x00database\x00binnacle\x00\x00"...)
	if _, err := conn.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(body)+4)), body...)); err != nil {
		return err
	}
	var answer [256]byte
	n, err := io.ReadAtLeast(conn, answer[:], 5)
	if err != nil {
		return err
	}
	if answer[0] != 'R' {
		return fmt.Errorf("the server doesn't accept connections yet: %q", answer[5:n])
	}
	return nil
}
