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
	"syscall"
)

// kafka is one Kafka node that is broker and controller in one (KRaft).
type kafka struct{}

func (kafka) name() string               { return Kafka }
func (kafka) ports() []string            { return []string{clientPort, "controller"} }
func (kafka) stopSignal() syscall.Signal { return syscall.SIGTERM }

func (kafka) env(at site) map[string]string {
	return map[string]string{"BINNACLE_KAFKA_BROKERS": at.address()}
}

func (k kafka) prepare(ctx context.Context, at site) error {
	data := filepath.Join(at.home, "data")
	config, err := writeSettings("kafka.properties", at, map[string]string{"DATA": data})
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
	cmd, err := k.java(at, "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:+ExitOnOutOfMemoryError")
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
func (kafka) ask(conn net.Conn) error {
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
	if brokers := binary.BigEndian.Uint32(answer[4:]); brokers == 0 {
		return errors.New("the broker isn't registered yet")
	}
	return nil
}
