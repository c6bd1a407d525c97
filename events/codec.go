package events

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
)

// The written form: CloudEvents 1.0 in Kafka's binary content mode (CloudEvents Kafka Protocol Binding 1.0, section
// 3.2). The context attributes are record headers with the prefix ce_, the data is CBOR (RFC 8949). An event of a
// form that is changed in a way that older readers would misread gets a new ce_type; every form ever written has a
// golden file and stays readable.
const (
	headerSpecVersion = "ce_specversion"
	headerType        = "ce_type"
	headerSource      = "ce_source"
	headerID          = "ce_id"
	headerTime        = "ce_time"
	headerCompression = "ce_compression" // an extension attribute: how the value is compressed, absent when it is not
	headerContentType = "content-type"

	specVersion     = "1.0"
	typeEventV1     = "dev.binnacle.event.v1"
	sourcePrefix    = "/tenants/"
	contentTypeCBOR = "application/cbor"
	compressionZstd = "zstd"
)

// Limits of the written form.
const (
	// CompressAbove is the size of a value, in bytes, above which it is compressed (ADR 2 has the figures).
	CompressAbove = 4 << 10
	// DecodedBytes bounds the size of a value before compression; Encode refuses a larger one and Decode never
	// unpacks one.
	DecodedBytes = 256 << 20
)

// Encode gives the headers and the value of the record that carries an event. The record's key is the event's tenant.
// Kind TooLarge: no record can hold the event; Invalid: it breaks a rule of the form, so that nobody could read it
// back.
func Encode(event Event) (headers []Header, value []byte, err error) {
	const op = "events.Encode"
	if err := checkEvent(op, event); err != nil {
		return nil, nil, err
	}
	value, compressed, err := encodeValue(op, event)
	if err != nil {
		return nil, nil, err
	}
	if len(value) > RecordBytes {
		return nil, nil, Errorf(TooLarge, op, "the event takes %d bytes in the log and a record holds %d; send it in "+
			"smaller transactions", len(value), RecordBytes)
	}
	headers = make([]Header, 0, 7)
	headers = append(headers,
		Header{headerSpecVersion, []byte(specVersion)},
		Header{headerType, []byte(typeEventV1)},
		Header{headerSource, []byte(sourcePrefix + event.Tenant)},
		Header{headerID, []byte(event.ID)},
	)
	if !event.Time.IsZero() {
		headers = append(headers, Header{headerTime, event.Time.UTC().AppendFormat(make([]byte, 0, 35),
			time.RFC3339Nano)})
	}
	headers = append(headers, Header{headerContentType, []byte(contentTypeCBOR)})
	if compressed {
		headers = append(headers, Header{headerCompression, []byte(compressionZstd)})
	}
	return headers, value, nil
}

// Decode reads the event that a record carries. It takes any bytes: what is not an event of a known form is an error
// of kind Invalid whose text tells the reason, fit for quarantine. It unpacks at most [DecodedBytes] and keeps no
// part of raw.
func Decode(raw RawRecord) (Record, error) {
	const op = "events.Decode"
	fail := func(err *Error) (Record, error) { return Record{Position: raw.Position, Time: raw.Time}, err }

	attributes, bad := readHeaders(op, raw.Headers)
	if bad != nil {
		return fail(bad)
	}
	if string(attributes.specVersion) != specVersion {
		return fail(Errorf(Invalid, op, "%s is %.40q, not %s: this is no CloudEvent of a known form", headerSpecVersion,
			attributes.specVersion, specVersion))
	}
	if string(attributes.eventType) != typeEventV1 {
		return fail(Errorf(Invalid, op, "%s %.80q is not known here; this reader knows %s", headerType,
			attributes.eventType, typeEventV1))
	}
	if string(attributes.contentType) != contentTypeCBOR {
		return fail(Errorf(Invalid, op, "%s is %.80q, not %s", headerContentType, attributes.contentType,
			contentTypeCBOR))
	}
	if raw.Value == nil {
		return fail(Errorf(Invalid, op, "the record has no value"))
	}
	if len(attributes.source) < len(sourcePrefix) || string(attributes.source[:len(sourcePrefix)]) != sourcePrefix {
		return fail(Errorf(Invalid, op, "%s %.80q does not name a tenant as %s…", headerSource, attributes.source,
			sourcePrefix))
	}
	event := Event{ID: string(attributes.id), Tenant: string(attributes.source[len(sourcePrefix):])}
	if string(raw.Key) != event.Tenant {
		return fail(Errorf(Invalid, op, "the record's key %.80q is not the tenant %.80q of its %s", raw.Key,
			event.Tenant, headerSource))
	}
	if attributes.time != nil {
		at, err := time.Parse(time.RFC3339Nano, string(attributes.time))
		if err != nil {
			return fail(Wrap(Invalid, op, err, "%s %.40q is not a time of RFC 3339", headerTime, attributes.time))
		}
		event.Time = at.UTC()
	}
	var err error
	switch string(attributes.compression) {
	case "":
		err = decodeValue(op, raw.Value, &event)
	case compressionZstd:
		err = decompress(op, raw.Value, func(plain []byte) error { return decodeValue(op, plain, &event) })
	default:
		err = Errorf(Invalid, op, "%s %.40q is not known here; this reader knows %s", headerCompression,
			attributes.compression, compressionZstd)
	}
	if err != nil {
		return fail(asInvalid(op, err))
	}
	if err := checkEvent(op, event); err != nil {
		return fail(asInvalid(op, err))
	}
	return Record{Position: raw.Position, Time: raw.Time, Event: event}, nil
}

