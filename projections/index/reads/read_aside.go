package reads

import (
	"context"
	"fmt"
	"time"

	"binnacle/events"
	"binnacle/projections"
	"binnacle/projections/index/rows"
)

// Quarantine returns up to limit quarantined records after a position, in order.
func (r Reads) Quarantine(ctx context.Context, after events.Position, limit int) ([]projections.Quarantined, error) {
	var found []projections.Quarantined
	s := r.statement()
	sql := "select q.data, q.settled from " + s.Table("quarantine") + " q where (q.partition, q.log_offset) > (" +
		s.Arg(int64(after.Partition)) + ", " + s.Arg(after.Offset) + ")" +
		fmt.Sprintf(" order by q.partition, q.log_offset limit %d", max(limit, 0))
	err := r.query(ctx, s, sql, func(scan func(...any) error) error {
		var data, settled []byte
		if err := scan(&data, &settled); err != nil {
			return err
		}
		q, err := rows.DecodeQuarantined(data, settled)
		if err != nil {
			return err
		}
		found = append(found, q)
		return nil
	})
	return found, err
}

// Unsettled counts the quarantined records that nobody has handled, and tells when the oldest was appended.
func (r Reads) Unsettled(ctx context.Context) (count int64, oldest time.Time, err error) {
	s := r.statement()
	var first *int64
	err = r.query(ctx, s, "select count(*), min(q.at) from "+s.Table("quarantine")+" q where q.settled is null",
		func(scan func(...any) error) error {
			return scan(&count, &first)
		})
	if first != nil {
		oldest = time.UnixMicro(*first).UTC()
	}
	return count, oldest, err
}

// Claims returns the claim on each name; the zero Claim where there is none.
func (r Reads) Claims(ctx context.Context, names []projections.ClaimName) ([]projections.Claim, error) {
	found := make([]projections.Claim, len(names))
	if len(names) == 0 {
		return found, nil
	}
	keys, places := make([]string, len(names)), make(map[string][]int, len(names))
	for i, name := range names {
		keys[i] = rows.ClaimKey(name)
		places[keys[i]] = append(places[keys[i]], i)
	}
	s := r.statement()
	condition := s.InTexts(keys)
	if len(keys) == 1 {
		s = r.statement()
		condition = "= " + s.Arg(keys[0])
	}
	err := r.query(ctx, s, "select c.name, c.data from "+s.Table("claim")+" c where c.name "+condition,
		func(scan func(...any) error) error {
			var key string
			var data []byte
			if err := scan(&key, &data); err != nil {
				return err
			}
			for _, at := range places[key] {
				var err error
				if found[at], err = rows.DecodeClaim(names[at], data); err != nil {
					return err
				}
			}
			return nil
		})
	if err != nil {
		return nil, err
	}
	return found, nil
}
