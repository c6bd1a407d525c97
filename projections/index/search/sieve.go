package search

// sieve reads rows of a key in the order of the main date, four stretches of them at the most, and keeps what is in a set. It tells whether
// the page is full, or nothing lies beyond.
func (x ask) sieve(t *intersection, key int64, o order, phase phase, resume bool, rows, limit int) (page []match, enough bool, err error) {
	x = x.with(t.left)
	for range 4 {
		s := x.Statement()
		sql := "select t.sort, (t.ref >> 2) from " + s.Table("term") + " t where t.key = " + s.Arg(key) + x.stretch(s, "t", nil, o, resume) +
			" order by t.sort " + o.direction() + ", t.ref " + o.direction() + " limit " + s.Arg(int64(rows))
		read := 0
		var candidates []candidate
		err := x.Query(s, sql, func(scan func(...any) error) error {
			read++
			err := scan(&x.last.main, &x.after.sid)
			if t.contains(uint32(x.after.sid - t.first)) {
				candidates = append(candidates, candidate{sid: x.after.sid})
			}
			return err
		})
		if err != nil {
			return nil, false, err
		}
		for len(candidates) > 0 && len(page) < limit {
			some := candidates
			if len(t.left) == 0 { // nearly all of them are matches
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
		page[i].phase = phase
	}
	return page, enough, nil
}
