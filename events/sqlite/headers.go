package sqlite

import (
	"encoding/binary"
	"errors"

	"binnacle/events"
)

// The form of a record's headers in their column: for each header its name and its value, each as a varint of 0 for nil
// or length + 1, and the bytes. The form is stored: it never changes.

func encodeHeaders(headers []events.Header) []byte {
	if len(headers) == 0 {
		return nil
	}
	size := 0
	for _, header := range headers {
		size += 2*binary.MaxVarintLen32 + len(header.Key) + len(header.Value)
	}
	stored := make([]byte, 0, size)
	for _, header := range headers {
		stored = binary.AppendUvarint(stored, uint64(len(header.Key))+1)
		stored = append(stored, header.Key...)
		if header.Value == nil {
			stored = append(stored, 0)
			continue
		}
		stored = binary.AppendUvarint(stored, uint64(len(header.Value))+1)
		stored = append(stored, header.Value...)
	}
	return stored
}

// decodeHeaders gives views into stored.
func decodeHeaders(stored []byte) ([]events.Header, error) {
	var headers []events.Header
	if len(stored) > 0 {
		headers = make([]events.Header, 0, 7)
	}
	for len(stored) > 0 {
		name, rest, err := cutBytes(stored)
		if err != nil {
			return nil, err
		}
		value, rest, err := cutBytes(rest)
		if err != nil {
			return nil, err
		}
		headers = append(headers, events.Header{Key: string(name), Value: value})
		stored = rest
	}
	return headers, nil
}

func cutBytes(stored []byte) (cut, rest []byte, err error) {
	length, width := binary.Uvarint(stored)
	if width <= 0 || length > uint64(len(stored)-width)+1 {
		return nil, nil, errors.New("a header is cut short")
	}
	rest = stored[width:]
	if length == 0 {
		return nil, rest, nil
	}
	length--
	return rest[:length:length], rest[length:], nil
}
