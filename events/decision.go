package events

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"io"
	"slices"
	"time"
)

// The written form of a decision: CloudEvents 1.0 with JSON data. The data tells all that is known and stands for
// itself; where a driver has headers, they are those of Kafka's binary content mode (CloudEvents Kafka Protocol Binding
// 1.0, section 3.2), so that a reader can choose by type and pass over by id without reading the data. docs/feed.md
// tells other programs of it. A reader refuses a field or a name that it does not know; a form that older readers would
// misread gets another number and other ce_types.
const (
	typeAccepted    = "dev.binnacle.accepted.v1"
	typeRefused     = "dev.binnacle.refused.v1"
	typeQuarantined = "dev.binnacle.quarantined.v1"
	sourceUnread    = "/quarantine" // of a record whose tenant could not be read
	contentTypeJSON = "application/json"

	decisionForm1 = 1
	decisionTime  = "2006-01-02T15:04:05.000Z07:00"

	decidedAccepted    = "accepted"
	decidedRefused     = "refused"
	decidedQuarantined = "quarantined"
)

// DecisionBytes bounds the JSON of one decision, in bytes: what every feed can hold, and a reader can take at once. An
// event whose decision could be larger is refused. It is a constant, because what is decided must not depend on where
// or when.
const DecisionBytes = 60 << 20

// decidedBytes is what the JSON of one change takes beside its texts, in bytes, at the most.
const decidedBytes = 256

// removedBytes is what the JSON of one further deletion takes beside its texts, in bytes, at the most.
const removedBytes = 64

// MostBytes tells how many bytes the result of a change takes in the JSON of its decision at the most, as long as type,
// id and links are those of resources, which need no escapes.
func (r *Result) MostBytes() int {
	most := decidedBytes + len(r.Type) + len(r.ID)
	for _, link := range r.Links {
		most += len(link) + len(`"",`)
	}
	for i := range r.Removed {
		most += removedBytes + len(r.Removed[i].Type) + len(r.Removed[i].ID)
	}
	return most
}

// DecisionID is the header that holds a decision's position, partition:offset: the id of the CloudEvent, by which it is
// known.
const DecisionID = headerID

type decisionForm struct {
	Form     int           `json:"form"`
	Position string        `json:"position"`
	Time     string        `json:"time"` // append time of the record
	Tenant   string        `json:"tenant,omitempty"`
	Event    string        `json:"event,omitempty"`
	Decision string        `json:"decision"`
	Changes  []decidedForm `json:"changes,omitempty"`
	Repeats  string        `json:"repeats,omitempty"` // the event that was asked for again under its idempotency key: this one changed nothing
	Refusal  *refusalForm  `json:"refusal,omitempty"`
	Reason   string        `json:"reason,omitempty"` // why the record is in quarantine
}

type decidedForm struct {
	Operation   string   `json:"operation"` // what happened to the resource, told by the disposition: for those who want no more
	Disposition string   `json:"disposition"`
	Type        string   `json:"type"`
	ID          string   `json:"id,omitempty"`
	Version     int64    `json:"version,omitempty"`
	Hash        string   `json:"hash,omitempty"` // SHA-256, hexadecimal; none for a deletion
	LastUpdated string   `json:"lastUpdated,omitempty"`
	Links       []string `json:"links,omitempty"`

	Removed []removedForm `json:"removed,omitempty"` // what was deleted with it
}

type removedForm struct {
	Type    string `json:"type"`
	ID      string `json:"id"`
	Version int64  `json:"version"`
}

type refusalForm struct {
	Kind       string `json:"kind"`
	Change     int    `json:"change"`
	Text       string `json:"text"`
	Expression string `json:"expression,omitempty"`
}

