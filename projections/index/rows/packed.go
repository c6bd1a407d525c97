package rows

import (
	"encoding/binary"

	"binnacle/events"
)

// PackCoding appends an entry of a dictionary.
func PackCoding(packed []byte, c *CodingRow) []byte {
	packed = binary.LittleEndian.AppendUint64(packed, uint64(c.Param))
	packed = binary.LittleEndian.AppendUint64(packed, uint64(c.Key))
	packed = append(binary.AppendUvarint(packed, uint64(len(c.Code))), c.Code...)
	return append(binary.AppendUvarint(packed, uint64(len(c.System))), c.System...)
}

// UnpackCodings appends the entries that PackCoding has packed.
func UnpackCodings(list []CodingRow, packed []byte) ([]CodingRow, error) {
	text := func() (text string, fits bool) {
		length, n := binary.Uvarint(packed)
		if n <= 0 || length > uint64(len(packed)-n) {
			return "", false
		}
		text, packed = string(packed[n:n+int(length)]), packed[n+int(length):]
		return text, true
	}
	for len(packed) > 0 {
		fits := len(packed) > 16
		if fits {
			c := CodingRow{Param: int64(binary.LittleEndian.Uint64(packed)),
				Key: int64(binary.LittleEndian.Uint64(packed[8:]))}
			packed = packed[16:]
			if c.Code, fits = text(); fits {
				c.System, fits = text()
			}
			list = append(list, c)
		}
		if !fits {
			return nil, events.Errorf(events.Internal, "index.Finish", "what was put aside while building can't be "+
				"read; run binnacle rebuild --drop-building, and then binnacle rebuild")
		}
	}
	return list, nil
}
