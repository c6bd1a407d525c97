package servers

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// kafka is one Kafka node that is broker and controller in one (KRaft), alone or one of several.
type kafka struct{ member }

func (kafka) host() string               { return "127.0.0.1" }
func (kafka) stopSignal() syscall.Signal { return syscall.SIGTERM }

// ports has one of its own for what brokers say to each other, so that a proxy stands between clients and brokers only.
func (k kafka) ports() []string {
	return append([]string{clientPort, "internal", "controller"}, k.proxyPorts()...)
}

func (kafka) env(at site) map[string]string {
	return map[string]string{"BINNACLE_KAFKA_BROKERS": at.public()}
}

// values are those of its settings: copies of everything on up to three nodes, of which one may be away.
func (k kafka) values(at site, data string) map[string]string {
	voters := make([]string, len(at.peers))
	for i, ports := range at.peers {
		voters[i] = fmt.Sprintf("%d@127.0.0.1:%d", i+1, ports["controller"])
	}
	copies := min(k.of, 3)
	session, lag, group := "2000", "3000", "1000"
	if k.unhurried {
		session, lag, group = "9000", "30000", "6000"
	}
	return map[string]string{"BROKER_SESSION": session, "REPLICA_LAG": lag, "GROUP_SESSION": group, "DATA": data, "NODE": strconv.Itoa(k.number), "VOTERS": strings.Join(voters, ","), "ADVERTISED": at.public(),
		"COPIES": strconv.Itoa(copies), "MIN_ISR": strconv.Itoa((copies + 1) / 2)}
}

func (k kafka) prepare(ctx context.Context, at site) error {
	data := filepath.Join(at.home, "data")
	config, err := writeSettings("kafka.properties", at, k.values(at, data))
	if err != nil {
		return err
	}
	if _, err := writeSettings("kafka-log4j2.properties", at, nil); err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(data, "meta.properties")); err == nil {
		return nil
	}
	cmd, err := k.java(at, "-Xmx64m", "-XX:TieredStopAtLevel=1")
	if err != nil {
		return err
	}
	cmd.Args = append(cmd.Args, "kafka.tools.StorageTool", "format", "-t", at.secret, "-c", config)
	return runQuietly(ctx, cmd)
}

func (k kafka) command(at site) (*exec.Cmd, error) {
	heap := "-Xmx256m"
	if k.of > 1 {
		heap = "-Xmx192m"
	}
	// Each thread that reads or writes records keeps memory outside of the heap, as large as the largest of them.
	cmd, err := k.java(at, heap, "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:+ExitOnOutOfMemoryError",
		"-XX:MaxDirectMemorySize=1g")
	if err != nil {
		return nil, err
	}
	cmd.Args = append(cmd.Args, "kafka.Kafka", filepath.Join(at.home, "kafka.properties"))
	return cmd, nil
}

func (kafka) java(at site, options ...string) (*exec.Cmd, error) {
	options = append(options, "-Dlog4j2.configurationFile="+filepath.Join(at.home, "kafka-log4j2.properties"), "-cp", filepath.Join(at.jars, "*"))
	return java(at.home, options...)
}
