package project_test

import (
	"context"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"binnacle/events"
	"binnacle/functions/functionstest"
	"binnacle/projections"
)

// TestAnUpdateToWhatIsThereIsNoChange: in every form of an update, whatever the white space and the server's own values
// are.
func TestAnUpdateToWhatIsThereIsNoChange(t *testing.T) {
	const content = `{"resourceType":"Observation","id":"o","status":"final","code":{"text":"x"},"identifier":[{"system":"urn:s","value":"1"}],"subject":{"reference":"Patient/p"},"valueQuantity":{"value":1.10}}`
	n := functionstest.NewNode(t)
	n.Must(201, "PUT", "/Patient/p", functionstest.Patient("p", "1"))
	n.Must(201, "PUT", "/Observation/o", content)
	read := n.Must(200, "PUT", "/Observation/o", content).Body
	spaced := strings.NewReplacer(`":`, `" : `, `,"`, ",\n  \"").Replace(read)
	same := map[string]string{
		"what was read":     read,
		"other white space": spaced,
		"other values of the server": strings.NewReplacer(`"versionId":"1"`, `"versionId":"77"`, `"lastUpdated":"2`,
			`"lastUpdated":"1`).Replace(read),
		"a meta at the end": strings.TrimSuffix(content, "}") +
			`,"meta":{"lastUpdated":"2020-01-01T00:00:00Z"}}`,
		"a reference in another form": strings.Replace(spaced, `"Patient/p"`, `"`+functionstest.Base+`/Patient/p"`, 1),
		"a link that is resolved":     strings.Replace(spaced, `"Patient/p"`, `"Patient?identifier=urn:s|1"`, 1),
	}
	other := map[string]string{
		"a number written otherwise": strings.Replace(content, "1.10", "1.1", 1),
		"another order of keys": strings.Replace(content, `"status":"final","code":{"text":"x"}`,
			`"code":{"text":"x"},"status":"final"`, 1),
		"another text": strings.Replace(content, `"x"`, `"x "`, 1),
	}
	forms := map[string]func(content string) (status, version string){
		"PUT": func(content string) (string, string) {
			got := n.Must(200, "PUT", "/Observation/o", content)
			return "200", got.Header.Get("ETag")
		},
		"PUT by a condition": func(content string) (string, string) {
			got := n.Must(200, "PUT", "/Observation?identifier=urn:s|1", content)
			return "200", got.Header.Get("ETag")
		},
	}
	for _, kind := range []string{"batch", "transaction"} {
		for _, url := range []string{"Observation/o", "Observation?identifier=urn:s|1"} {
			forms[url+" in a "+kind] = func(content string) (string, string) {
				got := n.Must(200, "POST", "", functionstest.BundleOf(kind,
					functionstest.EntryOf("", "PUT", url, content)))
				return got.At(t, "entry", 0, "response", "status"), got.At(t, "entry", 0, "response", "etag")
			}
		}
	}
	version := n.Must(200, "PUT", "/Observation/o", read).Header.Get("ETag")
	for form, put := range forms {
		for name, content := range same {
			if status, got := put(content); status != "200" || got != version {
				t.Errorf("%s of %s: got %s %s, want 200 %s", form, name, status, got, version)
			}
		}
		for name, changed := range other {
			if _, got := put(changed); got == version {
				t.Errorf("%s of %s: no new version", form, name)
			}
			version = n.Must(200, "PUT", "/Observation/o", content).Header.Get("ETag")
		}
	}
	n.Verified()
}

// readBlobs counts how many contents are asked for.
type readBlobs struct {
	projections.Blobs
	read atomic.Int64
}

func (b *readBlobs) Get(ctx context.Context, hashes []events.Hash) ([][]byte, error) {
	b.read.Add(int64(len(hashes)))
	return b.Blobs.Get(ctx, hashes)
}

// TestAnUpdateThatSaysAnotherThingReadsNoContent: what was decided lately is known well enough to tell.
func TestAnUpdateThatSaysAnotherThingReadsNoContent(t *testing.T) {
	blobs := &readBlobs{}
	n := functionstest.NewNode(t, func(n *functionstest.Node) {
		blobs.Blobs = n.Blobs
		n.Project.Blobs = blobs
	})
	n.Must(201, "PUT", "/Patient/p", functionstest.Patient("p", "0"))
	for version := range 10 {
		got := n.Must(200, "PUT", "/Patient/p", functionstest.Patient("p", strconv.Itoa(version+1)))
		if want := `W/"` + strconv.Itoa(version+2) + `"`; got.Header.Get("ETag") != want {
			t.Fatalf("got %s, want %s", got.Header.Get("ETag"), want)
		}
	}
	if read := blobs.read.Load(); read != 0 {
		t.Errorf("%d contents were read for updates that say another thing", read)
	}
	same := " " + functionstest.Patient("p", "10")
	if got := n.Must(200, "PUT", "/Patient/p", same).Header.Get("ETag"); got != `W/"11"` {
		t.Errorf("the same with other white space: got %s, want version 11", got)
	}
	if read := blobs.read.Load(); read != 1 {
		t.Errorf("%d contents were read to see that one says the same, want 1", read)
	}
	n.Verified()
}
