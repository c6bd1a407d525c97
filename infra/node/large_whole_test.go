//go:build whole

package node

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"
)

// Bounds of the largest transaction: its entries, and what all of the process takes for it, bytes. docs/operations.md
// tells the second.
const (
	mostEntries = 100_000
	mostMemory  = 1_100 << 20
)

// largeTransaction has entries that refer to each other: to one patient of each ten, by UUIDs.
func largeTransaction(entries int) string {
	var b strings.Builder
	b.WriteString(`{"resourceType":"Bundle","type":"transaction","entry":[`)
	for n := range entries {
		if n > 0 {
			b.WriteByte(',')
		}
		name := func(n int) string { return fmt.Sprintf("urn:uuid:%08x-0000-4000-8000-000000000000", n) }
		resource := `{"resourceType":"Observation","status":"final","code":{"coding":[{"system":"http://loinc.org",` +
			`"code":"8302-2"}]},"subject":{"reference":"` + name(n/10*10) + `"},"effectiveDateTime":"2020-01-01",` +
			`"valueQuantity":{"value":` + fmt.Sprint(n) + `,"unit":"cm"}}`
		if n%10 == 0 {
			resource = `{"resourceType":"Patient","name":[{"family":"Family` + fmt.Sprint(n) + `"}],"link":[{"other":` +
				`{"reference":"` + name((n+10)%entries/10*10) + `"},"type":"seealso"}]}`
		}
		kind, _, _ := strings.Cut(strings.TrimPrefix(resource, `{"resourceType":"`), `"`)
		fmt.Fprintf(&b, `{"fullUrl":%q,"resource":%s,"request":{"method":"POST","url":%q}}`, name(n), resource, kind)
	}
	b.WriteString("]}")
	return b.String()
}

func TestATransactionMayHaveAHundredThousandEntriesThatReferToEachOther(t *testing.T) {
	p, limits := openVariant(t, "standalone")
	limits.OutcomeWait = 10 * time.Minute
	s := serve(t, p, limits)
	if got := request(s, "POST", "", largeTransaction(mostEntries+1)); got.status != http.StatusRequestEntityTooLarge ||
		issueOf(got.body).at != "Bundle.entry" {
		t.Errorf("one entry more: got %d %.300s", got.status, got.body)
	}
	r := httptest.NewRequest("POST", "http://server.example/fhir", strings.NewReader(largeTransaction(mostEntries)))
	r.Header.Set("Content-Type", "application/fhir+json")
	w := httptest.NewRecorder()
	s.Handler.ServeHTTP(w, r)
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	if taken := memory.Sys - memory.HeapReleased; taken > mostMemory {
		t.Errorf("the process has taken %d MiB, and %d are told to be the most", taken>>20, mostMemory>>20)
	}
	var answer struct {
		Entry []struct {
			Response struct{ Status, Location string }
		}
	}
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || w.Code != http.StatusOK ||
		len(answer.Entry) != mostEntries {
		t.Fatalf("got %d with %d entries (%v): %.300s", w.Code, len(answer.Entry), err, w.Body)
	}
	name := func(n int) string {
		name, _, _ := strings.Cut(strings.TrimPrefix(answer.Entry[n].Response.Location, "http://server.example/fhir/"),
			"/_history/")
		return name
	}
	for _, n := range []int{1, 9, mostEntries / 2, mostEntries - 1} {
		wanted := n / 10 * 10
		if n%10 == 0 {
			wanted = n + 10
		}
		if got := request(s, "GET", name(n), ""); !strings.Contains(got.body, `"reference":"`+name(wanted)+`"`) {
			t.Errorf("entry %d does not refer to %s: %.500s", n, name(wanted), got.body)
		}
	}
}
