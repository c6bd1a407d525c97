package servers

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

// What is asked of a broker: Metadata, version 1 (https://kafka.apache.org/protocol#The_Messages_Metadata).
const (
	kafkaMetadata        = 3
	kafkaMetadataVersion = 1
	noTopics             = 0
	allTopics            = -1 // a null array
)

// ask asks for no topic. A broker that lists itself has registered and is unfenced.
func (k kafka) ask(conn net.Conn) error {
	answer, err := askMetadata(conn, noTopics)
	if err != nil {
		return err
	}
	return k.registered(answer)
}

// askMetadata returns the body of the answer.
func askMetadata(conn net.Conn, topics int32) ([]byte, error) {
	const correlation = 42
	request := []byte{0, kafkaMetadata, 0, kafkaMetadataVersion, 0, 0, 0, correlation, 0, 0 /* client id "" */}
	request = binary.BigEndian.AppendUint32(request, uint32(topics))
	if _, err := conn.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(request))), request...)); err != nil {
		return nil, err
	}
	var size uint32
	if err := binary.Read(conn, binary.BigEndian, &size); err != nil {
		return nil, err
	}
	if size < 12 || size > 1<<20 {
		return nil, fmt.Errorf("an answer of %d bytes is not Kafka's", size)
	}
	answer := make([]byte, size)
	if _, err := io.ReadFull(conn, answer); err != nil {
		return nil, err
	}
	if !bytes.HasPrefix(answer, []byte{0, 0, 0, correlation}) {
		return nil, errors.New("the answer belongs to another request: not a Kafka broker")
	}
	return answer[4:], nil
}

// wire reads Kafka's primitive types; after the end of the bytes everything is 0, and short is set.
type wire struct {
	rest  []byte
	short bool
}

func (w *wire) take(n int) []byte {
	if w.short || n < 0 || n > len(w.rest) {
		w.short, w.rest = true, nil
		return make([]byte, 4)
	}
	taken := w.rest[:n]
	w.rest = w.rest[n:]
	return taken
}

func (w *wire) int16() int16 { return int16(binary.BigEndian.Uint16(w.take(2))) }
func (w *wire) int32() int32 { return int32(binary.BigEndian.Uint32(w.take(4))) }
func (w *wire) string()      { w.take(int(max(0, w.int16()))) }

// each reads an array.
func (w *wire) each(element func()) {
	for count := w.int32(); count > 0 && !w.short; count-- {
		element()
	}
}

// brokers reads the first part of a Metadata answer: node id, host, port and rack of each.
func (w *wire) brokers(seen func(id int32)) {
	w.each(func() {
		id := w.int32()
		w.string()
		w.int32()
		w.string()
		if !w.short {
			seen(id)
		}
	})
}

// registered looks for this node in the brokers of a Metadata answer.
func (k kafka) registered(answer []byte) error {
	w, found := wire{rest: answer}, false
	w.brokers(func(id int32) { found = found || id == int32(k.number) })
	if !found {
		return errors.New("the broker isn't registered yet")
	}
	return nil
}

// lacking counts, in a Metadata answer about all topics, the partitions that have no leader or lack a copy that is in
// sync.
func lacking(answer []byte) (int, error) {
	w, count := wire{rest: answer}, 0
	w.brokers(func(int32) {})
	w.int32() // the controller
	w.each(func() {
		w.int16() // the topic's error
		w.string()
		w.take(1) // internal or not
		w.each(func() {
			w.int16() // the partition's error
			w.int32() // its number
			leader, replicas, inSync := w.int32(), 0, 0
			w.each(func() { w.int32(); replicas++ })
			w.each(func() { w.int32(); inSync++ })
			if leader < 0 || inSync < replicas {
				count++
			}
		})
	})
	if w.short {
		return 0, errors.New("the answer ends too early: not Kafka's")
	}
	return count, nil
}

// Copied returns when every partition of every topic has its leader and all its copies in sync, as all brokers see it:
// then one broker may be lost.
func (c *Cluster) Copied(ctx context.Context) error {
	st, err := readState(c.dir)
	if err != nil {
		return err
	}
	for _, s := range c.servers {
		if s.kind() != Kafka {
			continue
		}
		for {
			missing := 0
			err := probe(ctx, func(conn net.Conn) error {
				answer, err := askMetadata(conn, allTopics)
				if err == nil {
					missing, err = lacking(answer)
				}
				return err
			}, c.site(s, st).address())
			if err == nil && missing == 0 {
				break
			}
			select {
			case <-time.After(100 * time.Millisecond):
			case <-ctx.Done():
				return fmt.Errorf("%s: %d partitions lack copies: %w", s.name(), missing, errors.Join(ctx.Err(), err))
			}
		}
	}
	return nil
}
