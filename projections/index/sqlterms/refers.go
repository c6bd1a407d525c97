package sqlterms

// A reference to a resource is a key ([refer]) in one or two places. All of a version's stand together on its row: from there a statement
// goes on to the resources, because the key without the parameter is that of the resource. To go the other way, from a resource to what
// refers to it, SQLite has a term row for each, like every other term. Postgres has that for references to patients alone: of these there are many, and they are
// read by date. The others are few for each resource, or used to narrow, and an index of the keys on the version rows (GIN) finds them: it has
// no order and needs a seventh of the bytes.

// onRow tells whether references to a type have no term rows.
func onRow(postgres bool, target string) bool { return postgres && target != "Patient" }

// onRow tells whether references to a type have no term rows.
func (d Dialect) onRow(target string) bool { return onRow(d.Postgres, target) }

// addReference adds the key of a reference.
func (a *access) addReference(key int64, onRow bool) {
	if onRow {
		a.refers = append(a.refers, key)
	} else {
		a.keys = append(a.keys, key)
	}
}

// referring is a table of the Sids, up to a ref, of versions that have one of the references in an array on their row. It is a function of the generation,
// because only this of all that searches read is read by a bitmap; see the settings of the driver.
func (s *statement) referring(keys string, before int64) string {
	most := "null"
	if s.most > 0 {
		most = s.arg(int64(s.most))
	}
	return s.table("referring") + "(" + keys + ", " + s.arg(snapshotOf(before)) + ", " + most + ")"
}

// references are the rows, as the table named, of the references on a version row, and their one column. The rows of SQLite hold them as a
// JSON array.
func (s *statement) references(row, as string) (table, key string) {
	if s.Postgres {
		return "unnest(" + row + ".refers) " + as + "(key)", as + ".key"
	}
	return "json_each(" + row + ".refers) " + as, as + ".value"
}

// referencesColumn are the references on a version row, as a JSON array.
func (s *statement) referencesColumn(row string) string {
	if s.Postgres {
		return "to_json(" + row + ".refers)::text::bytea"
	}
	return row + ".refers"
}

// ReferencesText is the written form of a version's references for SQLite; nil when there are none.
func ReferencesText(keys []int64) any {
	if len(keys) == 0 {
		return nil
	}
	return jsonOf(keys)
}
