package step

// Sieve reads rows of a key in the order of the main date, four stretches of them at the most, and keeps what is in a
// set. It tells whether the page is full, or nothing lies beyond.
func (x Ask) Sieve(
	t *Intersection, key int64, o Order, phase Phase, resume bool, rows, limit int,
) (page []Match, enough bool, err error) {
	x = x.With(t.Left)
	for range 4 {
		s := x.Statement()
		sql := "select t.sort, (t.ref >> 2) from " + s.Table("term") + " t where t.key = " + s.Arg(key) +
			x.Stretch(s, "t", nil, o, resume) +
			" order by t.sort " + o.Direction() + ", t.ref " + o.Direction() + " limit " + s.Arg(int64(rows))
		read := 0
		var candidates []Candidate
		err := x.Query(s, sql, func(scan func(...any) error) error {
			read++
			err := scan(&x.Last.Main, &x.After.Sid)
			if t.contains(uint32(x.After.Sid - t.First)) {
				candidates = append(candidates, Candidate{Sid: x.After.Sid})
			}
			return err
		})
		if err != nil {
			return nil, false, err
		}
		for len(candidates) > 0 && len(page) < limit {
			some := candidates
			if len(t.Left) == 0 { // nearly all of them are matches
				some = candidates[:min(len(candidates), limit)]
			}
			found, err := x.loadChecked(some)
			if err != nil {
				return nil, false, err
			}
			page, candidates = append(page, found...), candidates[len(some):]
		}
		if enough = len(page) >= limit || read < rows; enough {
			break
		}
		resume = true
	}
	page = page[:min(len(page), limit)]
	for i := range page {
		page[i].Phase = phase
	}
	return page, enough, nil
}