// EncodeDecision gives the headers and the JSON of a decision. Text that is not UTF-8 becomes so. Kind Internal: it is
// not one that could be read back.
func EncodeDecision(d Decision) (headers []Header, value []byte, err error) {
	const op = "events.EncodeDecision"
	o := &d.Outcome
	form := decisionForm{Form: decisionForm1, Position: o.Position.String(), Time: o.Time.UTC().Format(decisionTime), Tenant: o.Tenant, Event: o.EventID, Repeats: o.Repeats, Reason: d.Quarantined}
	kind, source := typeAccepted, sourcePrefix+o.Tenant
	switch {
	case d.Quarantined != "":
		form.Decision, kind = decidedQuarantined, typeQuarantined
	case o.Refusal != nil:
		form.Decision, kind = decidedRefused, typeRefused
	default:
		form.Decision = decidedAccepted
	}
	if o.Tenant == "" {
		source = sourceUnread
	}
	if r := o.Refusal; r != nil {
		form.Refusal = &refusalForm{Kind: r.Kind.String(), Change: r.Change, Text: r.Text, Expression: r.Expression}
	}
	if len(o.Results) > 0 {
		form.Changes = make([]decidedForm, len(o.Results))
	}
	for i := range o.Results {
		form.Changes[i] = decided(&o.Results[i])
	}
	if err := form.check(); err != nil {
		return nil, nil, Wrap(Internal, op, err, "the decision on %s cannot be written", o.Position)
	}
	if value, err = json.Marshal(&form); err != nil {
		return nil, nil, Wrap(Internal, op, err, "the decision on %s cannot be written", o.Position)
	}
	return []Header{
		{headerSpecVersion, []byte(specVersion)},
		{headerType, []byte(kind)},
		{headerSource, []byte(source)},
		{headerID, []byte(form.Position)},
		{headerTime, []byte(form.Time)},
		{headerContentType, []byte(contentTypeJSON)},
	}, value, nil
}

func decided(r *Result) decidedForm {
	form := decidedForm{Operation: r.Disposition.operation(), Disposition: r.Disposition.String(), Type: r.Type, ID: r.ID, Version: r.Version, Links: r.Links}
	if r.Hash != (Hash{}) {
		form.Hash = hex.EncodeToString(r.Hash[:])
	}
	if !r.Time.IsZero() {
		form.LastUpdated = r.Time.UTC().Format(decisionTime)
	}
	for _, removed := range r.Removed {
		form.Removed = append(form.Removed, removedForm(removed))
	}
	return form
}

// operation is what happened to the resource.
func (d Disposition) operation() string {
	switch d {
	case Created, Matched:
		return Create.String()
	case Updated, Unchanged:
		return Update.String()
	default:
		return Delete.String()
	}
}

// DecodeDecision reads the JSON of a decision. It takes any bytes; kind Invalid: they are not a decision of a known
// form.
func DecodeDecision(value []byte) (Decision, error) {
	const op = "events.DecodeDecision"
	var form decisionForm
	decoder := json.NewDecoder(bytes.NewReader(value))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&form); err != nil {
		return Decision{}, Wrap(Invalid, op, err, "the value is not the JSON of a decision")
	}
	if _, err := decoder.Token(); err != io.EOF {
		return Decision{}, Errorf(Invalid, op, "something follows the JSON of a decision")
	}
	d, err := form.decision()
	if err != nil {
		return Decision{}, Wrap(Invalid, op, err, "the value is not a decision")
	}
	return d, nil
}

