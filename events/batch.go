package events

import "context"

// Batch gathers records up to the limits of a batch.
type Batch struct {
	Records []RawRecord
	bytes   int
}

// Add takes a record in, or says that it belongs to the next batch. The first is always taken, however large.
func (b *Batch) Add(record RawRecord) bool {
	if len(b.Records) > 0 && (len(b.Records) >= BatchRecords || b.bytes+len(record.Value) > BatchBytes) {
		return false
	}
	b.Records = append(b.Records, record)
	b.bytes += len(record.Value)
	return true
}

// BatchLength tells how many of the records, from the first on, are one batch.
func BatchLength(records []RawRecord) int {
	var bytes, n int
	for n < len(records) && n < BatchRecords {
		bytes += len(records[n].Value)
		if n > 0 && bytes > BatchBytes {
			break
		}
		n++
	}
	return n
}

// ReplaySource is Log.Replay for a log that can be read at any place.
func ReplaySource(ctx context.Context, source Source, from Position, to int64, handle func([]RawRecord) error) error {
	ends, err := source.Ends(ctx)
	if err != nil {
		return err
	}
	if err := CheckReplay(ends, from, to); err != nil {
		return err
	}
	for from.Offset < to {
		if err := ctx.Err(); err != nil {
			return Wrap(Transient, "events.Replay", err, "the replay ended before %s", from)
		}
		records, err := source.Read(ctx, from)
		if err != nil {
			return err
		}
		for i := range records {
			if records[i].Position.Offset >= to {
				records = records[:i]
				break
			}
		}
		if len(records) == 0 {
			return nil
		}
		if err := handle(records); err != nil {
			return err
		}
		from.Offset = records[len(records)-1].Position.Offset + 1
	}
	return nil
}

// CheckReplay compares the range of a replay with the extent of the log. Kind Conflict: the log does not have all of
// it, and a replay that passed over what is missing would tell a false story.
func CheckReplay(ends []End, from Position, to int64) error {
	for _, end := range ends {
		if end.Partition != from.Partition {
			continue
		}
		if from.Offset < to && (from.Offset < end.First || to > end.Next) {
			return Errorf(Conflict, "events.CheckReplay", "offsets [%d,%d) of partition %d are asked for and the log holds [%d,%d): restore the log",
				from.Offset, to, end.Partition, end.First, end.Next)
		}
		return nil
	}
	return Errorf(Conflict, "events.CheckReplay", "the log has no partition %d", from.Partition)
}
