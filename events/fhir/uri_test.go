package fhir

import "testing"

func TestAURLIsBelowABaseHoweverItsHostIsWritten(t *testing.T) {
	for _, c := range []struct {
		text, base, rest string
		own              bool
	}{
		{"http://h/fhir/Patient/1", "http://h/fhir", "/Patient/1", true},
		{"HTTP://H:80/fhir/Patient/1", "http://h/fhir", "/Patient/1", true},
		{"https://h/fhir?x=1", "https://h:443/fhir", "?x=1", true},
		{"http://h/fhir", "http://h/fhir", "", true},
		{"http://h/fhir#x", "http://h/fhir", "#x", true},
		{"http://h/FHIR/Patient/1", "http://h/fhir", "http://h/FHIR/Patient/1", false}, // a path is what it is
		{"http://h/fhirs/Patient/1", "http://h/fhir", "http://h/fhirs/Patient/1", false},
		{"https://h:80/fhir/Patient/1", "http://h/fhir", "https://h:80/fhir/Patient/1", false},
		{"http://u@h/fhir/Patient/1", "http://h/fhir", "http://u@h/fhir/Patient/1", false},
		{"Patient/1", "http://h/fhir", "Patient/1", false},
		{"/fhir/Patient/1", "/fhir", "/Patient/1", true},
		{"http://h", "http://h/fhir", "http://h", false},
	} {
		if rest, own := Below(c.text, c.base); rest != c.rest || own != c.own {
			t.Errorf("%q below %q: got %q, %v; want %q, %v", c.text, c.base, rest, own, c.rest, c.own)
		}
	}
}

func TestURIsHaveOneKeyInAllTheirSpellings(t *testing.T) {
	for uri, want := range map[string]string{
		"URN:UUID:0000000A-0000-4000-8000-00000000000B": "urn:uuid:0000000a-0000-4000-8000-00000000000b",
		"urn:uuid:A#B":        "urn:uuid:a#B",
		"Urn:OID:1.2":         "urn:oid:1.2",
		"urn:X:Ab":            "urn:x:Ab",
		"urn:x":               "urn:x",
		"HTTP://U@Host:80/Ab": "http://U@host/Ab",
		"https://h:80/a":      "https://h:80/a",
		"Patient/A":           "Patient/A",
	} {
		if got := URIKey(uri); got != want {
			t.Errorf("%q: got %q, want %q", uri, got, want)
		}
	}
	for uri, want := range map[string]bool{"urn:uuid:1": true, "URN:Oid:1": true, "urn:uuid:": false,
		"urn:x:uuid:1": false, "http://h": false} {
		if got := IsPlaceholder(uri); got != want {
			t.Errorf("%q is a placeholder: got %v", uri, got)
		}
	}
}
