package node

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"binnacle/events"
	"binnacle/infra/parts"
	"binnacle/projections"
)

// TestPatchesAreTheSameFromTheLog patches on both SQL drivers, many at once and in transactions. Then contents are lost
// and the index is made again: each version must have the same bytes, those that patches made too.
func TestPatchesAreTheSameFromTheLog(t *testing.T) {
	for _, variant := range []string{"standalone", "distributed"} {
		t.Run(variant, func(t *testing.T) {
			p, limits := openVariant(t, variant)
			w := &patchWalk{serve(t, p, limits)}
			w.ask(http.StatusNotFound, "GET", "/fhir/Patient/p", "")
			w.ask(http.StatusCreated, "PUT", "/fhir/Patient/p",
				"{\"resourceType\":\"Patient\", \"id\":\"p\",\n \"name\" : [ {\"text\":\"first\"} ],\n"+
					" \"extension\":[{\"url\":\"urn:w\",\"valueDecimal\":72.50}]}")
			w.concurrent()
			w.ask(http.StatusOK, "PATCH", "/fhir/Patient/p", `{"resourceType":"Parameters","parameter":[{"name":"operation",`+
				`"part":[{"name":"type","valueCode":"add"},{"name":"path","valueString":"Patient"},`+
				`{"name":"name","valueString":"birthDate"},{"name":"value","valueDate":"1970-03"}]}]}`)
			w.transaction()
			was := w.versions()
			if len(was) != patchesAtOnce+3 {
				t.Fatalf("there are %d versions", len(was))
			}
			w.verified(true, false)
			w.lose()
			w.same(was, "healed")
			w.lose()
			w.rebuilt(w.Feed)
			w.same(was, "rebuilt")
			w.lose()
			w.rebuilt(nil)
			w.verified(true, false)
			w.same(was, "decided anew")
		})
	}
}

const patchesAtOnce = 20

type patchWalk struct{ *served }

// concurrent adds to one list from many sides. No patch is lost.
func (w *patchWalk) concurrent() {
	var all sync.WaitGroup
	for n := range patchesAtOnce {
		all.Go(func() {
			got := request(w.served, "PATCH", "Patient/p",
				fmt.Sprintf(`[{"op":"add","path":"/name/-","value":{"text":"n%d."}}]`, n), jsonPatch)
			if got.status != http.StatusOK {
				w.Errorf("patch %d: got %d %s", n, got.status, got.body)
			}
		})
	}
	all.Wait()
	now := w.ask(http.StatusOK, "GET", "/fhir/Patient/p", "")
	for n := range patchesAtOnce {
		if strings.Count(now, fmt.Sprintf(`"n%d."`, n)) != 1 {
			w.Errorf("the name n%d is not there once: %s", n, now)
		}
	}
	if !strings.Contains(now, ` "extension":[{"url":"urn:w","valueDecimal":72.50}]`) {
		w.Errorf("what is not patched is another: %s", now)
	}
}

// transaction patches what refers to something that the same transaction makes.
func (w *patchWalk) transaction() {
	const entry = "urn:uuid:0190a5d4-7b6a-7c3e-9f00-0123456789ab"
	w.ask(http.StatusOK, "POST", "/fhir", `{"resourceType":"Bundle","type":"transaction","entry":[`+
		entryOf("PATCH", "Patient/p", `[{"op":"add","path":"/managingOrganization","value":{"reference":"`+entry+`"}}]`,
			[]string{jsonPatch})+
		`,{"fullUrl":"`+entry+`","resource":{"resourceType":"Organization","name":"o"},`+
		`"request":{"method":"POST","url":"Organization","ifNoneExist":"name=o"}}]}`)
	if now := w.ask(http.StatusOK, "GET", "/fhir/Patient/p", ""); !strings.Contains(now,
		`"managingOrganization":{"reference":"Organization/`) {
		w.Errorf("the reference is not resolved: %s", now)
	}
}

// versions are what reads of all versions answer, the oldest first.
func (w *patchWalk) versions() (bodies []string) {
	for n := 1; ; n++ {
		got := request(w.served, "GET", fmt.Sprintf("Patient/p/_history/%d", n), "")
		if got.status != http.StatusOK {
			return bodies
		}
		bodies = append(bodies, got.body)
	}
}

func (w *patchWalk) same(was []string, how string) {
	w.Helper()
	now := w.versions()
	if len(now) != len(was) {
		w.Fatalf("%s, there are %d versions, want %d", how, len(now), len(was))
	}
	for n, body := range now {
		if body != was[n] {
			w.Errorf("%s, version %d is %s, want %s", how, n+1, body, was[n])
		}
	}
}

// lose takes the contents of all versions away.
func (w *patchWalk) lose() {
	w.Helper()
	w.settle()
	key := projections.Key{Tenant: parts.DefaultTenant, Type: "Patient", ID: "p"}
	history, err := w.Generations.Live().Versions(w.Context(), projections.Span{Tenant: key.Tenant,
		Types: []string{key.Type}, Key: key, Limit: 100})
	if err != nil || len(history.Versions) != patchesAtOnce+3 {
		w.Fatalf("the history is %+v, %v", history, err)
	}
	var hashes []events.Hash
	for _, version := range history.Versions {
		hashes = append(hashes, version.Hash)
	}
	if err := w.Blobs.Delete(w.Context(), hashes); err != nil {
		w.Fatal(err)
	}
	if contents, err := w.Blobs.Get(w.Context(), hashes[:1]); err != nil || contents[0] != nil {
		w.Fatalf("a content is still there: %v", err)
	}
}
