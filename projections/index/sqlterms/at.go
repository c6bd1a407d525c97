package sqlterms

import (
	"context"

	"binnacle/projections"
)

// at says where statements read: in which tables, of which partition, and up to which snapshot. It counts what they have cost.
type at struct {
	ctx context.Context //nolint:containedctx // of one query or one reading; at lives no longer
	db  DB
	Dialect
	partition int64
	snapshot  int64 // a Sid: what was written later is not there
	asked     int   // statements
	rows      int   // that these have answered
}

func (x *at) statement() *statement { return &statement{Dialect: x.Dialect, rows: &x.rows} }

func (x *at) query(s *statement, sql string, row func(scan func(...any) error) error) error {
	x.asked++
	return x.db.Query(x.ctx, sql, s.args, func(scan func(...any) error) error {
		x.rows++
		return row(scan)
	})
}

// number reads one integer; -1 where there is none.
func (x *at) number(s *statement, sql string) (int64, error) {
	n := int64(-1)
	err := x.query(s, sql, func(scan func(...any) error) error { return scan(&n) })
	return n, err
}

// origin is what Sids are counted from in bitmaps.
func (x *at) origin() int64 { return x.partition << projections.SidBits }

// before is the first ref after the snapshot.
func (x *at) before() int64 { return (x.snapshot + 1) << refBits }

// committedNow sets the snapshot to what is committed now.
func (x *at) committedNow() error {
	s := x.statement()
	next := x.origin() + 1
	err := x.query(s, "select p.next_sid from "+s.table("position")+" p where p.partition = "+s.arg(x.partition), func(scan func(...any) error) error { return scan(&next) })
	x.snapshot = next - 1
	return err
}

// readNumbers runs a statement whose rows hold lists of Sids, and counts these from the origin.
func (x *at) readNumbers(s *statement, text string) (numbers []uint32, err error) {
	err = x.query(s, text, func(scan func(...any) error) error {
		list := s.listed()
		if err := scan(list.into()); err != nil {
			return err
		}
		numbers = make([]uint32, 0, list.size())
		list.each(func(sid int64) { numbers = append(numbers, uint32(sid-x.origin())) })
		return nil
	})
	return numbers, err
}
