package infra

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"binnacle/events"
)

// TestAReaderOfTheFeedGoesOnWhereItWas reads the feed of a server that runs, with a cursor, in several runs of the
// command.
func TestAReaderOfTheFeedGoesOnWhereItWas(t *testing.T) {
	folder := t.TempDir()
	_, server := embedded(t, "--variant", "standalone", "--data", folder)
	write := func(ids ...string) {
		for _, id := range ids {
			if got := exchanged(t, server, "PUT", "/fhir/Patient/"+id, person(id, "f")); got.status != 201 {
				t.Fatalf("a write: %d %s", got.status, got.body)
			}
		}
	}
	var got []string
	read := func(flags ...string) {
		t.Helper()
		code, out, errOut := try(t, append([]string{"tail", "--feed", "--variant", "standalone", "--data", folder,
			"--cursor", "reader"}, flags...)...)
		if code != 0 {
			t.Fatalf("exit code %d: %s", code, errOut)
		}
		for line := range strings.Lines(out) {
			_, rest, _ := strings.Cut(line, `"type":"Patient","id":"`)
			id, _, _ := strings.Cut(rest, `"`)
			got = append(got, id)
		}
	}
	until := func(want string) { // what is decided is in the feed a moment later
		t.Helper()
		for deadline := time.Now().Add(time.Minute); fmt.Sprint(got) != want; {
			if read(); time.Now().After(deadline) || len(fmt.Sprint(got)) > len(want) {
				t.Fatalf("got %v, want %s", got, want)
			}
		}
	}
	write("a", "b", "c")
	until("[a b c]")
	write("d", "e")
	until("[a b c d e]")
	read()
	until("[a b c d e]")
	got = nil
	read("--from", "0:3")
	until("[d e]")
	read()
	until("[d e]")
	got = nil
	read("--from", "0:3", "--tenant", "nope")
	read()
	until("[]") // a cursor moves past what its flags leave out
}

func TestRecordsOfAnotherDialectArePrintedWithTheirBytes(t *testing.T) {
	headers, value, err := events.Encode(events.Event{ID: "0190a5d4-7b6a-7c3e-9f00-0123456789ab", Tenant: "main",
		Dialect: "opaque",
		Changes: []events.Change{{Operation: events.Update, Type: "thing", ID: "a", Content: []byte{0, 'x', 255},
			Entry: -1}}})
	if err != nil {
		t.Fatal(err)
	}
	for want, c := range map[string]*tailCommand{
		`"dialect":"opaque","bytes":`:                                       {JSON: true},
		`"type":"thing","id":"a","bytes":3,"content64":"AHj/"`:              {JSON: true, Content: true},
		"0123456789ab  opaque: update thing/a (3 B)\n    \"\\x00x\\xff\"\n": {Content: true},
	} {
		var out bytes.Buffer
		if err := c.print(&out, events.RawRecord{Key: []byte("main"), Headers: headers, Value: value}); err != nil ||
			!strings.Contains(out.String(), want) {
			t.Errorf("got %s, %v, want %q in it", out.String(), err, want)
		}
	}
}
