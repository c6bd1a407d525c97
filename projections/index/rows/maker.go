package rows

import (
	"cmp"
	"slices"
	"strings"

	"binnacle/projections"
	"binnacle/projections/index/keys"
)

// Maker turns versions with their terms into rows. It remembers what it has put into the dictionaries: call Committed
// when the rows are in the index, Forget when they are not. It is not safe for concurrent use.
type Maker struct {
	keys.Hasher
	where   keys.Places
	rows    Rows
	known   map[int64]struct{} // hashes of dictionary rows that the index has
	fresh   []int64            // and of those that the rows bring
	params  map[paramName]int64
	tenant  string // of the version that is being added
	sorted  []projections.Term
	places  []int32
	present []string
	keys    []int64 // of all versions; see VersionRow.Keys
	spend   bool    // see Spending
}

type paramName struct {
	ledger int64
	code   string
}

// knownBound bounds the memory of Maker.known: about 40 bytes each.
const knownBound = 200_000

// NewMaker returns a Maker that knows nothing of the dictionaries, of rows where keys stand in places.
func NewMaker(places keys.Places) *Maker {
	return &Maker{where: places, known: map[int64]struct{}{}, params: map[paramName]int64{}}
}

// Committed remembers that the dictionary rows of the last Rows are in the index.
func (m *Maker) Committed() {
	if len(m.known) > knownBound {
		clear(m.known)
	}
	for _, k := range m.fresh {
		m.known[k] = struct{}{}
	}
	m.fresh = m.fresh[:0]
}

// Forget drops what the last Rows would have brought.
func (m *Maker) Forget() { m.fresh = m.fresh[:0] }

// Rows makes the rows of versions in log order.
func (m *Maker) Rows(versions []projections.Row) *Rows {
	r := m.Unsorted(versions)
	slices.SortFunc(r.Terms, CompareTerms)
	r.Terms = slices.Compact(r.Terms)
	return r
}

// Spending has the terms of the versions of the next commit dropped as their rows are made, or not.
func (m *Maker) Spending(spend bool) { m.spend = spend }

// Trim gives back the memory of the last Rows, which are not to be used afterwards, when they were very many.
func (m *Maker) Trim() {
	if cap(m.rows.Versions) > trimmed {
		m.rows, m.keys = Rows{}, nil
	}
}

// trimmed is how many versions have rows that are kept for the next ones.
const trimmed = 10_000

// Unsorted is Rows for who sorts the rows of terms later: they come in no order, and some of them twice.
func (m *Maker) Unsorted(versions []projections.Row) *Rows {
	r := &m.rows
	r.Versions, r.Closed, r.Terms, r.Spans, r.Texts = r.Versions[:0], r.Closed[:0], r.Terms[:0], r.Spans[:0],
		r.Texts[:0]
	m.keys = m.keys[:0]
	r.Ledgers, r.Codings, r.Shapes, r.Counts = r.Ledgers[:0], r.Codings[:0], r.Shapes[:0], r.Counts[:0]
	m.fresh = m.fresh[:0]
	if len(versions) > trimmed {
		r.Versions = slices.Grow(r.Versions, len(versions))
	}
	counts := map[int64]int64{}
	for i := range versions {
		v := &versions[i]
		if partition := int32(v.Sid >> projections.SidBits); v.Sid == keys.FirstSid(partition) {
			m.coding(m.Of(v.Sid, keys.RoleMarked), "", "", 0)
		}
		ledger := m.LedgerOf(v.Tenant, v.Type)
		if m.unseen(ledger) {
			r.Ledgers = append(r.Ledgers, LedgerRow{ledger, v.Tenant, v.Type})
		}
		row := VersionRow{Version: v.Version, Ledger: ledger, Main: v.MainDate, Supersedes: v.Supersedes,
			Resource: m.Resource(ledger, v.ID)}
		if v.Supersedes != 0 {
			r.Closed = append(r.Closed, ClosedRow{v.Supersedes, v.Sid})
			if !v.Revives { // else it was not counted
				counts[ledger]--
			}
		}
		if !v.Deleted {
			counts[ledger]++
			row.Shape = m.version(v, &row)
		} else {
			row.Main = projections.MinTime
		}
		r.Versions = append(r.Versions, row)
		if m.spend {
			v.Terms = nil
		}
	}
	for ledger, by := range counts {
		if by != 0 {
			r.Counts = append(r.Counts, CountRow{ledger, by})
		}
	}
	slices.SortFunc(r.Counts, func(a, b CountRow) int { return cmp.Compare(a.Ledger, b.Ledger) })
	slices.SortFunc(r.Spans, CompareSpans)
	r.Spans = slices.Compact(r.Spans)
	slices.SortFunc(r.Texts, CompareTexts)
	r.Texts = slices.CompactFunc(r.Texts, func(a, b TextRow) bool { return CompareTexts(a, b) == 0 })
	// One order of dictionary rows for all writers: two of them never wait for each other in a circle.
	slices.SortFunc(r.Ledgers, func(a, b LedgerRow) int { return cmp.Compare(a.Key, b.Key) })
	slices.SortFunc(r.Shapes, func(a, b ShapeRow) int { return cmp.Compare(a.Key, b.Key) })
	slices.SortFunc(r.Codings, CompareCodings)
	return r
}

