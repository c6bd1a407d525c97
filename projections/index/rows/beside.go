package rows

import (
	"crypto/sha256"
	"encoding/hex"
	"time"

	"github.com/fxamacker/cbor/v2"

	"binnacle/events"
	"binnacle/projections"
	"binnacle/projections/index/keys"
)

// The written forms of what stands beside versions and outcomes: quarantined records, what was decided about them,
// claims.

type writtenRecord struct {
	_         struct{} `cbor:",toarray"`
	Form      int
	Partition int32
	Offset    int64
	Time      int64 // milliseconds since 1970
	Key       []byte
	Headers   []writtenHeader
	Value     []byte
	Reason    []byte // may hold bytes of the record, which need not be UTF-8
}

type writtenSettled struct {
	_         struct{} `cbor:",toarray"`
	Form      int
	Partition int32 // of the event that decided
	Offset    int64
	Time      int64 // milliseconds since 1970
	Discard   bool
	Reason    string
}

type writtenClaim struct {
	_       struct{} `cbor:",toarray"`
	Form    int
	EventID string
	Request []byte
	Until   int64 // milliseconds since 1970
}

type writtenHeader struct {
	_          struct{} `cbor:",toarray"`
	Key, Value []byte
}

// EncodeQuarantined is the written form of a quarantined record.
func EncodeQuarantined(q *projections.Quarantined) ([]byte, error) {
	r := &q.Record
	w := writtenRecord{Form: writtenForm, Partition: r.Position.Partition, Offset: r.Position.Offset,
		Time: r.Time.UnixMilli(), Key: r.Key, Value: r.Value, Reason: []byte(q.Reason)}
	for _, h := range r.Headers {
		w.Headers = append(w.Headers, writtenHeader{Key: []byte(h.Key), Value: h.Value})
	}
	data, err := cbor.Marshal(&w)
	if err != nil {
		return nil, events.Wrap(events.Internal, "index.Commit", err, "the quarantined record %s cannot be written",
			r.Position)
	}
	return data, nil
}

func DecodeQuarantined(data, settled []byte) (projections.Quarantined, error) {
	var w writtenRecord
	if err := cbor.Unmarshal(data, &w); err != nil || w.Form != writtenForm {
		return projections.Quarantined{}, events.Wrap(events.Internal, "index.Quarantine", err,
			"a quarantined record cannot be read; rebuild the index")
	}
	q := projections.Quarantined{Reason: string(w.Reason), Record: events.RawRecord{
		Position: events.Position{Partition: w.Partition, Offset: w.Offset}, Time: time.UnixMilli(w.Time).UTC(),
		Key: w.Key, Value: w.Value,
	}}
	for _, h := range w.Headers {
		q.Record.Headers = append(q.Record.Headers, events.Header{Key: string(h.Key), Value: h.Value})
	}
	if len(settled) > 0 {
		var w writtenSettled
		if err := cbor.Unmarshal(settled, &w); err != nil || w.Form != writtenForm {
			return projections.Quarantined{}, events.Wrap(events.Internal, "index.Quarantine", err,
				"what was decided about the quarantined record %v cannot be read; rebuild the index", q.Record.Position)
		}
		q.Settled = &projections.Settled{Of: q.Record.Position, By: events.Position{Partition: w.Partition,
			Offset: w.Offset}, Time: time.UnixMilli(w.Time).UTC(), Discard: w.Discard, Reason: w.Reason}
	}
	return q, nil
}

// EncodeSettled is the written form of what was decided about a quarantined record, without its position.
func EncodeSettled(s *projections.Settled) ([]byte, error) {
	data, err := cbor.Marshal(&writtenSettled{Form: writtenForm, Partition: s.By.Partition, Offset: s.By.Offset,
		Time: s.Time.UnixMilli(), Discard: s.Discard, Reason: valid(s.Reason)})
	if err != nil {
		return nil, events.Wrap(events.Internal, "index.Commit", err,
			"what was decided about the quarantined record %s cannot be written", s.Of)
	}
	return data, nil
}

// ClaimKey is the key of a claim's row: a hash, because an idempotency key is any text.
func ClaimKey(name projections.ClaimName) string {
	h := keys.Hasher{}
	h.Begin().Text(name.Tenant).Text(name.Key).Key(int64(name.Part))
	sum := sha256.Sum256(h.Buffer)
	return hex.EncodeToString(sum[:16])
}

// EncodeClaim is the written form of a claim, without its name.
func EncodeClaim(c *projections.Claim) ([]byte, error) {
	data, err := cbor.Marshal(&writtenClaim{Form: writtenForm, EventID: c.EventID, Request: c.Request[:],
		Until: c.Until.UnixMilli()})
	if err != nil {
		return nil, events.Wrap(events.Internal, "index.Commit", err, "the claim of event %s cannot be written",
			c.EventID)
	}
	return data, nil
}

func DecodeClaim(name projections.ClaimName, data []byte) (projections.Claim, error) {
	var w writtenClaim
	if err := cbor.Unmarshal(data, &w); err != nil || w.Form != writtenForm || len(w.Request) != len(events.Hash{}) {
		return projections.Claim{}, events.Wrap(events.Internal, "index.Claims", err,
			"a claim on an idempotency key cannot be read; rebuild the index")
	}
	return projections.Claim{ClaimName: name, EventID: w.EventID, Request: events.Hash(w.Request),
		Until: time.UnixMilli(w.Until).UTC()}, nil
}
