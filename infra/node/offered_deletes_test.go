package node

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"binnacle/infra/parts"
)

// seen is an Encounter of [person], and noted an Observation of that encounter.
const (
	seen  = `PUT Encounter/{id} {"resourceType":"Encounter","id":"{id}","status":"finished","class":{"code":"AMB"},"subject":{"reference":"Patient/{id}"}}`
	noted = `PUT Observation/{id}-n {"resourceType":"Observation","id":"{id}-n","status":"final","code":{"text":"x"},"encounter":{"reference":"Encounter/{id}"}}`
	third = `PUT Patient/{id}-3 {"resourceType":"Patient","id":"{id}-3","identifier":[{"system":"urn:s","value":"{id}"}]}`
	other = `PUT Patient/{id}-4 {"resourceType":"Patient","id":"{id}-4","identifier":[{"system":"urn:s","value":"{id}"}]}`
)

// manyOffers are what a node offers whose deletes may take three resources, and two more.
var manyOffers = []offer{
	{name: "all that fits is deleted", row: deleteConditionalRow, given: []string{person, twin}, ask: "DELETE " + byUs,
		status: 200, holds: []string{"Patient: deleted, 2 in all", "Patient/{id}-2: deleted, version 2"},
		then: []string{"GET Patient/{id} 410", "GET Patient/{id}-2 410", "GET Patient/{id}/_history 200 DELETE"}},
	{name: "nothing fits", row: deleteConditionalRow, ask: "DELETE " + byUs, status: 204},
	{name: "more fits than one delete may take", row: deleteConditionalRow, given: []string{person, twin, third, other},
		ask: "DELETE " + byUs, status: 422, code: "too-costly", at: "request.url", then: []string{"GET Patient/{id} 200"}},
	{name: "the version of one of several", row: deleteConditionalRow, given: []string{person, twin},
		ask: "DELETE " + byUs, headers: []string{`If-Match: W/"1"`}, status: 412, code: "multiple-matches",
		at: "request.url"},
	{name: "the version of the one that fits", row: deleteConditionalRow, given: []string{person}, ask: "DELETE " + byUs,
		headers: []string{`If-Match: W/"1"`}, status: 204, then: []string{"GET Patient/{id} 410"}},
	{name: "what fits is referred to", row: deleteConditionalRow, given: []string{person, twin, seen},
		ask: "DELETE " + byUs, status: 409, code: "conflict", at: "request.url", then: []string{"GET Patient/{id}-2 200"}},
	{name: "what refers to what fits goes, too", row: deleteConditionalRow, given: []string{person, twin, seen, noted},
		ask: "DELETE " + byUs + "&_cascade=delete", status: 200,
		holds: []string{"Patient: deleted, 4 in all", "Observation/{id}-n: deleted, version 2"},
		then:  []string{"GET Encounter/{id} 410", "GET Observation/{id}-n 410", "GET Patient/{id}-2 410"}},
	{name: "a delete without criteria", row: deleteConditionalRow, ask: "DELETE Patient", status: 400, code: "invalid",
		at: "request.url"},

	{name: "what refers to it goes, too", row: deleteRow, given: []string{person, seen, noted},
		ask: "DELETE Patient/{id}?_cascade=delete", status: 200,
		holds: []string{"Patient/{id}: deleted, version 2; 2 more went with it", "Encounter/{id}: deleted, version 2"},
		then:  []string{"GET Encounter/{id} 410", "GET Observation/{id}-n 410", "GET Observation?encounter={id} 200"}},
	{name: "a cascade that is asked for by its header", row: deleteRow, given: []string{person, seen},
		ask: "DELETE Patient/{id}", headers: []string{"X-Cascade: delete"}, status: 200,
		holds: []string{"Encounter/{id}: deleted"}, then: []string{"GET Encounter/{id} 410"}},
	{name: "more refers to it than may go", row: deleteRow, given: []string{person, seen, noted,
		`PUT Observation/{id}-m {"resourceType":"Observation","id":"{id}-m","status":"final","code":{"text":"x"},` +
			`"derivedFrom":[{"reference":"Observation/{id}-n"}]}`},
		ask: "DELETE Patient/{id}?_cascade=delete", status: 422, code: "too-costly", at: "request.url",
		then: []string{"GET Patient/{id} 200", "GET Observation/{id}-m 200"}},
	{name: "no cascade is asked for", row: deleteRow, given: []string{person, seen}, ask: "DELETE Patient/{id}",
		status: 409, code: "conflict", at: "request.url", holds: []string{"_cascade=delete"}},
	{name: "a cascade of a kind that is not known", row: deleteRow, given: []string{person},
		ask: "DELETE Patient/{id}?_cascade=expunge", status: 400, code: "invalid", at: "request.url"},
}

func TestDeletesTakeManyAloneInABatchAndInATransaction(t *testing.T) {
	for _, variant := range []string{"standalone", "distributed"} {
		t.Run(variant, func(t *testing.T) {
			p, limits := openVariant(t, variant)
			limits.ConditionalDelete, limits.DeleteLimit, limits.Cascade = parts.Multiple, 3, 2
			w := &offerWalk{served: serve(t, p, limits), seen: map[string]bool{}}
			w.ask(http.StatusNotFound, "GET", "/fhir/Patient/nobody", "")
			if got := w.send(t, "GET", "metadata", ""); !strings.Contains(got.body, `"conditionalDelete":"multiple"`) {
				t.Error("/metadata does not tell that conditional deletes may take several resources")
			}
			t.Run("cases", func(t *testing.T) {
				for n, c := range manyOffers {
					t.Run(c.name, func(t *testing.T) {
						t.Parallel()
						var alone answered
						for _, way := range ways {
							w.walk(t, c, &alone, fmt.Sprintf("d%d%s", n, way[:1]), way)
						}
					})
				}
			})
		})
	}
}
