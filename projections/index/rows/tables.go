package rows

import (
	"bytes"
	"cmp"
	"strings"

	"binnacle/projections"
)

// TermRow stands in the table of equality: tokens, references, the type list, shapes.
type TermRow struct {
	Key, Sort, Ref int64 // Sort: the version's main date, microseconds
}

// SpanRow stands in the table of ranges: dates (half open, microseconds), numbers and quantities (closed, see
// keys.Ordered). A long range has a second row with Low and High changed over, so that what ends late is found from an
// index, too.
type SpanRow struct {
	Key, Low, High, Ref int64
}

// TextRow stands in the table of strings, and of uris that are too long to be keys.
type TextRow struct {
	Key  int64
	Head []byte // the beginning of the folded string, or of the uri; at most OrderBytes
	Rest []byte // the whole folded string, or uri, when it is longer than Head; else empty
	Raw  []byte // the string as it stands in the document; empty for a uri
	Ref  int64
}

// CodingRow stands in the dictionary of codings, units, target types and marks. It is inserted when first seen.
type CodingRow struct {
	Param        int64
	Code, System string // as projections.OrderCode has them
	Key          int64
}

// ShapeRow stands in the dictionary of the sets of parameters that versions of a type have.
type ShapeRow struct {
	Ledger, Key int64
	// codes, each followed by a line feed; of those whose elements give no value, with withoutValue in front
	Params string
}

// LedgerRow names a type of a tenant.
type LedgerRow struct {
	Key          int64
	Tenant, Type string
}

// VersionRow is a version with what the index adds.
type VersionRow struct {
	projections.Version
	Ledger, Main, Shape, Supersedes int64
	Resource                        int64   // the key of the resource
	Keys                            []int64 // those that stand on the row, see keys.Places; ascending
}

// ClosedRow says which version superseded another.
type ClosedRow struct{ Sid, By int64 }

// CountRow changes the number of current resources of a type.
type CountRow struct{ Ledger, By int64 }

// Rows are what a commit inserts. Slices are reused by the next call of [Maker.Rows].
type Rows struct {
	Versions []VersionRow
	Closed   []ClosedRow
	Terms    []TermRow // ascending, but for those of [Maker.Unsorted]
	Spans    []SpanRow
	Texts    []TextRow
	// Dictionary rows that this Maker has not seen before; the table may have them.
	Ledgers []LedgerRow
	Codings []CodingRow
	Shapes  []ShapeRow
	Counts  []CountRow // none that is 0
}

// CompareTerms is the order of the index on the table of equality.
func CompareTerms(a, b TermRow) int {
	if c := cmp.Compare(a.Key, b.Key); c != 0 {
		return c
	}
	if c := cmp.Compare(a.Sort, b.Sort); c != 0 {
		return c
	}
	return cmp.Compare(a.Ref, b.Ref)
}

// CompareCodings is the order of the dictionary's key.
func CompareCodings(a, b CodingRow) int {
	if c := cmp.Compare(a.Param, b.Param); c != 0 {
		return c
	}
	if c := strings.Compare(a.Code, b.Code); c != 0 {
		return c
	}
	if c := strings.Compare(a.System, b.System); c != 0 {
		return c
	}
	return cmp.Compare(a.Key, b.Key)
}

func CompareSpans(a, b SpanRow) int {
	if c := cmp.Compare(a.Ref, b.Ref); c != 0 {
		return c
	}
	return cmp.Or(cmp.Compare(a.Key, b.Key), cmp.Compare(a.Low, b.Low), cmp.Compare(a.High, b.High))
}

func CompareTexts(a, b TextRow) int {
	if c := cmp.Compare(a.Ref, b.Ref); c != 0 {
		return c
	}
	return cmp.Or(cmp.Compare(a.Key, b.Key), bytes.Compare(a.Head, b.Head), bytes.Compare(a.Rest, b.Rest),
		bytes.Compare(a.Raw, b.Raw))
}
