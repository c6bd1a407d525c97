package servers

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
)

// The little of Cassandra's binary protocol, version 4, that tells whether a node is ready (native_protocol_v4.spec,
// sections 2 and 4).
const (
	cqlVersion   = 4
	cqlStartup   = 0x01
	cqlReady     = 0x02
	cqlOptions   = 0x05
	cqlSupported = 0x06
	cqlQuery     = 0x07
	cqlResult    = 0x08
)

var errCQL = errors.New("the answer is not what Cassandra's protocol has")

// cqlCall sends one frame and returns the body of the answer, which must have an opcode.
func cqlCall(conn net.Conn, opcode byte, body []byte, want byte) ([]byte, error) {
	frame := binary.BigEndian.AppendUint32([]byte{cqlVersion, 0, 0, 0, opcode}, uint32(len(body)))
	if _, err := conn.Write(append(frame, body...)); err != nil {
		return nil, err
	}
	var header [9]byte
	if _, err := io.ReadFull(conn, header[:]); err != nil {
		return nil, err
	}
	size := binary.BigEndian.Uint32(header[5:])
	if header[0] != 0x80|cqlVersion || size > 1<<20 {
		return nil, errCQL
	}
	answer := make([]byte, size)
	if _, err := io.ReadFull(conn, answer); err != nil {
		return nil, err
	}
	if header[4] != want {
		return nil, fmt.Errorf("opcode %#x in place of %#x: %.200q", header[4], want, answer)
	}
	return answer, nil
}

// cqlColumn asks a query that selects one column of a simple type, and returns the values of its one page.
func cqlColumn(conn net.Conn, query string) ([][]byte, error) {
	const one, rows, globalTable = 0x0001, 0x0002, 0x0001
	body := append(binary.BigEndian.AppendUint32(nil, uint32(len(query))), query...)
	answer, err := cqlCall(conn, cqlQuery, append(body, 0, one, 0), cqlResult)
	if err != nil {
		return nil, err
	}
	r := cqlReader{rest: answer}
	kind, flags, columns := r.number(4), r.number(4), r.number(4)
	if r.failed || kind != rows || columns != 1 || flags&^globalTable != 0 {
		return nil, errCQL
	}
	for range 3 { // keyspace, table and column
		r.take(r.number(2))
	}
	r.take(2) // the type
	count := r.number(4)
	var values [][]byte
	for range count {
		values = append(values, r.take(r.number(4)))
		if r.failed {
			break
		}
	}
	if r.failed {
		return nil, errCQL
	}
	return values, nil
}

// cqlReader takes parts of a body; what isn't there makes it fail.
type cqlReader struct {
	rest   []byte
	failed bool
}

func (r *cqlReader) take(n int) []byte {
	if n < 0 || n > len(r.rest) {
		r.failed, r.rest = true, nil
		return nil
	}
	taken := r.rest[:n]
	r.rest = r.rest[n:]
	return taken
}

// number reads a big-endian integer of so many bytes; a negative length, of a value that is null, becomes a large one,
// which take refuses.
func (r *cqlReader) number(size int) (value int) {
	for _, b := range r.take(size) {
		value = value<<8 | int(b)
	}
	return value
}
