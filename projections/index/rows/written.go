package rows

import (
	"strings"
	"time"

	"github.com/fxamacker/cbor/v2"

	"binnacle/events"
)

// writtenForm is the first element of the written forms of outcomes and of what stands beside them (beside.go), which
// are CBOR arrays. The index is a cache: a new form asks for a rebuild.
const writtenForm = 2

type writtenOutcome struct {
	_          struct{} `cbor:",toarray"`
	Form       int
	Tenant     string
	Partition  int32
	Offset     int64
	Time       int64 // milliseconds since 1970
	Refused    bool
	Kind       uint8
	Change     int
	Text       string
	Expression string
	Results    []writtenResult
	Repeats    string
}

type writtenResult struct {
	_           struct{} `cbor:",toarray"`
	Disposition uint8
	Type, ID    string
	Version     int64
	Hash        []byte
	Time        int64 // milliseconds since 1970
	Links       []string
}

// removalsForm is the first element of the written form of an outcome that has removals.
const removalsForm = 3

// writtenRemovals is an outcome whose results have removals, around the form that it would have without.
type writtenRemovals struct {
	_       struct{} `cbor:",toarray"`
	Form    int
	Outcome cbor.RawMessage
	Removed [][]writtenRemoved // of each result
}

type writtenRemoved struct {
	_        struct{} `cbor:",toarray"`
	Type, ID string
	Version  int64
}

// arrayOfThree is how the written form of writtenRemovals begins, and no other one.
const arrayOfThree = 0x83

// EncodeOutcome is the written form of an outcome, without its event's id.
func EncodeOutcome(o *events.Outcome) ([]byte, error) {
	w := writtenOutcome{Form: writtenForm, Tenant: o.Tenant, Partition: o.Position.Partition,
		Offset: o.Position.Offset, Time: o.Time.UnixMilli(), Repeats: o.Repeats}
	if o.Refusal != nil {
		w.Refused, w.Kind, w.Change, w.Text, w.Expression = true, uint8(o.Refusal.Kind), o.Refusal.Change,
			valid(o.Refusal.Text), valid(o.Refusal.Expression)
	}
	var removals [][]writtenRemoved
	if len(o.Results) > 0 { // of a large transaction they are many, and growing would take twice their memory
		w.Results = make([]writtenResult, 0, len(o.Results))
	}
	for i := range o.Results {
		r := &o.Results[i]
		if len(r.Removed) > 0 && removals == nil {
			removals = make([][]writtenRemoved, len(o.Results))
		}
		for _, removed := range r.Removed {
			removals[i] = append(removals[i], writtenRemoved{Type: removed.Type, ID: removed.ID,
				Version: removed.Version})
		}
		w.Results = append(w.Results, writtenResult{Disposition: uint8(r.Disposition), Type: r.Type, ID: r.ID,
			Version: r.Version, Hash: r.Hash[:], Time: writtenTime(r.Time), Links: r.Links})
	}
	data, err := cbor.Marshal(&w)
	if err == nil && removals != nil {
		data, err = cbor.Marshal(&writtenRemovals{Form: removalsForm, Outcome: data, Removed: removals})
	}
	if err != nil {
		return nil, events.Wrap(events.Internal, "index.Commit", err, "the outcome of event %s cannot be written",
			o.EventID)
	}
	return data, nil
}

// writtenTime is a time in milliseconds since 1970, 0 for none: what was deleted before it was ever there has no time.
func writtenTime(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func readTime(milliseconds int64) time.Time {
	if milliseconds == 0 {
		return time.Time{}
	}
	return time.UnixMilli(milliseconds).UTC()
}

// valid makes UTF-8 of a text that may quote a record's bytes: CBOR readers refuse others.
func valid(text string) string { return strings.ToValidUTF8(text, "\uFFFD") }

// DecodeOutcome reads what EncodeOutcome has written.
func DecodeOutcome(id string, data []byte) (*events.Outcome, error) {
	unreadable := func(err error) error {
		return events.Wrap(events.Internal, "index.Outcomes", err,
			"the outcome of event %s cannot be read; rebuild the index", id)
	}
	var removals writtenRemovals
	if len(data) > 0 && data[0] == arrayOfThree {
		if err := cbor.Unmarshal(data, &removals); err != nil || removals.Form != removalsForm {
			return nil, unreadable(err)
		}
		data = removals.Outcome
	}
	var w writtenOutcome
	if err := cbor.Unmarshal(data, &w); err != nil || w.Form != writtenForm ||
		len(removals.Removed) > 0 && len(removals.Removed) != len(w.Results) {
		return nil, unreadable(err)
	}
	o := &events.Outcome{EventID: id, Tenant: w.Tenant, Position: events.Position{Partition: w.Partition,
		Offset: w.Offset}, Time: time.UnixMilli(w.Time).UTC(), Repeats: w.Repeats}
	if w.Refused {
		o.Refusal = &events.Refusal{Kind: events.Kind(w.Kind), Change: w.Change, Text: w.Text, Expression: w.Expression}
	}
	for i, r := range w.Results {
		result := events.Result{Disposition: events.Disposition(r.Disposition), Type: r.Type, ID: r.ID,
			Version: r.Version, Time: readTime(r.Time), Links: r.Links}
		copy(result.Hash[:], r.Hash)
		if len(removals.Removed) > 0 {
			for _, removed := range removals.Removed[i] {
				result.Removed = append(result.Removed, events.Removed{Type: removed.Type, ID: removed.ID,
					Version: removed.Version})
			}
		}
		o.Results = append(o.Results, result)
	}
	return o, nil
}
