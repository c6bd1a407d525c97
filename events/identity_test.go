package events

import (
	"testing"
)

func TestAnIdentityIsReadAsItWasWritten(t *testing.T) {
	for _, want := range []Identity{{"cluster-1", "Xyz_-0", 12}, {"a/b", "c", 1}, {"", "id", 1}} {
		if got, err := ParseIdentity(want.String()); err != nil || got != want {
			t.Errorf("%q reads as %+v, %v", want, got, err)
		}
	}
	for _, bad := range []string{"", "a", "a/b/c", "a/1"} {
		if got, err := ParseIdentity(bad); KindOf(err) != Invalid {
			t.Errorf("%q reads as %+v, %v", bad, got, err)
		}
	}
}

func TestAFingerprintTellsRecordsApart(t *testing.T) {
	one := RawRecord{Key: []byte("main"), Headers: []Header{{"ce_id", []byte("1")}}, Value: []byte("x")}
	seen := map[Hash]string{one.Fingerprint(): "the first"}
	for name, change := range map[string]func(*RawRecord){
		"another value":                   func(r *RawRecord) { r.Value = []byte("y") },
		"another id":                      func(r *RawRecord) { r.Headers = []Header{{"ce_id", []byte("2")}} },
		"another key":                     func(r *RawRecord) { r.Key = []byte("mai"); r.Headers = []Header{{"nce_id", []byte("1")}} },
		"the value moved into the header": func(r *RawRecord) { r.Headers = []Header{{"ce_id", []byte("1x")}}; r.Value = nil },
	} {
		other := one
		change(&other)
		if before, taken := seen[other.Fingerprint()]; taken {
			t.Errorf("%s has the fingerprint of %s", name, before)
		}
		seen[other.Fingerprint()] = name
	}
	same := one
	same.Position, same.Time = Position{1, 2}, one.Time.Add(1)
	if same.Fingerprint() != one.Fingerprint() {
		t.Error("the place of a record changes its fingerprint")
	}
}