// unseen tells whether a dictionary row with this hash is new to the maker, and notes that the rows bring it.
func (m *Maker) unseen(hash int64) bool {
	if _, seen := m.known[hash]; seen {
		return false
	}
	if slices.Contains(m.fresh[max(0, len(m.fresh)-16):], hash) { // the likely repeats; others are harmless
		return false
	}
	m.fresh = append(m.fresh, hash)
	return true
}

func (m *Maker) paramKey(ledger int64, code string) int64 {
	name := paramName{ledger, code}
	key, known := m.params[name]
	if !known {
		if len(m.params) > knownBound {
			clear(m.params)
		}
		key = m.Param(ledger, code)
		m.params[paramName{ledger, strings.Clone(code)}] = key
	}
	return key
}

// version adds the rows of one version and returns the key of its shape.
func (m *Maker) version(v *projections.Row, row *VersionRow) int64 {
	r := &m.rows
	ledger, ref := row.Ledger, v.Sid<<keys.RefBits
	m.tenant = v.Tenant
	r.Terms = append(r.Terms, TermRow{ledger, v.MainDate, ref})
	firstKey := len(m.keys)
	m.sort(v.Terms)
	m.present = m.present[:0]
	for first := 0; first < len(m.sorted); {
		end := first + 1
		for end < len(m.sorted) && m.sorted[end].Param == m.sorted[first].Param &&
			m.sorted[end].Kind == m.sorted[first].Kind {
			end++
		}
		code := m.sorted[first].Param
		switch known := len(m.present) > 0 && m.present[len(m.present)-1] == code; {
		case known:
		case m.sorted[first].Kind == projections.Special: // behind the other kinds of its parameter
			m.present = append(m.present, withoutValue+code)
		default:
			m.present = append(m.present, code)
			m.inside(ledger, code)
		}
		m.values(m.sorted[first:end], m.paramKey(ledger, code), v.MainDate, ref)
		first = end
	}
	if len(m.keys) > firstKey {
		row.Keys = m.keys[firstKey:len(m.keys):len(m.keys)]
		slices.Sort(row.Keys)
		row.Keys = slices.Compact(row.Keys)
	}
	shape := m.shape(ledger)
	r.Terms = append(r.Terms, TermRow{shape, v.MainDate, ref})
	return shape
}

// sort puts terms in the order of parameter and kind, and else leaves them as they came. Terms are large: their
// places are sorted, and each is copied once.
func (m *Maker) sort(terms []projections.Term) {
	m.places = m.places[:0]
	for i := range terms {
		m.places = append(m.places, int32(i))
	}
	slices.SortStableFunc(m.places, func(i, j int32) int {
		a, b := &terms[i], &terms[j]
		if c := strings.Compare(a.Param, b.Param); c != 0 {
			return c
		}
		return cmp.Compare(a.Kind, b.Kind)
	})
	m.sorted = m.sorted[:0]
	for _, i := range m.places {
		m.sorted = append(m.sorted, terms[i])
	}
}

