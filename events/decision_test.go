package events

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

// decisions are the golden ones: between them they use every field that the form has.
func decisions() map[string]Decision {
	when := time.Date(2026, 2, 3, 4, 5, 6, 789_000_000, time.UTC)
	outcome := Outcome{EventID: "0190a5d4-7b6a-7c3e-9f00-0123456789ab", Tenant: "clinic-7", Position: Position{3, 42}, Time: when}
	accepted, refused, poisoned, repeated := outcome, outcome, outcome, outcome
	removed := outcome
	removed.Results = []Result{
		{Disposition: Deleted, Type: "Observation", Removed: []Removed{{"Observation", "f", 2}, {"Observation", "g", 9}}},
		{Disposition: Deleted, Type: "Patient", ID: "a", Version: 3, Time: when, Removed: []Removed{{"Encounter", "ä", 5}}},
	}
	repeated.Repeats = "0190a5d4-7b6a-7c3e-9f00-0123456789aa"
	accepted.Results = []Result{
		{Disposition: Created, Type: "Patient", ID: "a", Version: 1, Hash: Hash{0xab, 31: 1}, Time: when, Links: []string{"Organization/b", "Patient/ä"}},
		{Disposition: Updated, Type: "Organization", ID: "b", Version: 7, Hash: Hash{1}, Time: when},
		{Disposition: Unchanged, Type: "Organization", ID: "c", Version: 2, Hash: Hash{2}, Time: when.Add(-time.Hour)},
		{Disposition: Matched, Type: "Patient", ID: "d", Version: 9, Hash: Hash{3}, Time: when.Add(-time.Hour)},
		{Disposition: Deleted, Type: "Observation", ID: "e", Version: 3, Time: when},
		{Disposition: NoEffect, Type: "Observation"},
	}
	refused.Refusal = &Refusal{Kind: Precondition, Change: 1, Text: `If-Match names version 2 of "Patient/a" & <others>`, Expression: "Bundle.entry[1]"}
	poisoned.Refusal = &Refusal{Kind: Internal, Text: "the record at 3:42 could not be projected and is in quarantine"}
	return map[string]Decision{
		"accepted":    {Outcome: accepted},
		"removed":     {Outcome: removed},
		"refused":     {Outcome: refused},
		"repeated":    {Outcome: repeated},
		"quarantined": {Outcome: poisoned, Quarantined: "deciding it: panic: index out of range"},
		"unread":      {Outcome: Outcome{Position: Position{3, 43}, Time: when}, Quarantined: "ce_specversion is \"0.3\""},
	}
}

func TestADecisionComesBackAsItWas(t *testing.T) {
	for name, want := range decisions() {
		_, value, err := EncodeDecision(want)
		if err != nil {
			t.Fatalf("%s: EncodeDecision: %v", name, err)
		}
		got, err := DecodeDecision(value)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v, %v\nwant %+v", name, got, err, want)
		}
	}
}

