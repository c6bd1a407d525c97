package servers

import (
	"bytes"
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
	return map[string]string{"DATA": data, "NODE": strconv.Itoa(k.number), "VOTERS": strings.Join(voters, ","), "ADVERTISED": at.public(),
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
	cmd, err := k.java(at, heap, "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:+ExitOnOutOfMemoryError")
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

// ask sends Metadata version 1 for no topic (https://kafka.apache.org/protocol#The_Messages_Metadata). A broker that lists itself has registered
// and is unfenced.
func (k kafka) ask(conn net.Conn) error {
	const metadata, version, correlation = 3, 1, 42
	request := []byte{0, metadata, 0, version, 0, 0, 0, correlation, 0, 0 /* client id "" */, 0, 0, 0, 0 /* no topics */}
	if _, err := conn.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(request))), request...)); err != nil {
		return err
	}
	var size uint32
	if err := binary.Read(conn, binary.BigEndian, &size); err != nil {
		return err
	}
	if size < 12 || size > 1<<20 {
		return fmt.Errorf("an answer of %d bytes is not Kafka's", size)
	}
	answer := make([]byte, size)
	if _, err := io.ReadFull(conn, answer); err != nil {
		return err
	}
	if !bytes.HasPrefix(answer, []byte{0, 0, 0, correlation}) {
		return errors.New("the answer belongs to another request: not a Kafka broker")
	}
	return k.registered(answer[4:])
}

// registered looks for this node in the brokers of a Metadata answer: an array of node id, host, port and rack.
func (k kafka) registered(brokers []byte) error {
	r := bytes.NewReader(brokers)
	var count int32
	if err := binary.Read(r, binary.BigEndian, &count); err != nil {
		return err
	}
	for range count {
		var broker struct {
			ID   int32
			Host int16
		}
		if err := binary.Read(r, binary.BigEndian, &broker); err != nil {
			return err
		}
		if broker.ID == int32(k.number) {
			return nil
		}
		var tail struct {
			Port int32
			Rack int16
		}
		if _, err := r.Seek(int64(broker.Host), io.SeekCurrent); err != nil {
			return err
		}
		if err := binary.Read(r, binary.BigEndian, &tail); err != nil {
			return err
		}
		if _, err := r.Seek(int64(max(0, tail.Rack)), io.SeekCurrent); err != nil {
			return err
		}
	}
	return errors.New("the broker isn't registered yet")
}
