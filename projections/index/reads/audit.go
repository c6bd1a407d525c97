package reads

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"slices"

	"binnacle/events"
	"binnacle/projections"
	"binnacle/projections/index/keys"
	"binnacle/projections/index/rows"
	"binnacle/projections/index/sql"
)

// scanWindow is how many versions a Scan holds the rows of. The term table has no order by version, so each window
// reads all of it; a window needs about 40 MB.
const scanWindow = 1 << 17

// Scan calls visit with the versions of a partition in the order of their Sids, each with the digest of its rows.
func (r Reads) Scan(ctx context.Context, partition int32, visit func(v projections.Version,
	terms events.Hash) error) error {
	ledgers, err := r.ledgers(ctx)
	if err != nil {
		return err
	}
	state, err := r.State(ctx, partition)
	if err != nil {
		return err
	}
	for first := int64(partition)<<projections.SidBits + 1; first < state.NextSid; first += scanWindow {
		w := window{first: first, end: min(first+scanWindow, state.NextSid)}
		if err := r.read(ctx, &w); err != nil {
			return err
		}
		for i := range w.versions {
			v := &w.versions[i]
			name, known := ledgers[v.Ledger]
			if !known {
				return events.Errorf(events.Internal, "index.Scan",
					"version %d is of a type that the index has no name for; rebuild the index", v.Sid)
			}
			v.Tenant, v.Type = name.Tenant, name.Type
			digest := w.digest(v)
			if w.swept[v.Sid] {
				digest = events.Hash{}
			}
			if err := visit(v.Version, digest); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r Reads) ledgers(ctx context.Context) (map[int64]rows.LedgerRow, error) {
	found := map[int64]rows.LedgerRow{}
	s := r.statement()
	err := r.query(ctx, s, "select l.key, l.tenant, l.type from "+s.Table("ledger")+" l",
		func(scan func(...any) error) error {
			var l rows.LedgerRow
			if err := scan(&l.Key, &l.Tenant, &l.Type); err != nil {
				return err
			}
			found[l.Key] = l
			return nil
		})
	return found, err
}

// window holds the rows of the versions with Sids in [first,end), in the order of their Sids.
type window struct {
	first, end int64
	versions   []rows.VersionRow
	terms      []rows.TermRow
	spans      []rows.SpanRow
	texts      []rows.TextRow
	swept      map[int64]bool // versions that were superseded before the horizon
	buffer     []byte
}

func (r Reads) read(ctx context.Context, w *window) error {
	s := r.statement()
	query := "select " + rows.StoredColumns + ", v.ledger, v.main, v.shape, v.supersedes, v.resource, " +
		s.KeysColumn("v") + " from " + s.Table("version") + " v where v.sid >= " + s.Arg(w.first) + " and v.sid < " +
		s.Arg(w.end) + " order by v.sid"
	err := r.query(ctx, s, query, func(scan func(...any) error) error {
		var m rows.Stored
		var v rows.VersionRow
		var keys []byte
		if err := scan(append(m.Fields(), &v.Ledger, &v.Main, &v.Shape, &v.Supersedes, &v.Resource,
			&keys)...); err != nil {
			return err
		}
		if len(keys) > 0 {
			if err := json.Unmarshal(keys, &v.Keys); err != nil {
				return events.Wrap(events.Internal, "index.Scan", err,
					"the keys of version %d cannot be read; rebuild the index", m.Sid)
			}
		}
		v.Version = m.Version("", "")
		w.versions = append(w.versions, v)
		return nil
	})
	if err != nil {
		return err
	}
	within := func(s *sql.Statement) string {
		return " t where t.ref >= " + s.Arg(w.first<<keys.RefBits) + " and t.ref < " + s.Arg(w.end<<keys.RefBits)
	}
	s = r.statement()
	err = r.query(ctx, s, "select t.key, t.sort, t.ref from "+s.Table("term")+within(s),
		func(scan func(...any) error) error {
			var t rows.TermRow
			if err := scan(&t.Key, &t.Sort, &t.Ref); err != nil {
				return err
			}
			w.terms = append(w.terms, t)
			return nil
		})
	if err != nil {
		return err
	}
	s = r.statement()
	err = r.query(ctx, s, "select t.key, t.low, t.high, t.ref from "+s.Table("span")+within(s),
		func(scan func(...any) error) error {
			var t rows.SpanRow
			if err := scan(&t.Key, &t.Low, &t.High, &t.Ref); err != nil {
				return err
			}
			w.spans = append(w.spans, t)
			return nil
		})
	if err != nil {
		return err
	}
	s = r.statement()
	err = r.query(ctx, s, "select t.key, t.head, t.rest, t.raw, t.ref from "+s.Table("text")+within(s),
		func(scan func(...any) error) error {
			var t rows.TextRow
			if err := scan(&t.Key, &t.Head, &t.Rest, &t.Raw, &t.Ref); err != nil {
				return err
			}
			w.texts = append(w.texts, t)
			return nil
		})
	if err != nil {
		return err
	}
	w.sort()
	w.swept = map[int64]bool{} // read last: the horizon moves before rows disappear
	s = r.statement()
	return r.query(ctx, s, "select c.sid from "+s.Table("closed")+" c cross join "+s.Table("position")+
		" p where c.sid >= "+s.Arg(w.first)+" and c.sid < "+s.Arg(w.end)+
		fmt.Sprintf(" and p.partition = (c.by_sid >> %d) and c.by_sid <= p.horizon", projections.SidBits),
		func(scan func(...any) error) error {
			sid := int64(0)
			err := scan(&sid)
			w.swept[sid] = true
			return err
		})
}

// sort puts the rows in the order in which digest takes them off.
func (w *window) sort() {
	slices.SortFunc(w.terms, func(a, b rows.TermRow) int {
		if a.Ref>>keys.RefBits != b.Ref>>keys.RefBits {
			return int(a.Ref>>keys.RefBits - b.Ref>>keys.RefBits)
		}
		return rows.CompareTerms(a, b)
	})
	slices.SortFunc(w.spans, rows.CompareSpans)
	slices.SortFunc(w.texts, rows.CompareTexts)
}

// Digests returns what Scan would tell of versions of one partition, ascending by Sid, from the rows of tables that a
// commit makes of them.
func Digests(places keys.Places, versions []projections.Row) []events.Hash {
	made := rows.NewMaker(places).Rows(versions)
	w := window{terms: made.Terms, spans: made.Spans, texts: made.Texts}
	w.sort()
	digests := make([]events.Hash, len(versions))
	for i := range made.Versions {
		digests[i] = w.digest(&made.Versions[i])
	}
	return digests
}

// digest takes the rows of the next version off the window.
func (w *window) digest(v *rows.VersionRow) events.Hash {
	b := w.buffer[:0]
	number := func(numbers ...int64) {
		for _, n := range numbers {
			b = binary.LittleEndian.AppendUint64(b, uint64(n))
		}
	}
	text := func(texts ...[]byte) {
		for _, t := range texts {
			b = append(binary.LittleEndian.AppendUint64(b, uint64(len(t))), t...)
		}
	}
	number(v.Ledger, v.Main, v.Shape, v.Supersedes, v.Resource)
	for len(w.terms) > 0 && w.terms[0].Ref>>keys.RefBits <= v.Sid {
		b = append(b, 't')
		number(w.terms[0].Key, w.terms[0].Sort, w.terms[0].Ref)
		w.terms = w.terms[1:]
	}
	for _, key := range v.Keys {
		b = append(b, 'l')
		number(key)
	}
	for len(w.spans) > 0 && w.spans[0].Ref>>keys.RefBits <= v.Sid {
		b = append(b, 's')
		number(w.spans[0].Key, w.spans[0].Low, w.spans[0].High, w.spans[0].Ref)
		w.spans = w.spans[1:]
	}
	for len(w.texts) > 0 && w.texts[0].Ref>>keys.RefBits <= v.Sid {
		b = append(b, 'x')
		number(w.texts[0].Key, w.texts[0].Ref)
		text(w.texts[0].Head, w.texts[0].Rest, w.texts[0].Raw)
		w.texts = w.texts[1:]
	}
	w.buffer = b
	return sha256.Sum256(b)
}

// Sizes counts rows; the bytes on disk are the driver's to add.
func (r Reads) Sizes(ctx context.Context) (projections.Sizes, error) {
	var z projections.Sizes
	s := r.statement()
	count := func(table string) string { return "(select count(*) from " + s.Table(table) + ")" }
	sql := "select " + count("version") + ", (select coalesce(sum(n.living), 0) from " + s.Table("counter") +
		" n), " + count("term") + " + " + count("span") + " + " + count("text") + ", " + count("quarantine")
	err := r.query(ctx, s, sql, func(scan func(...any) error) error {
		return scan(&z.Versions, &z.Resources, &z.Terms, &z.Quarantined)
	})
	return z, err
}
