package sql

import "binnacle/projections/index/keys"

// WithKeys is a table of the Sids, up to a ref, of versions that have one of the keys in an array on their row. It is
// a function of the generation: this alone of all that searches read is read by a bitmap, which the connections of
// searches are told to avoid.
func (s *Statement) WithKeys(wanted string, before int64) string {
	most := "null"
	if s.Most > 0 {
		most = s.Arg(int64(s.Most))
	}
	return s.Table("with_keys") + "(" + wanted + ", " + s.Arg(keys.SnapshotOf(before)) + ", " + most + ")"
}

// KeysOf are the rows, as the table named, of the keys on a version row, and their one column.
func (s *Statement) KeysOf(row, as string) (table, key string) {
	return s.Dialect.KeysOf(row, as)
}

// KeysColumn are the keys on a version row, as a JSON array.
func (s *Statement) KeysColumn(row string) string {
	return s.Dialect.KeysColumn(row)
}