func TestEveryFormOfADecisionEverWrittenIsWrittenAndReadTheSameWay(t *testing.T) {
	for name, decision := range decisions() {
		headers, value, err := EncodeDecision(decision)
		if err != nil {
			t.Fatal(err)
		}
		var form bytes.Buffer
		for _, header := range headers {
			form.WriteString(header.Key + ": " + string(header.Value) + "\n")
		}
		form.WriteString("\n" + string(value) + "\n")
		path := filepath.Join("testdata", "decisions", "v1-"+name+".golden")
		want, err := os.ReadFile(path)
		if os.IsNotExist(err) && *updateGolden {
			if err := os.WriteFile(path, form.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if err != nil {
			t.Fatalf("%v; a new form gets its file with -update-golden", err)
		}
		if form.String() != string(want) {
			t.Errorf("%s is written as\n%s\nand was as\n%s", name, form.String(), want)
		}
		_, data, _ := strings.Cut(string(want), "\n\n")
		if got, err := DecodeDecision([]byte(data)); err != nil || !reflect.DeepEqual(got, decision) {
			t.Errorf("%s: the golden file reads as %+v, %v", name, got, err)
		}
	}
}

func TestWhatIsNoDecisionIsRefused(t *testing.T) {
	_, value, err := EncodeDecision(decisions()["accepted"])
	if err != nil {
		t.Fatal(err)
	}
	good := string(value)
	for name, bad := range map[string]string{
		"nothing":                      "",
		"another form":                 strings.Replace(good, `"form":1`, `"form":2`, 1),
		"an unknown field":             strings.Replace(good, `"form":1`, `"form":1,"more":1`, 1),
		"an unknown disposition":       strings.Replace(good, `"disposition":"created"`, `"disposition":"merged"`, 1),
		"no disposition":               strings.Replace(good, `"disposition":"created"`, `"disposition":""`, 1),
		"an operation that is another": strings.Replace(good, `"operation":"create"`, `"operation":"delete"`, 1),
		"half a hash":                  strings.Replace(good, `"hash":"ab00`, `"hash":"`, 1),
		"no position":                  strings.Replace(good, `"3:42"`, `"3"`, 1),
		"no time":                      strings.Replace(good, `2026-02-03T04:05:06.789Z`, "yesterday", 1),
		"no event":                     strings.Replace(good, `"event":"0190a5d4-7b6a-7c3e-9f00-0123456789ab"`, `"event":""`, 1),
		"another decision":             strings.Replace(good, `"decision":"accepted"`, `"decision":"refused"`, 1),
		"two at once":                  good + good,
		"a kind that is not known":     strings.Replace(good, `"changes"`, `"refusal":{"kind":"bad mood","change":0,"text":""},"changes"`, 1),
	} {
		if bad == good {
			t.Fatalf("%s: the test changes nothing", name)
		}
		if got, err := DecodeDecision([]byte(bad)); err == nil || KindOf(err) != Invalid {
			t.Errorf("%s: got %+v, %v, want an error of kind %s", name, got, err, Invalid)
		}
	}
}

func TestAReasonThatIsNotTextIsKeptAsText(t *testing.T) {
	d := decisions()["unread"]
	d.Quarantined = "the key \xff\xfe"
	_, value, err := EncodeDecision(d)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := DecodeDecision(value); err != nil || got.Quarantined != "the key \uFFFD\uFFFD" {
		t.Errorf("got %q, %v", got.Quarantined, err)
	}
}

func FuzzDecodeDecision(f *testing.F) {
	for _, d := range decisions() {
		_, value, err := EncodeDecision(d)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(value)
	}
	f.Fuzz(func(t *testing.T, value []byte) {
		d, err := DecodeDecision(value)
		if err != nil {
			if KindOf(err) != Invalid {
				t.Fatalf("kind %s: %v", KindOf(err), err)
			}
			return
		}
		_, again, err := EncodeDecision(d)
		if err != nil {
			t.Fatalf("what was read cannot be written: %v", err)
		}
		if back, err := DecodeDecision(again); err != nil || !reflect.DeepEqual(back, d) {
			t.Fatalf("got %+v, %v\nwant %+v", back, err, d)
		}
	})
}

func TestTheSizeOfADecisionIsBoundedByItsResults(t *testing.T) {
	when := time.Date(2026, 12, 31, 23, 59, 59, 999_000_000, time.UTC)
	name := strings.Repeat("x", 64)
	base := Outcome{EventID: name, Tenant: name, Position: Position{1<<31 - 1, 1<<63 - 1}, Time: when}
	for disposition := range dispositionNames {
		r := Result{Disposition: Disposition(disposition), Type: "MedicinalProductContraindication", ID: name, Version: 1<<63 - 1, Hash: Hash{1}, Time: when}
		for links := range 4 {
			r.Links = append(r.Links, strings.Repeat("Type/"+name, links))
			size := func(results ...Result) int {
				o := base
				o.Results = results
				_, value, err := EncodeDecision(Decision{Outcome: o})
				if disposition == 0 && err != nil {
					return 0 // not a disposition
				}
				if err != nil {
					t.Fatal(err)
				}
				return len(value)
			}
			if got := size(r, r) - size(r); got > r.MostBytes() {
				t.Errorf("%v with %d links takes %d bytes, %d are the most", r.Disposition, len(r.Links), got, r.MostBytes())
			}
		}
	}
}
