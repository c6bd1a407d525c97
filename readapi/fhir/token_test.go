package fhir

import (
	"bytes"
	"encoding/base64"
	"testing"

	"binnacle/events"
	"binnacle/events/eventstest"
)

func TestAPlaceComesBackFromItsToken(t *testing.T) {
	places := []place{
		{total: -1},
		{total: 0, snapshot: 7, asked: 1_770_000_000},
		{total: 1 << 40, snapshot: 1 << 60, asked: 1, edge: "\x00\xffa", back: true},
		{total: 3, snapshot: 7, edge: "a", matches: 50, shown: 1_000},
	}
	kept := &keptSearch{Secret: [32]byte{1, 2, 3}, id: searchID{9}}
	for _, want := range places {
		open, err := parseToken(want.open("code=1"))
		if err != nil {
			t.Fatal(err)
		}
		got, err := open.open()
		if err != nil || open.check("code=1") != nil || got != want {
			t.Errorf("open: got %+v (%v), want %+v", got, err, want)
		}
		text, err := want.seal(kept)
		if err != nil {
			t.Fatal(err)
		}
		sealed, err := parseToken(text)
		if err != nil || sealed.kept != kept.id {
			t.Fatalf("sealed: got the search %x (%v), want 09…", sealed.kept, err)
		}
		if got, err = sealed.unseal(kept.Secret); err != nil || got != want {
			t.Errorf("sealed: got %+v (%v), want %+v", got, err, want)
		}
	}
}

func TestATokenIsRefusedBesideAnotherSearchOrChanged(t *testing.T) {
	p := place{total: 3, snapshot: 5, edge: "after"}
	open, err := parseToken(p.open("code=1"))
	if err != nil {
		t.Fatal(err)
	}
	if err := open.check("code=2"); events.KindOf(err) != events.Invalid {
		t.Errorf("another search: got %v, want kind invalid", err)
	}
	text, err := p.seal(&keptSearch{Secret: [32]byte{1}, id: searchID{1}})
	if err != nil {
		t.Fatal(err)
	}
	data, _ := base64.RawURLEncoding.DecodeString(text)
	for i := range data {
		changed := bytes.Clone(data)
		changed[i] ^= 0x10
		sealed, err := parseToken(base64.RawURLEncoding.EncodeToString(changed))
		if err == nil {
			_, err = sealed.unseal([32]byte{1})
		}
		if events.KindOf(err) != events.Invalid {
			t.Errorf("byte %d changed: got %v, want kind invalid", i, err)
		}
	}
}

func TestASealedTokenShowsNothingOfItsPlace(t *testing.T) {
	p := place{total: 3, snapshot: 5, edge: "Schmidt|1970"}
	text, err := p.seal(&keptSearch{Secret: [32]byte{1}, id: searchID{1}})
	if err != nil {
		t.Fatal(err)
	}
	data, _ := base64.RawURLEncoding.DecodeString(text)
	if bytes.Contains(data, []byte("Schmidt")) {
		t.Errorf("the token %q shows a sort value", text)
	}
	again, _ := p.seal(&keptSearch{Secret: [32]byte{1}, id: searchID{1}})
	if again == text {
		t.Error("two tokens of one place are the same: the nonce was used twice")
	}
}

func FuzzTokensAreReadOrRefused(f *testing.F) {
	f.Add(place{total: 3, snapshot: 5, edge: "after"}.open("code=1"))
	sealed, _ := place{total: -1}.seal(&keptSearch{Secret: [32]byte{1}, id: searchID{1}})
	f.Add(sealed)
	f.Add("AQ")
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		var err error
		eventstest.Allocates(t, len(text), 64<<10, 64, func() {
			var page token
			if page, err = parseToken(text); err == nil {
				if page.form == sealedForm {
					_, err = page.unseal([32]byte{1})
				} else {
					_, err = page.open()
				}
			}
		})
		if err != nil && events.KindOf(err) != events.Invalid {
			t.Errorf("%q: got %v, want kind invalid", text, err)
		}
	})
}
