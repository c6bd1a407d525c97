package events_test

import (
	"testing"

	"binnacle/events"
	"binnacle/events/eventstest"
)

func FuzzPositionsAreReadOrRefused(f *testing.F) {
	for _, seed := range []string{"0:42", "", ":", "-1:0", "0:-1", "2147483647:9223372036854775807", "2147483648:0", "00:07", "1:2:3", "٣:٤"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var position events.Position
		var err error
		eventstest.Allocates(t, len(text), 16<<10, 2, func() { position, err = events.ParsePosition(text) })
		if err != nil {
			if events.KindOf(err) != events.Invalid {
				t.Errorf("%q: got %v, want kind invalid", text, err)
			}
			return
		}
		if again, err := events.ParsePosition(position.String()); err != nil || again != position {
			t.Errorf("%q is read as %v, which is read as %v, %v", text, position, again, err)
		}
	})
}

// FuzzDecodingTakesMemoryInProportion leaves compressed events out: what they may grow to has a bound of its own.
func FuzzDecodingTakesMemoryInProportion(f *testing.F) {
	headers, value, err := events.Encode(events.Event{ID: "01890a5d-ac96-774b-bcce-b302099a8057", Tenant: "main", Changes: []events.Change{
		{Operation: events.Create, Type: "Patient", ID: "1", Content: []byte(`{"resourceType":"Patient"}`)},
	}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(value)
	f.Add([]byte{0xa1, 0x01, 0x9a, 0xff, 0xff, 0xff, 0xff})
	f.Add([]byte{0xbb, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, value []byte) {
		raw := events.RawRecord{Key: []byte("main"), Headers: headers, Value: value}
		eventstest.Allocates(t, len(value), 256<<10, 64, func() { _, _ = events.Decode(raw) })
	})
}
