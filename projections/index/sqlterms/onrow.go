package sqlterms

import (
	"binnacle/events"
	"binnacle/projections"
)

// Keys have one or both of two places. In the term table a key has a row with the main date: its index gives the default order. On the
// version's row keys stand together, without an order; in Postgres an index of these (GIN) finds the versions that have one, in a seventh
// of the bytes. There a clause has the rows that the index finds, a probe of the version's row, and sets in memory, and never a walk.
//
// The keys of references to resources ([refer]) always stand on the row: from there a statement goes on to the resources, because what a key is
// without the parameter is the key of the resource. In SQLite, which has no such index, all keys have their term rows. In Postgres those have
// none that no order is asked of: references to all but patients, because what concerns a patient is read by date, and uris.

// addKeyOn adds a key that stands on the versions' rows alone, or has term rows.
func (a *access) addKeyOn(key int64, onRow bool) {
	if onRow {
		a.onRow = append(a.onRow, key)
	} else {
		a.keys = append(a.keys, key)
	}
}

// withKeys is a table of the Sids, up to a ref, of versions that have one of the keys in an array on their row. It is a function of the
// generation: this alone of all that searches read is read by a bitmap, which the connections of searches are told to avoid.
func (s *statement) withKeys(keys string, before int64) string {
	most := "null"
	if s.most > 0 {
		most = s.arg(int64(s.most))
	}
	return s.table("with_keys") + "(" + keys + ", " + s.arg(snapshotOf(before)) + ", " + most + ")"
}

// keysOf are the rows, as the table named, of the keys on a version row, and their one column.
func (s *statement) keysOf(row, as string) (table, key string) {
	return s.KeysOf(row, as)
}

// keysColumn are the keys on a version row, as a JSON array.
func (s *statement) keysColumn(row string) string {
	return s.KeysColumn(row)
}

// A uri is a key, with an entry in the dictionary of its parameter for :below. One that is longer than an entry may be is a row of texts.

// uri adds what a uri of a version becomes.
func (m *Maker) uri(uri string, param, main, ref int64) {
	dictionary := m.of(param, roleText)
	if len(uri) > projections.OrderBytes {
		m.rows.Texts = append(m.rows.Texts, uriRow(dictionary, uri, ref))
		return
	}
	key := m.value(param, roleText, "", uri)
	if m.where.URIsOnRow() {
		m.keys = append(m.keys, key)
	} else {
		m.rows.Terms = append(m.rows.Terms, TermRow{key, main, ref})
	}
	m.coding(dictionary, uri, "", key)
}

// uriValue adds to an access what answers a uri with its modifier.
func (x *search) uriValue(param int64, modifier projections.Modifier, uri string, a *access) error {
	dictionary := x.of(param, roleText)
	whole := func(uri string) {
		if len(uri) > projections.OrderBytes {
			a.texts = append(a.texts, textScan{key: dictionary, form: textIs, text: uri})
		} else {
			a.addKeyOn(x.value(param, roleText, "", uri), x.URIsOnRow())
		}
	}
	switch modifier {
	case projections.Below:
		below := projections.BelowURI(uri)
		if below != uri {
			whole(uri)
		}
		a.texts = append(a.texts, textScan{key: dictionary, form: textBegins, text: below})
		if len(below) <= projections.OrderBytes {
			a.addWide(wideCode{dictionary: dictionary, begins: below, onRow: x.URIsOnRow()})
		}
	case projections.Above:
		whole(uri)
		separator := byte('/')
		for i := range len(uri) {
			if uri[i] == '|' { // versions, see projections.BelowURI
				separator = '.'
			}
			if uri[i] != separator {
				continue
			}
			whole(uri[:i])
			if i+1 < len(uri) {
				whole(uri[:i+1])
			}
			if len(a.texts)+len(a.keys)+len(a.onRow) > maxSegments {
				return events.Errorf(events.TooCostly, op, "the uri has too many segments for :above; give one with fewer than %d", maxSegments/2)
			}
		}
	default:
		whole(uri)
	}
	return nil
}

// maxSegments is how many uris one value with :above stands for.
const maxSegments = 100
