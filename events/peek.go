package events

import (
	"sync"

	"github.com/fxamacker/cbor/v2"
)

// peekForm is what all forms of an event are hoped to have in common with dev.binnacle.event.v1.
type peekForm struct {
	Changes []struct {
		Type string `cbor:"2,keyasint"`
		ID   string `cbor:"3,keyasint"`
	} `cbor:"1,keyasint"`
}

// peeking reads past keys that it does not know.
var peeking = sync.OnceValue(func() cbor.DecMode {
	mode, err := cbor.DecOptions{IndefLength: cbor.IndefLengthForbidden, TagsMd: cbor.TagsForbidden, UTF8: cbor.UTF8RejectInvalid,
		MaxNestedLevels: 8, MaxArrayElements: maxArray, MaxMapPairs: 64}.DecMode()
	if err != nil {
		panic(err) // the options are constants
	}
	return mode
})

// Peek tells which resources a record asks to change, as far as its bytes tell, also when [Decode] refuses it: the
// tenant, and of each change Type and ID and nothing else. What a condition selects is not in the bytes. It is for
// reports on records in quarantine: nothing may be decided on it. It takes any bytes, within the bounds of Decode; no
// changes: they tell nothing.
func Peek(raw RawRecord) (tenant string, changes []Change) {
	const op = "events.Peek"
	tenant = string(raw.Key)
	if !plainName(tenant) {
		return "", nil
	}
	var form peekForm
	read := func(plain []byte) error {
		if countItems(plain) > maxItems {
			return Errorf(Invalid, op, "the value holds more than %d CBOR items", maxItems)
		}
		return peeking().Unmarshal(plain, &form)
	}
	var err error
	if attributes, bad := readHeaders(op, raw.Headers); bad == nil && string(attributes.compression) == compressionZstd {
		err = decompress(op, raw.Value, read)
	} else {
		err = read(raw.Value)
	}
	if err != nil {
		return tenant, nil
	}
	for _, change := range form.Changes {
		if change.Type != "" && change.ID != "" {
			changes = append(changes, Change{Type: change.Type, ID: change.ID})
		}
	}
	return tenant, changes
}