// asInvalid makes every failure to read a record one of kind Invalid: whatever is wrong with it, the record goes to
// quarantine.
func asInvalid(op string, err error) *Error {
	var known *Error
	if errors.As(err, &known) {
		return &Error{Kind: Invalid, Op: op, Text: known.Text, Expression: known.Expression, Err: known.Err}
	}
	return Wrap(Invalid, op, err, "the record cannot be read")
}

type attributes struct {
	specVersion, eventType, source, id, time, contentType, compression []byte
}

func readHeaders(op string, headers []Header) (attributes, *Error) {
	var a attributes
	for _, header := range headers {
		var into *[]byte
		switch header.Key {
		case headerSpecVersion:
			into = &a.specVersion
		case headerType:
			into = &a.eventType
		case headerSource:
			into = &a.source
		case headerID:
			into = &a.id
		case headerTime:
			into = &a.time
		case headerContentType:
			into = &a.contentType
		case headerCompression:
			into = &a.compression
		default:
			continue // other people's headers (tracing) and optional attributes of CloudEvents are no concern of ours
		}
		if *into != nil {
			return a, Errorf(Invalid, op, "the header %s stands more than once", header.Key)
		}
		if *into = header.Value; header.Value == nil {
			*into = []byte{}
		}
	}
	return a, nil
}

// checkEvent holds the rules that the projector relies on. Encode and Decode share it, so nothing is written that
// cannot be read.
func checkEvent(op string, event Event) error {
	if len(event.ID) != 36 || uuid.Validate(event.ID) != nil {
		return Errorf(Invalid, op, "the event's id %.60q is not a UUID", event.ID)
	}
	if !plainName(event.Tenant) {
		return Errorf(Invalid, op, "the tenant %.80q is not a name of 1 to 64 letters, digits, '-', '_' or '.'",
			event.Tenant)
	}
	if event.Dialect != "" && !dialectName(event.Dialect) {
		return Errorf(Invalid, op, "the dialect %.60q is not a name of 1 to 32 small letters, digits or '-' that "+
			"begins with a letter", event.Dialect)
	}
	if event.Dialect == FHIR {
		return Errorf(Invalid, op, "the dialect %s is said by naming none: the same event must have one written form",
			FHIR)
	}
	discards := event.Settles != nil && event.Settles.Discard
	if len(event.Changes) == 0 && !discards {
		return Errorf(Invalid, op, "the event %s asks for no change", event.ID)
	}
	if len(event.Changes) > 0 && discards {
		return Errorf(Invalid, op, "the event %s gives up a record in quarantine and asks for changes", event.ID)
	}
	if strings.IndexByte(event.IdempotencyKey, 0) >= 0 {
		return Errorf(Invalid, op, "the idempotency key holds a NUL character")
	}
	if r := event.Repeat; r != (Repeat{}) && (event.IdempotencyKey == "" || r.Part < 0 || r.Window < time.Second ||
		int64(r.Window/time.Second) > maxWindow || r.Window%time.Second != 0) {
		return Errorf(Invalid, op, "the event %s can be repeated as part %d within %v under the key %.80q, which "+
			"cannot be", event.ID, r.Part, r.Window, event.IdempotencyKey)
	}
	if s := event.Settles; s != nil && (s.Position.Partition < 0 || s.Position.Offset < 0 ||
		strings.IndexByte(s.Reason, 0) >= 0) {
		return Errorf(Invalid, op, "the event %s settles the record at %v, which cannot be, or for a reason that "+
			"holds a NUL character", event.ID, s.Position)
	}
	for i := range event.Changes {
		if err := checkChange(op, &event.Changes[i], i, len(event.Changes)); err != nil {
			return err
		}
	}
	return nil
}

