package sqlterms

// Keys have one or both of two places. In the term table a key has a row with the main date: its index gives the default order. On the
// version's row keys stand together, without an order; in Postgres an index of these (GIN) finds the versions that have one, in a seventh
// of the bytes. There a clause has the rows that the index finds, a probe of the version's row, and sets in memory, and never a walk.
//
// The keys of references to resources ([refer]) always stand on the row: from there a statement goes on to the resources, because what a key is
// without the parameter is the key of the resource. In SQLite, which has no such index, all keys have their term rows. In Postgres those have
// none that no order is asked of: references to all but patients, because what concerns a patient is read by date, and uris.

// withKeys is a table of the Sids, up to a ref, of versions that have one of the keys in an array on their row. It is a function of the
// generation: this alone of all that searches read is read by a bitmap, which the connections of searches are told to avoid.
func (s *statement) withKeys(wanted string, before int64) string {
	most := "null"
	if s.most > 0 {
		most = s.arg(int64(s.most))
	}
	return s.table("with_keys") + "(" + wanted + ", " + s.arg(snapshotOf(before)) + ", " + most + ")"
}

// keysOf are the rows, as the table named, of the keys on a version row, and their one column.
func (s *statement) keysOf(row, as string) (table, key string) {
	return s.KeysOf(row, as)
}

// keysColumn are the keys on a version row, as a JSON array.
func (s *statement) keysColumn(row string) string {
	return s.KeysColumn(row)
}
