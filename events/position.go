package events

import (
	"hash/fnv"
	"strconv"
	"strings"
)

// Position is a place in the log, the one ordering and consistency token: "partition:offset". Positions of different
// partitions have no order between them.
type Position struct {
	Partition int32
	Offset    int64
}

func (p Position) String() string {
	return strconv.FormatInt(int64(p.Partition), 10) + ":" + strconv.FormatInt(p.Offset, 10)
}

// ParsePosition reads the form that [Position.String] writes; an error is of kind Invalid.
func ParsePosition(s string) (Position, error) {
	bad := func() (Position, error) {
		return Position{}, Errorf(Invalid, "events.ParsePosition", "%.40q is not a position; write partition:offset, as in 0:42", s)
	}
	left, right, found := strings.Cut(s, ":")
	if !found {
		return bad()
	}
	partition, err := strconv.ParseUint(left, 10, 31)
	if err != nil {
		return bad()
	}
	offset, err := strconv.ParseUint(right, 10, 63)
	if err != nil {
		return bad()
	}
	return Position{Partition: int32(partition), Offset: int64(offset)}, nil
}

// PartitionOf tells the partition of a tenant in a log with that many partitions: FNV-1a of the name, as sarama's hash
// partitioner computes it, so that producers and readers of every driver agree.
func PartitionOf(tenant string, partitions int32) int32 {
	h := fnv.New32a()
	_, _ = h.Write([]byte(tenant))
	p := int32(h.Sum32()) % partitions
	if p < 0 {
		p = -p
	}
	return p
}