func checkChange(op string, change *Change, index, count int) error {
	if change.Operation < Create || change.Operation > Patch {
		return Errorf(Invalid, op, "change %d asks for an operation (%d) that is not known here", index,
			change.Operation)
	}
	if change.IfMatch < IfMatchAny || change.Entry < -1 {
		return Errorf(Invalid, op, "change %d has a negative version or entry", index)
	}
	if len(change.IfMatchOr) > 0 && (change.IfMatch < 1 || change.IfMatchOr[0] < 1 ||
		!slices.IsSorted(change.IfMatchOr)) {
		return Errorf(Invalid, op, "change %d has further versions to match that are not in order, or none to "+
			"begin with", index)
	}
	if change.Many < 0 || change.Cascade < 0 || (change.Many > 0 || change.Cascade > 0) && change.Operation != Delete ||
		change.Many > 0 && change.ID != "" {
		return Errorf(Invalid, op, "change %d is a %s that may delete %d resources and %d that refer to them, which "+
			"cannot be", index, change.Operation, change.Many, change.Cascade)
	}
	if (change.Operation == Delete) != (len(change.Content) == 0) {
		return Errorf(Invalid, op, "change %d is a %s with %d bytes of content", index, change.Operation,
			len(change.Content))
	}
	for _, text := range [...]string{change.Type, change.ID, change.Condition} {
		if strings.IndexByte(text, 0) >= 0 { // no index can store it
			return Errorf(Invalid, op, "the type, id or condition of change %d holds a NUL character", index)
		}
	}
	end := 0
	for j := range change.Links {
		link := &change.Links[j]
		if link.Start < end || link.End < link.Start || link.End > len(change.Content) {
			return Errorf(Invalid, op, "link %d of change %d spans [%d,%d) of %d bytes, or comes before its "+
				"neighbour's end", j, index, link.Start, link.End, len(change.Content))
		}
		if link.Change < -1 || link.Change >= count {
			return Errorf(Invalid, op, "link %d of change %d points to change %d of %d", j, index, link.Change, count)
		}
		if link.Version && (link.Change < 0 || link.Change >= index || change.Operation != Create) {
			return Errorf(Invalid, op, "link %d of change %d (%s) names the version that change %d makes: a create may, "+
				"of a change before it", j, index, change.Operation, link.Change)
		}
		end = link.End
	}
	return nil
}

// CheckTenant holds the rule for names of tenants: 1 to 64 letters, digits, '-', '_' or '.', the first a letter or a
// digit. An error is of kind Invalid.
func CheckTenant(name string) error {
	if !plainName(name) || strings.IndexByte("-_.", name[0]) >= 0 {
		return Errorf(Invalid, "events.CheckTenant", "%.80q is no name of a tenant; it takes 1 to 64 letters, "+
			"digits, '-', '_' or '.', and begins with a letter or a digit", name)
	}
	return nil
}

// plainName is the rule that records are held to: names that begin with a mark were never given out, but can be read.
func plainName(s string) bool {
	if s == "" || len(s) > 64 {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_' || c == '.') {
			return false
		}
	}
	return true
}

// dialectName is the rule for names of dialects.
func dialectName(s string) bool {
	if s == "" || len(s) > 32 || s[0] < 'a' || s[0] > 'z' {
		return false
	}
	for i := range len(s) {
		if c := s[i]; !(c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-') {
			return false
		}
	}
	return true
}
