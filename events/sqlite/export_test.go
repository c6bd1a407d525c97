package sqlite

import (
	"context"

	"binnacle/events"
)

// AppendRaw appends a record as it is, for the suite: no event is checked.
func (l *Log) AppendRaw(ctx context.Context, record events.RawRecord) error {
	_, err := l.write(ctx, []row{{key: record.Key, headers: encodeHeaders(record.Headers), value: record.Value,
		named: record.Headers}})
	return err
}
