//go:build faults

package e2e

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

// costly are searches that take seconds among many resources: by conditions, orders, totals, includes, chains, several
// types at once, and long lists (IDS).
var costly = []string{
	"Observation?_sort=code,status,date&_count=1000",
	"Observation?_total=accurate&date=ge1900&value-quantity=gt0&status=final&_count=0",
	"Observation?subject:Patient.name:contains=a&encounter.location.name:contains=a&_total=accurate&_count=1000&_sort=status",
	"Encounter?_revinclude=*&_include=*&_count=1000",
	"Patient?_revinclude=Observation:patient&_revinclude:iterate=*&_count=1000",
	"Observation?code:not=8302-2&status:not=x&category:not=y&_total=accurate&_count=0",
	"?_type=Observation,Encounter,Condition,Procedure,Claim,Patient&_lastUpdated=gt2000&_sort=-_lastUpdated&_total=accurate&_count=1000",
	"Encounter?_has:Observation:encounter:_has:DiagnosticReport:result:patient.name:contains=a&_total=accurate&_count=1000",
	"Observation?patient.organization.name:contains=a&_total=accurate",
	"Observation/_search?encounter=IDS&_count=1000&_sort=status,code",
	"Observation/_search?encounter:not=IDS&_count=1000&_total=accurate",
	"Patient/_search?_has:Observation:patient:encounter=IDS&_total=accurate",
}

// TestNoSearchRunsPastItsLimit: neither a statement of the database nor what is done between two of them, by GET and by
// POST; and writes go on beside.
func TestNoSearchRunsPastItsLimit(t *testing.T) {
	const limit, late = 15 * time.Millisecond, 2 * time.Second // a machine that others use is late by itself
	for _, variant := range []string{"standalone", "distributed"} {
		t.Run(variant, func(t *testing.T) {
			i := newInstallation(t, plain, variant, addresses(t, variant))
			folder := t.TempDir()
			i.run("bench", "generate", "--resources", "20000", "--out", folder)
			i.run("import", "--bulk", "--dangling", folder)
			n := i.start("--search-timeout", limit.String())
			var ids []string
			n.await(time.Minute, "able to list encounters", func() bool {
				r, err := n.try("GET", "/Encounter?_count=200&_summary=true&_total=none", "")
				if err == nil && r.status == http.StatusOK {
					for _, e := range bundleOf(t, r.body).Entry {
						ids = append(ids, e.Resource.ID)
					}
				}
				return len(ids) > 0
			})
			ended := 0
			for range 2 { // the second time things are in memory
				for _, search := range costly {
					path, query, _ := strings.Cut(search, "?")
					began := time.Now()
					ask := func() (reply, error) { return n.try("GET", "/"+search, "") }
					if strings.HasSuffix(path, "/_search") {
						form := strings.ReplaceAll(query, "IDS", strings.Join(ids, ","))
						ask = func() (reply, error) {
							return n.try("POST", "/"+path, form, "Content-Type", "application/x-www-form-urlencoded")
						}
					}
					r, err := ask()
					if err != nil {
						t.Fatal(err)
					}
					if took := time.Since(began); took > limit+late {
						t.Errorf("%.100s took %v, the limit is %v", search, took, limit)
					}
					switch {
					case r.status == http.StatusUnprocessableEntity && strings.Contains(string(r.body), "too-costly"):
						ended++
					case r.status != http.StatusOK:
						t.Errorf("%.100s: %d %.300s", search, r.status, r.body)
					}
				}
				began := time.Now()
				n.do(http.StatusCreated, "POST", "/Observation", `{"resourceType":"Observation","status":"final","code":{"text":"x"}}`, "If-None-Exist", "status=final&value-quantity=gt99999999")
				if took := time.Since(began); took > late {
					t.Errorf("a condition held the projector for %v", took)
				}
			}
			if ended < len(costly)/3 {
				t.Errorf("%d searches met their limit: nothing was shown", ended)
			}
		})
	}
}
