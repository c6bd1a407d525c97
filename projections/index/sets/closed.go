package sets

import "github.com/RoaringBitmap/roaring/v2"

// closedUpTo is what is superseded, up to a Sid.
type closedUpTo struct {
	closed *roaring.Bitmap
	upTo   int64
}

// readClosed reads what is superseded.
func readClosed() task {
	return one(wanted{what: wantedClosed}, 0,
		func(v *View) (closedUpTo, bool) {
			closed, err := v.readClosed()
			return closedUpTo{closed, v.Snapshot}, err == nil
		},
		func(p *partition, read closedUpTo) { p.putClosed(read.closed, read.upTo) })
}

// readClosed reads what is superseded at the snapshot, in stretches, so that the memory it takes is bounded.
func (v *View) readClosed() (*roaring.Bitmap, error) {
	closed, g := roaring.New(), v.gather()
	defer g.end()
	for from := v.Origin(); from <= v.Snapshot; from += int64(v.Bounds().Rows) {
		s := v.Statement()
		to := min(from+int64(v.Bounds().Rows)-1, v.Snapshot)
		numbers, err := v.ReadNumbers(s, "select "+s.List("c.sid")+" from "+s.Table("closed")+" c where c.sid >= "+
			s.Arg(from)+" and c.sid <= "+s.Arg(to)+" and c.by_sid <= "+s.Arg(v.Snapshot))
		if err != nil {
			return nil, err
		}
		closed.Or(BitmapOf(numbers))
		g.is(bitmapBytes(closed) + listedBytes*int64(len(numbers)))
	}
	return closed, nil
}

// readLater brings what is superseded from a Sid up to the snapshot, and reads the main dates of the versions
// between; nil where some of them are missing.
func (v *View) readLater(before *roaring.Bitmap, upTo int64) (closed *roaring.Bitmap, mains []int64, err error) {
	s := v.Statement()
	closed = before.Clone()
	sql := "select v.supersedes, v.main from " + s.Table("version") + " v where v.sid > " + s.Arg(upTo) +
		" and v.sid <= " + s.Arg(v.Snapshot) + " order by v.sid"
	err = v.Query(s, sql, func(scan func(...any) error) error {
		var superseded, main int64
		if err := scan(&superseded, &main); err != nil {
			return err
		}
		if superseded != 0 {
			closed.Add(uint32(superseded - v.Origin()))
		}
		mains = append(mains, main)
		return nil
	})
	// not a log without gaps: nothing that is counted by Sid holds
	if err != nil || int64(len(mains)) != v.Snapshot-upTo {
		return nil, nil, err
	}
	return closed, mains, nil
}

// readReopened reads which of those that are superseded up to a Sid were current at the snapshot.
func (v *View) readReopened(upTo int64) (*roaring.Bitmap, error) {
	s := v.Statement()
	numbers, err := v.ReadNumbers(s, "select "+s.List("v.supersedes")+" from "+s.Table("version")+" v where v.sid > "+
		s.Arg(v.Snapshot)+" and v.sid <= "+s.Arg(upTo)+" and v.supersedes <> 0")
	return BitmapOf(numbers), err
}
