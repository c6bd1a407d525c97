package door_test

import (
	"fmt"
	"strings"
	"testing"

	"binnacle/functions/functionstest"
)

// TestAnEntryIsFoundByItsNameWhereverItIsNamed takes every way in which an entry of a transaction can have a name, with
// every way in which it can come about, and holds what becomes of the name in every place where it may stand.
func TestAnEntryIsFoundByItsNameWhereverItIsNamed(t *testing.T) {
	n := functionstest.NewNode(t)
	names := []struct{ name, full, as string }{ // %d is the case
		{"a UUID", "urn:uuid:00000000-0000-4000-8000-%012d", "urn:uuid:00000000-0000-4000-8000-%012d"},
		{"an OID", "urn:oid:1.2.%d", "urn:oid:1.2.%d"},
		{"a URL of another server", "https://src.example/r4/Patient/s%d", "https://src.example/r4/Patient/s%d"},
		{"what is relative to another server", "https://src.example/r4/Patient/s%d", "Patient/s%d"},
		{"a URL of this server", functionstest.Base + "/Patient/w%d", functionstest.Base + "/Patient/w%d"},
		{"what is relative to this server", functionstest.Base + "/Patient/w%d", "Patient/w%d"},
	}
	targets := []struct {
		name   string
		before bool // a Patient with the identifier is there, as Patient/p%d
		entry  func(full string, n int) string
	}{
		{"created", false, func(full string, n int) string {
			return functionstest.EntryOf(full, "POST", "Patient", functionstest.Patient("", fmt.Sprint("i", n)))
		}},
		{"updated under its id", true, func(full string, n int) string {
			id := fmt.Sprint("p", n)
			return functionstest.EntryOf(full, "PUT", "Patient/"+id, functionstest.Patient(id, fmt.Sprint("i", n, " ")))
		}},
		{"made under an id of the client", false, func(full string, n int) string {
			id := fmt.Sprint("p", n)
			return functionstest.EntryOf(full, "PUT", "Patient/"+id, functionstest.Patient(id, fmt.Sprint("i", n)))
		}},
		{"created on a condition", false, func(full string, n int) string {
			return functionstest.EntryOf(full, "POST", "Patient", functionstest.Patient("", fmt.Sprint("i", n)),
				fmt.Sprintf(`"ifNoneExist":"identifier=urn:s|i%d"`, n))
		}},
		{"found by a condition of a create", true, func(full string, n int) string {
			return functionstest.EntryOf(full, "POST", "Patient", functionstest.Patient("", fmt.Sprint("i", n)),
				fmt.Sprintf(`"ifNoneExist":"identifier=urn:s|i%d"`, n))
		}},
		{"updated on a condition", true, func(full string, n int) string {
			return functionstest.EntryOf(full, "PUT", fmt.Sprintf("Patient?identifier=urn:s|i%d", n),
				strings.Replace(functionstest.Patient("", fmt.Sprint("i", n)), "true", "false", 1))
		}},
		{"made by an update on a condition", false, func(full string, n int) string {
			return functionstest.EntryOf(full, "PUT", fmt.Sprintf("Patient?identifier=urn:s|i%d", n),
				functionstest.Patient("", fmt.Sprint("i", n)))
		}},
	}
	places := []struct{ name, text, kept string }{ // %s is the name, and what it becomes unless it is kept
		{"a reference", `"subject":{"reference":"%s"}`, ""},
		{"a reference with a fragment", `"subject":{"reference":"%s#part"}`, ""},
		{"a reference in an extension", `"extension":[{"url":"http://x","valueReference":{"reference":"%s"}}]`, ""},
		{"a reference in what is contained", `"contained":[{"resourceType":"Observation","id":"c","status":"final",` +
			`"code":{"text":"x"},"subject":{"reference":"%s"}}],"hasMember":[{"reference":"#c"}]`, ""},
		{"a link of the Narrative", `"text":{"status":"generated","div":"<div><a href=\"%s\">x</a></div>"}`, ""},
		{"a URI in an extension", `"extension":[{"url":"http://x","valueUri":"%s"}]`, ""},
		{"the URL of an attachment", `"extension":[{"url":"http://x","valueAttachment":{"url":"%s"}}]`, ""},
		{"a text, which is no name", `"note":[{"text":"%s"}]`, "kept"},
		{"an identifier, which is no name", `"subject":{"identifier":{"system":"urn:ietf:rfc:3986","value":"%s"}}`, "kept"},
		{"a canonical, which is no name", `"instantiatesCanonical":"%s|1"`, "kept"},
	}
	count := 0
	for _, name := range names {
		for _, target := range targets {
			t.Run(name.name+" of what is "+target.name, func(t *testing.T) {
				count++
				full, as := fmt.Sprintf(name.full, count), fmt.Sprintf(name.as, count)
				if target.before {
					id := fmt.Sprint("p", count)
					n.Must(201, "PUT", "/Patient/"+id, functionstest.Patient(id, fmt.Sprint("i", count)))
				}
				// who names it stands on the same server as its name says
				of := func(m int) string {
					server, other := strings.CutSuffix(full, fmt.Sprint("Patient/s", count))
					if !other {
						return ""
					}
					return server + fmt.Sprint("Observation/o", m)
				}
				var entries []string
				for m, place := range places {
					entries = append(entries, functionstest.EntryOf(of(m), "POST", "Observation",
						functionstest.Observation(","+fmt.Sprintf(place.text, as))))
				}
				// what names it comes before it, so that nothing depends on the order
				entries = append(entries, target.entry(full, count))
				got := n.Must(200, "POST", "", functionstest.BundleOf("transaction", entries...))
				became := functionstest.NameOf(got.At(t, "entry", len(places), "response", "location"))
				for m, place := range places {
					want := fmt.Sprintf(place.text, became)
					if place.kept != "" {
						want = fmt.Sprintf(place.text, as)
					}
					stored := n.Stored(functionstest.NameOf(got.At(t, "entry", m, "response", "location")))
					if !strings.Contains(stored, want) {
						t.Errorf("%s: lacks %s: %s", place.name, want, stored)
					}
				}
			})
		}
	}
	n.Verified()
}