// values adds the rows of the terms of one parameter of one version. Terms that another parameter has, too, are kept
// under that one (see keys.Hasher.Kept). Of a reference that may hold for some terms alone; the dictionary then tells
// the types that these point to.
func (m *Maker) values(terms []projections.Term, param, main, ref int64) {
	if terms[0].Shared && terms[0].Kind != projections.Reference {
		return
	}
	switch terms[0].Kind {
	case projections.Token:
		m.tokens(terms, param, main, ref)
	case projections.Reference:
		for i := range terms {
			m.reference(&terms[i], param, main, ref)
		}
	case projections.String:
		m.strings(terms, param, ref)
	case projections.URI:
		for i := range terms {
			m.uri(terms[i].Text, param, main, ref)
		}
	case projections.Date:
		m.dates(terms, param, main, ref)
	case projections.Number:
		for i := range terms {
			m.number(param, &terms[i], ref)
		}
	case projections.Quantity:
		for i := range terms {
			unit := m.unitOf(param, &terms[i])
			m.quantity(param, unit, unit, &terms[i], ref)
		}
	case projections.Composite:
		for i := range terms {
			m.composite(&terms[i], param, i, main, ref)
		}
	}
}

func (m *Maker) coding(dictionary int64, code, system string, key int64) {
	if m.unseen(m.Begin().Key(dictionary).Text(code).Text(system).Key(key).Sum()) {
		m.rows.Codings = append(m.rows.Codings, CodingRow{dictionary, projections.OrderCode(code),
			projections.OrderCode(system), key})
	}
}

func compareTokens(a, b *projections.Term) int {
	if len(a.Code)|len(b.Code)|len(a.System)|len(b.System) <= projections.OrderBytes {
		return cmp.Or(strings.Compare(a.Code, b.Code), strings.Compare(a.System, b.System))
	}
	return cmp.Or(strings.Compare(projections.OrderCode(a.Code), projections.OrderCode(b.Code)),
		strings.Compare(projections.OrderCode(a.System), projections.OrderCode(b.System)))
}

func (m *Maker) tokens(terms []projections.Term, param, main, ref int64) {
	low, high := 0, 0
	for i := range terms {
		if compareTokens(&terms[i], &terms[low]) < 0 {
			low = i
		}
		if compareTokens(&terms[i], &terms[high]) > 0 {
			high = i
		}
	}
	for i := range terms {
		t := &terms[i]
		key := m.Value(param, keys.RoleValue, t.System, t.Code)
		flags := int64(0)
		if compareTokens(t, &terms[low]) == 0 {
			flags |= keys.Smallest
		}
		if compareTokens(t, &terms[high]) == 0 {
			flags |= keys.Largest
		}
		m.rows.Terms = append(m.rows.Terms, TermRow{key, main, ref | flags})
		m.coding(param, t.Code, t.System, key)
	}
}

func (m *Maker) strings(terms []projections.Term, param, ref int64) {
	first := len(m.rows.Texts)
	key := m.Of(param, keys.RoleText)
	low, high := first, first
	for i := range terms {
		m.rows.Texts = append(m.rows.Texts, stringRow(key, terms[i].Text, ref))
		added := m.rows.Texts[len(m.rows.Texts)-1]
		if slices.Compare(added.Head, m.rows.Texts[low].Head) < 0 {
			low = len(m.rows.Texts) - 1
		}
		if slices.Compare(added.Head, m.rows.Texts[high].Head) > 0 {
			high = len(m.rows.Texts) - 1
		}
	}
	m.rows.Texts[low].Ref |= keys.Smallest // one row of several equal ones: an order meets the version once
	m.rows.Texts[high].Ref |= keys.Largest
}

func stringRow(key int64, text string, ref int64) TextRow {
	folded := projections.Fold(text)
	row := TextRow{Key: key, Head: []byte(folded[:min(len(folded), projections.OrderBytes)]), Raw: []byte(text),
		Ref: ref, Rest: []byte{}}
	if len(folded) > projections.OrderBytes {
		row.Rest = []byte(folded)
	}
	return row
}

// inside marks the name of contained resources, where a parameter is the one that each of them has.
func (m *Maker) inside(ledger int64, code string) {
	if name, marks := projections.InsideOf(code); marks {
		m.coding(m.InsideMark(ledger, name), "", "", 0)
	}
}
