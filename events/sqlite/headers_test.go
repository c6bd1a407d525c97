package sqlite

import (
	"reflect"
	"testing"

	"binnacle/events"
)

func TestHeadersComeBackAsTheyWere(t *testing.T) {
	for _, want := range [][]events.Header{nil, {{Key: "ce_id", Value: []byte("x")}, {Key: "", Value: nil}, {Key: "a", Value: []byte{}}}} {
		got, err := decodeHeaders(encodeHeaders(want))
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("got %v, %v; want %v", got, err, want)
		}
	}
}

func FuzzHeaders(f *testing.F) {
	f.Add(encodeHeaders([]events.Header{{Key: "ce_id", Value: []byte("x")}}))
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1})
	f.Fuzz(func(t *testing.T, stored []byte) {
		headers, err := decodeHeaders(stored)
		if err != nil {
			return
		}
		again, err := decodeHeaders(encodeHeaders(headers))
		if err != nil || !reflect.DeepEqual(again, headers) {
			t.Errorf("got %v, %v; want %v", again, err, headers)
		}
	})
}