func (form *decisionForm) decision() (Decision, error) {
	const op = "events.DecodeDecision"
	if err := form.check(); err != nil {
		return Decision{}, err
	}
	d := Decision{Quarantined: form.Reason, Outcome: Outcome{EventID: form.Event, Tenant: form.Tenant, Repeats: form.Repeats}}
	var err error
	if d.Outcome.Position, err = ParsePosition(form.Position); err != nil {
		return Decision{}, err
	}
	if d.Outcome.Time, err = time.Parse(decisionTime, form.Time); err != nil {
		return Decision{}, err
	}
	d.Outcome.Time = d.Outcome.Time.UTC()
	if r := form.Refusal; r != nil {
		d.Outcome.Refusal = &Refusal{Kind: Kind(slices.Index(kindNames[:], r.Kind)), Change: r.Change, Text: r.Text, Expression: r.Expression}
	}
	if len(form.Changes) > 0 {
		d.Outcome.Results = make([]Result, len(form.Changes))
	}
	for i := range form.Changes {
		c := &form.Changes[i]
		r := Result{Disposition: Disposition(slices.Index(dispositionNames[:], c.Disposition)), Type: c.Type, ID: c.ID, Version: c.Version, Links: c.Links}
		if c.Hash != "" {
			if len(c.Hash) != hex.EncodedLen(len(r.Hash)) { // Decode writes as much as it is given
				return Decision{}, Errorf(Invalid, op, "the hash %.80q of change %d is not a SHA-256", c.Hash, i)
			}
			if _, err := hex.Decode(r.Hash[:], []byte(c.Hash)); err != nil {
				return Decision{}, Errorf(Invalid, op, "the hash %.80q of change %d is not a SHA-256", c.Hash, i)
			}
		}
		switch {
		case c.LastUpdated == "":
		case i > 0 && c.LastUpdated == form.Changes[i-1].LastUpdated: // what an event changes has one time
			r.Time = d.Outcome.Results[i-1].Time
		default:
			if r.Time, err = time.Parse(decisionTime, c.LastUpdated); err != nil {
				return Decision{}, err
			}
			r.Time = r.Time.UTC()
		}
		for _, removed := range c.Removed {
			r.Removed = append(r.Removed, Removed(removed))
		}
		d.Outcome.Results[i] = r
	}
	return d, nil
}

// check holds the rules that encoder and decoder share.
func (form *decisionForm) check() error {
	const op = "events.Decision"
	want := decidedAccepted
	switch {
	case form.Reason != "":
		want = decidedQuarantined
	case form.Refusal != nil:
		want = decidedRefused
	}
	if form.Form != decisionForm1 || form.Decision != want {
		return Errorf(Invalid, op, "form %d with the decision %.20q is not known here", form.Form, form.Decision)
	}
	if _, err := ParsePosition(form.Position); err != nil {
		return err
	}
	if want != decidedAccepted && len(form.Changes) > 0 {
		return Errorf(Invalid, op, "a record that was %s changes nothing", want)
	}
	if form.Repeats != "" && (want != decidedAccepted || len(form.Changes) > 0) {
		return Errorf(Invalid, op, "a record that repeats another one is accepted and changes nothing")
	}
	if want != decidedQuarantined && (form.Tenant == "" || form.Event == "") {
		return Errorf(Invalid, op, "the tenant or the event is missing")
	}
	if r := form.Refusal; r != nil && slices.Index(kindNames[:], r.Kind) < 0 {
		return Errorf(Invalid, op, "the kind of refusal %.40q is not known here", r.Kind)
	}
	for i := range form.Changes {
		c := &form.Changes[i]
		known := slices.Index(dispositionNames[:], c.Disposition)
		if known <= 0 || Disposition(known).operation() != c.Operation {
			return Errorf(Invalid, op, "the disposition %.40q (operation %.20q) of change %d is not known here", c.Disposition, c.Operation, i)
		}
		if c.Version < 0 {
			return Errorf(Invalid, op, "change %d has a negative version", i)
		}
		for _, removed := range c.Removed {
			if c.Disposition != Deleted.String() || removed.Type == "" || removed.ID == "" || removed.Version < 2 {
				return Errorf(Invalid, op, "change %d (%s) tells that version %d of %.64q/%.64q is a deletion", i,
					c.Disposition, removed.Version, removed.Type, removed.ID)
			}
		}
	}
	return nil
}

// CheckDecisions holds what drivers ask of the decisions given to Feed.Publish: one partition, positions ascending.
func CheckDecisions(decisions []Decision) error {
	for i := 1; i < len(decisions); i++ {
		before, at := decisions[i-1].Outcome.Position, decisions[i].Outcome.Position
		if at.Partition != before.Partition || at.Offset <= before.Offset {
			return Errorf(Internal, "events.Publish", "the decision on %s follows that on %s", at, before)
		}
	}
	return nil
}
