package pages

import (
	"bytes"
	"encoding/base64"
	"testing"

	"binnacle/events"
	"binnacle/events/eventstest"
)

func TestAPlaceComesBackFromItsToken(t *testing.T) {
	places := []Place{
		{Total: -1},
		{Total: 0, Snapshot: 7, Asked: 1_770_000_000},
		{Total: 1 << 40, Snapshot: 1 << 60, Asked: 1, Edge: "\x00\xffa", Back: true},
		{Total: 3, Snapshot: 7, Edge: "a", Matches: 50, Shown: 1_000},
	}
	kept, secret := [32]byte{9}, [32]byte{1, 2, 3}
	for _, want := range places {
		open, err := Parse(want.Open("code=1"))
		if err != nil {
			t.Fatal(err)
		}
		got, err := open.Place()
		if err != nil || open.Check("code=1") != nil || got != want {
			t.Errorf("open: got %+v (%v), want %+v", got, err, want)
		}
		text, err := want.Seal(kept, secret)
		if err != nil {
			t.Fatal(err)
		}
		sealed, err := Parse(text)
		if err != nil || sealed.Kept != kept {
			t.Fatalf("sealed: got the search %x (%v), want 09…", sealed.Kept, err)
		}
		if got, err = sealed.Unseal(secret); err != nil || got != want {
			t.Errorf("sealed: got %+v (%v), want %+v", got, err, want)
		}
	}
}

func TestATokenIsRefusedBesideAnotherSearchOrChanged(t *testing.T) {
	p := Place{Total: 3, Snapshot: 5, Edge: "after"}
	open, err := Parse(p.Open("code=1"))
	if err != nil {
		t.Fatal(err)
	}
	if err := open.Check("code=2"); events.KindOf(err) != events.Invalid {
		t.Errorf("another search: got %v, want kind invalid", err)
	}
	text, err := p.Seal([32]byte{1}, [32]byte{1})
	if err != nil {
		t.Fatal(err)
	}
	data, _ := base64.RawURLEncoding.DecodeString(text)
	for i := range data {
		changed := bytes.Clone(data)
		changed[i] ^= 0x10
		sealed, err := Parse(base64.RawURLEncoding.EncodeToString(changed))
		if err == nil {
			_, err = sealed.Unseal([32]byte{1})
		}
		if events.KindOf(err) != events.Invalid {
			t.Errorf("byte %d changed: got %v, want kind invalid", i, err)
		}
	}
}

func TestASealedTokenShowsNothingOfItsPlace(t *testing.T) {
	p := Place{Total: 3, Snapshot: 5, Edge: "Schmidt|1970"}
	text, err := p.Seal([32]byte{1}, [32]byte{1})
	if err != nil {
		t.Fatal(err)
	}
	data, _ := base64.RawURLEncoding.DecodeString(text)
	if bytes.Contains(data, []byte("Schmidt")) {
		t.Errorf("the token %q shows a sort value", text)
	}
	again, _ := p.Seal([32]byte{1}, [32]byte{1})
	if again == text {
		t.Error("two tokens of one place are the same: the nonce was used twice")
	}
}

func FuzzTokensAreReadOrRefused(f *testing.F) {
	f.Add(Place{Total: 3, Snapshot: 5, Edge: "after"}.Open("code=1"))
	sealed, _ := Place{Total: -1}.Seal([32]byte{1}, [32]byte{1})
	f.Add(sealed)
	f.Add("AQ")
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		var err error
		eventstest.Allocates(t, len(text), 64<<10, 64, func() {
			var page Token
			if page, err = Parse(text); err == nil {
				if page.Sealed() {
					_, err = page.Unseal([32]byte{1})
				} else {
					_, err = page.Place()
				}
			}
		})
		if err != nil && events.KindOf(err) != events.Invalid {
			t.Errorf("%q: got %v, want kind invalid", text, err)
		}
	})
}
