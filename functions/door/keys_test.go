package door

import (
	"strings"
	"testing"

	"binnacle/events"
)

// FuzzAnyKeyIsReadOrRefused: and a key in double quotes comes back as it was.
func FuzzAnyKeyIsReadOrRefused(f *testing.F) {
	for _, key := range []string{"", `a`, `"a"`, `"\"\\ !~"`, `"a`, `a"b`, `"\a"`, "\x00", "ä",
		strings.Repeat("x", maxKey+1)} {
		f.Add(key)
	}
	quoting := strings.NewReplacer(`\`, `\\`, `"`, `\"`)
	f.Fuzz(func(t *testing.T, text string) {
		key, err := readKey([]string{text})
		if err != nil && (events.KindOf(err) != events.Invalid || key != "") {
			t.Errorf("%q: got %q, %v", text, key, err)
		}
		if err == nil && (key == "" || len(key) > maxKey || !printable(key)) {
			t.Errorf("%q is read as %q", text, key)
		}
		if text == "" || len(text) > maxKey || !printable(text) {
			return
		}
		if again, err := readKey([]string{`"` + quoting.Replace(text) + `"`}); err != nil || again != text {
			t.Errorf("%q in quotes is read as %q, %v", text, again, err)
		}
	})
}

// FuzzAConditionalURLIsOfThisServerOrRefused: what is read of one is a part of it.
func FuzzAConditionalURLIsOfThisServerOrRefused(f *testing.F) {
	const base = "http://server.example/fhir"
	for _, text := range []string{"identifier=1", "?identifier=1", "Patient?identifier=1", "/Patient?a=b",
		base + "/Patient?a=b", "http://other/Patient?a=b", "Observation?a=b", "?", "", "a=b?c"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		query, err := criteriaOf(text, "Patient", base)
		if err != nil && (events.KindOf(err) != events.Invalid || query != "") {
			t.Errorf("%q: got %q, %v", text, query, err)
		}
		if !strings.HasSuffix(strings.TrimSpace(text), query) {
			t.Errorf("%q is read as %q", text, query)
		}
		if again, err := criteriaOf("Patient?"+query, "Patient", base); query != "" &&
			(err != nil || again != strings.TrimSpace(query) && again != query) {
			t.Errorf("%q with its type is read as %q, %v", query, again, err)
		}
	})
}
