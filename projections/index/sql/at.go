package sql

import (
	"context"

	"binnacle/projections"
	"binnacle/projections/index/keys"
)

// At says where statements read: in which tables, of which partition, and up to which snapshot. It counts what they
// have cost.
type At struct {
	Ctx context.Context //nolint:containedctx // of one query or one reading; the At lives no longer
	DB  DB
	Dialect
	Partition int64
	Snapshot  int64 // a Sid: what was written later is not there
	Asked     int   // statements
	Rows      int   // that these have answered
}

func (x *At) Statement() *Statement { return &Statement{Dialect: x.Dialect, rows: &x.Rows} }

func (x *At) Query(s *Statement, sql string, row func(scan func(...any) error) error) error {
	x.Asked++
	return x.DB.Query(x.Ctx, sql, s.Args, func(scan func(...any) error) error {
		x.Rows++
		return row(scan)
	})
}

// Number reads one integer; -1 where there is none.
func (x *At) Number(s *Statement, sql string) (int64, error) {
	n := int64(-1)
	err := x.Query(s, sql, func(scan func(...any) error) error { return scan(&n) })
	return n, err
}

// Origin is what Sids are counted from in bitmaps.
func (x *At) Origin() int64 { return x.Partition << projections.SidBits }

// Before is the first ref after the snapshot.
func (x *At) Before() int64 { return (x.Snapshot + 1) << keys.RefBits }

// CommittedNow sets the snapshot to what is committed now.
func (x *At) CommittedNow() error {
	s := x.Statement()
	next := x.Origin() + 1
	err := x.Query(s, "select p.next_sid from "+s.Table("position")+" p where p.partition = "+s.Arg(x.Partition),
		func(scan func(...any) error) error { return scan(&next) })
	x.Snapshot = next - 1
	return err
}

// ReadNumbers runs a statement whose rows hold lists of Sids, and counts these from the origin.
func (x *At) ReadNumbers(s *Statement, text string) (numbers []uint32, err error) {
	err = x.Query(s, text, func(scan func(...any) error) error {
		list := s.Listed()
		if err := scan(list.Into()); err != nil {
			return err
		}
		numbers = make([]uint32, 0, list.Size())
		list.Each(func(sid int64) { numbers = append(numbers, uint32(sid-x.Origin())) })
		return nil
	})
	return numbers, err
}
