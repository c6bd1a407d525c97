package events

import (
	"strconv"
	"strings"
)

// Position is a place in the log, the one ordering and consistency token: "partition:offset". Positions of different partitions
// have no order between them.
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
