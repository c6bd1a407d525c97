package events

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"strconv"
	"strings"
)

// Identity tells one log from another of the same name.
type Identity struct {
	Cluster    string // Kafka's cluster id; "" where there is none
	Log        string // given when the log was made: the id of the topic (KIP-516), or a random one
	Partitions int32  // they place the tenants, so a log with another number of them is another one
}

// Identifier is what a log offers beside [Log]: every driver does, a log inside a test may not.
type Identifier interface {
	// Identity asks the log who it is, now.
	Identity(ctx context.Context) (Identity, error)
}

// String is the form that [ParseIdentity] reads: "log/partitions/cluster".
func (i Identity) String() string {
	return i.Log + "/" + strconv.Itoa(int(i.Partitions)) + "/" + i.Cluster
}

// ParseIdentity reads the form that [Identity.String] writes; an error is of kind Invalid.
func ParseIdentity(s string) (Identity, error) {
	parts := strings.SplitN(s, "/", 3)
	if len(parts) == 3 {
		if n, err := strconv.ParseInt(parts[1], 10, 32); err == nil {
			return Identity{Log: parts[0], Partitions: int32(n), Cluster: parts[2]}, nil
		}
	}
	return Identity{}, Errorf(Invalid, "events.ParseIdentity", "%.100q does not name a log", s)
}

// Fingerprint is a SHA-256 over a record's key, headers and value, which tells it from the record that stands at its
// place in another log.
func (r *RawRecord) Fingerprint() (h Hash) {
	digest := sha256.New()
	add := func(b []byte) {
		var length [8]byte
		binary.BigEndian.PutUint64(length[:], uint64(len(b)))
		_, _ = digest.Write(length[:]) // a hash takes everything
		_, _ = digest.Write(b)
	}
	add(r.Key)
	for _, header := range r.Headers {
		add([]byte(header.Key))
		add(header.Value)
	}
	add(r.Value)
	digest.Sum(h[:0])
	return h
}
