package keys

// Keys have one or both of two places. In the term table a key has a row with the main date: its index gives the
// default order. On the version's row keys stand together, without an order; in Postgres an index of these (GIN)
// finds the versions that have one, in a seventh of the bytes. There a clause has the rows that the index finds, a
// probe of the version's row, and sets in memory, and never a walk.
//
// The keys of references to resources ([Refer]) always stand on the row: from there a statement goes on to the
// resources, because what a key is without the parameter is the key of the resource. In SQLite, which has no such
// index, all keys have their term rows. In Postgres those have none that no order is asked of: references to all but
// patients, because what concerns a patient is read by date, and uris.

// Places tell which keys stand on the rows of versions alone and have no term rows.
type Places interface {
	// RefersOnRow tells it of references to resources of a type.
	RefersOnRow(target string) bool
	// URIsOnRow tells it of uris.
	URIsOnRow() bool
}
