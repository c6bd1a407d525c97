package servers

import (
	"encoding/binary"
	"net"
	"slices"
	"testing"
)

func TestAnImpossibleShapeIsRefused(t *testing.T) {
	for _, shape := range []Shape{{Kafka: -1}, {Postgres: 2}, {Cassandra: 10}} {
		if _, err := OpenShape(t.TempDir(), shape); err == nil {
			t.Errorf("%+v was taken", shape)
		}
	}
}

func TestABrokerFindsItselfAmongTheBrokers(t *testing.T) {
	answer := binary.BigEndian.AppendUint32(nil, 2)
	for _, id := range []uint32{1, 3} {
		answer = append(binary.BigEndian.AppendUint32(answer, id), "\x00\x09127.0.0.1\x00\x00\x10\x00\xff\xff"...)
	}
	for id, registered := range map[int]bool{1: true, 2: false, 3: true} {
		if err := (kafka{member{number: id}}).registered(answer); (err == nil) != registered {
			t.Errorf("broker %d: %v, want it registered: %v", id, err, registered)
		}
	}
	if err := (kafka{member{number: 3}}).registered(answer[:15]); err == nil {
		t.Error("half an answer tells that the broker is registered")
	}
}

func TestPartitionsThatLackACopyAreCounted(t *testing.T) {
	number := func(values ...int32) (b []byte) {
		for _, v := range values {
			b = binary.BigEndian.AppendUint32(b, uint32(v))
		}
		return b
	}
	partition := func(index, leader int32, inSync ...int32) []byte {
		b := append([]byte{0, 0}, number(index, leader, 3, 1, 2, 3, int32(len(inSync)))...)
		return append(b, number(inSync...)...)
	}
	answer := slices.Concat(number(1, 1), []byte("\x00\x09127.0.0.1\x00\x00\x10\x00\xff\xff"), number(1 /* controller */, 2 /* topics */),
		[]byte("\x00\x00\x00\x03log\x00"), number(2), partition(0, 1, 1, 2, 3), partition(1, 2, 2, 3),
		[]byte("\x00\x00\x00\x04feed\x00"), number(1), partition(0, -1, 1, 2, 3))
	if got, err := lacking(answer); err != nil || got != 2 {
		t.Errorf("got %d, %v; want 2: one lacks a copy, one its leader", got, err)
	}
	for cut := range answer {
		if got, err := lacking(answer[:cut]); err == nil {
			t.Errorf("the first %d of %d bytes tell of %d partitions", cut, len(answer), got)
		}
	}
}

// FuzzTheAnswerOfACassandraNode holds that no bytes make the reader fail or take what isn't there.
func FuzzTheAnswerOfACassandraNode(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x02\x00\x00\x00\x01\x00\x00\x00\x01\x00\x06system\x00\x05local\x00\x01v\x00\x0c\x00\x00\x00\x01\x00\x00\x00\x02ab"))
	f.Add([]byte{0, 0, 0, 2})
	f.Fuzz(func(t *testing.T, body []byte) {
		ours, theirs := net.Pipe()
		defer ours.Close()
		go func() {
			defer theirs.Close()
			request := make([]byte, 64)
			if _, err := theirs.Read(request); err != nil {
				return
			}
			frame := binary.BigEndian.AppendUint32([]byte{0x80 | cqlVersion, 0, 0, 0, cqlResult}, uint32(len(body)))
			_, _ = theirs.Write(append(frame, body...)) // the reader may have given up
		}()
		values, err := cqlColumn(ours, "q")
		total := 0
		for _, value := range values {
			total += len(value)
		}
		if err == nil && total > len(body) {
			t.Errorf("%d bytes of values from %d bytes", total, len(body))
		}
	})
}
