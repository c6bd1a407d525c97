package infra

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"binnacle/events"
)

// exchange is one request to a server and its answer.
type exchange struct {
	status int
	header http.Header
	body   string
}

func exchanged(t *testing.T, server *httptest.Server, method, target, body string, headers ...string) exchange {
	t.Helper()
	if !strings.HasPrefix(target, "http") {
		target = server.URL + target
	}
	r, err := http.NewRequestWithContext(t.Context(), method, target, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/fhir+json")
	}
	for _, header := range headers {
		if name, value, found := strings.Cut(header, ": "); found {
			r.Header.Set(name, value)
		}
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return exchange{response.StatusCode, response.Header, string(data)}
}

func embedded(t *testing.T, flags ...string) (*Embedded, *httptest.Server) {
	t.Helper()
	e, err := Embed(t.Context(), slog.New(slog.DiscardHandler), append([]string{"--variant", "memory"}, flags...)...)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(e.Handler())
	t.Cleanup(func() {
		server.Close()
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return e, server
}

// found is what the tests look at in a bundle.
type found struct {
	Total int
	Link  []struct{ Relation, URL string }
	Entry []struct {
		FullURL  string
		Resource struct {
			ID    string
			Meta  struct{ VersionID string }
			Name  []struct{ Family string }
			Title string
		}
		Response struct{ Status, Location string }
	}
}

func bundleIn(t *testing.T, got exchange) found {
	t.Helper()
	var bundle found
	if err := json.Unmarshal([]byte(got.body), &bundle); err != nil || got.status != http.StatusOK {
		t.Fatalf("got %d %s: %v", got.status, got.body, err)
	}
	return bundle
}

func (f found) link(relation string) string {
	for _, link := range f.Link {
		if link.Relation == relation {
			return link.URL
		}
	}
	return ""
}

func person(id, family string) string {
	return fmt.Sprintf(`{"resourceType":"Patient","id":%q,"name":[{"family":%q}],"identifier":[{"system":"urn:s","value":%q}]}`, id, family, family)
}

func TestInterleavedTenantsAreWhatEachOfThemWroteAlone(t *testing.T) {
	e, server := embedded(t, "--tenants", "*", "--kafka-partitions", "4")
	names := []string{"main", "a", "b", "c.1", "D-2", "e_3"}
	partitions := map[int32]bool{}
	roots := map[string]string{"main": "/fhir"}
	for _, name := range names {
		partitions[events.PartitionOf(name, 4)] = true
		if name != "main" {
			roots[name] = "/t/" + name + "/fhir"
		}
	}
	if len(partitions) < 3 {
		t.Fatalf("the tenants lie in partitions %v: choose others", partitions)
	}
	type state struct {
		version int
		family  string // "": deleted
	}
	model := map[string]map[string]state{}
	for _, name := range names {
		model[name] = map[string]state{}
	}
	random := rand.New(rand.NewPCG(5, 6))
	for range 400 {
		tenant := names[random.IntN(len(names))]
		root, mine := roots[tenant], model[tenant]
		id, family := fmt.Sprint("p", random.IntN(4)), fmt.Sprint("f", random.IntN(3))
		before := mine[id]
		want := fmt.Sprint(events.PartitionOf(tenant, 4), ":")
		var got exchange
		switch random.IntN(6) {
		case 0:
			got = exchanged(t, server, "DELETE", root+"/Patient/"+id, "")
			if before.family != "" {
				mine[id] = state{before.version + 1, ""}
			}
		case 1: // the same key with another body each time in each tenant
			got = exchanged(t, server, "PUT", root+"/Patient/"+id, person(id, tenant), `Idempotency-Key: "`+tenant+`"`)
			if got.status == 422 || got.header.Get("Idempotent-Replayed") != "" { // the key has been used by this tenant
				continue
			}
			if before.family != tenant {
				mine[id] = state{before.version + 1, tenant}
			}
		case 2: // a condition sees this tenant alone
			matching := 0
			for _, s := range mine {
				if s.family == family {
					matching++
				}
			}
			got = exchanged(t, server, "POST", root, fmt.Sprintf(`{"resourceType":"Bundle","type":"transaction","entry":[{"resource":%s,"request":{"method":"PUT","url":"Patient/%s","ifNoneMatch":"*"}},`+
				`{"request":{"method":"GET","url":"Patient?identifier=urn:s|%s"}}]}`, person(id, family), id, family))
			if before.family != "" {
				if got.status != 412 {
					t.Fatalf("%s: a transaction on %s: got %d %s, want 412", tenant, id, got.status, got.body)
				}
				continue
			}
			mine[id] = state{before.version + 1, family}
			answer := bundleIn(t, got)
			if !strings.HasPrefix(answer.Entry[0].Response.Location, server.URL+root+"/Patient/"+id) {
				t.Errorf("%s: the location is %s", tenant, answer.Entry[0].Response.Location)
			}
			if n := strings.Count(got.body, `"fullUrl":"`+server.URL+root+"/Patient/"); n < matching+1 {
				t.Errorf("%s: the search in the transaction found %d of %d: %s", tenant, n, matching+1, got.body)
			}
		default:
			got = exchanged(t, server, "PUT", root+"/Patient/"+id, person(id, family))
			if before.family != family {
				mine[id] = state{before.version + 1, family}
			}
		}
		if got.status >= 300 || !strings.HasPrefix(got.header.Get("Binnacle-Position"), want) {
			t.Fatalf("%s: got %d %v %s, want a position in %s", tenant, got.status, got.header, got.body, want)
		}
	}
	for _, name := range names {
		root := roots[name]
		living := 0
		for _, id := range slices.Sorted(maps.Keys(model[name])) {
			want := model[name][id]
			got := exchanged(t, server, "GET", root+"/Patient/"+id, "")
			if want.family == "" {
				if got.status != 410 && want.version > 0 {
					t.Errorf("%s: %s: got %d, want 410", name, id, got.status)
				}
				continue
			}
			living++
			if got.status != 200 || got.header.Get("ETag") != fmt.Sprintf(`W/"%d"`, want.version) || !strings.Contains(got.body, `"family":"`+want.family+`"`) {
				t.Errorf("%s: %s: got %d %s %s, want version %d, %s", name, id, got.status, got.header.Get("ETag"), got.body, want.version, want.family)
			}
			history := bundleIn(t, exchanged(t, server, "GET", root+"/Patient/"+id+"/_history", ""))
			if history.Total != want.version {
				t.Errorf("%s: %s has a history of %d, want %d", name, id, history.Total, want.version)
			}
		}
		page := bundleIn(t, exchanged(t, server, "GET", root+"/Patient?_total=accurate", ""))
		if page.Total != living || len(page.Entry) != living {
			t.Errorf("%s: a search found %d (%d entries), want %d", name, page.Total, len(page.Entry), living)
		}
		for _, entry := range page.Entry {
			if !strings.HasPrefix(entry.FullURL, server.URL+root+"/Patient/") {
				t.Errorf("%s: the entry's address is %s", name, entry.FullURL)
			}
		}
	}
	if err := e.Verify(t.Context()); err != nil {
		t.Error(err)
	}
	metrics := exchanged(t, server, "GET", "/metrics", "").body
	for _, name := range names {
		if !strings.Contains(metrics, fmt.Sprintf(`binnacle_tenant_requests_total{status="2xx",tenant=%q}`, name)) {
			t.Errorf("no metrics of %s", name)
		}
	}
}

func TestOneTenantsTokensAndAddressesAreNothingToAnother(t *testing.T) {
	_, server := embedded(t, "--tenants", "a,b")
	for i := range 5 {
		for _, root := range []string{"/fhir", "/t/a/fhir", "/t/b/fhir"} {
			if got := exchanged(t, server, "PUT", fmt.Sprintf("%s/Patient/p%d", root, i), person(fmt.Sprint("p", i), "f")); got.status != 201 {
				t.Fatalf("got %d %s", got.status, got.body)
			}
		}
	}
	if got := exchanged(t, server, "PUT", "/t/a/fhir/Patient/only-a", person("only-a", "secret")); got.status != 201 {
		t.Fatalf("got %d %s", got.status, got.body)
	}
	elsewhere := func(link string) string { return strings.Replace(link, "/t/a/", "/t/b/", 1) }
	next := bundleIn(t, exchanged(t, server, "GET", "/t/a/fhir/Patient?_count=2", "")).link("next")
	if !strings.HasPrefix(next, server.URL+"/t/a/fhir/Patient?") {
		t.Fatalf("the next page is %q", next)
	}
	if got := exchanged(t, server, "GET", next, ""); got.status != 200 {
		t.Errorf("the next page: got %d %s", got.status, got.body)
	}
	if got := exchanged(t, server, "GET", elsewhere(next), ""); got.status != 400 {
		t.Errorf("a page token in another tenant: got %d %s, want 400", got.status, got.body)
	}
	posted := bundleIn(t, exchanged(t, server, "POST", "/t/a/fhir/Patient/_search?_count=2", "", "Content-Type: application/x-www-form-urlencoded")).link("next")
	gone := exchanged(t, server, "GET", elsewhere(posted), "")
	if got := exchanged(t, server, "GET", posted, ""); got.status != 200 || gone.status != 410 {
		t.Errorf("a kept search: got %d, in another tenant %d %s; want 200 and 410", got.status, gone.status, gone.body)
	}
	exchanged(t, server, "PUT", "/t/a/fhir/Patient/p0", person("p0", "g"))
	history := bundleIn(t, exchanged(t, server, "GET", "/t/a/fhir/Patient/p0/_history?_count=1", "")).link("next")
	exchanged(t, server, "PUT", "/t/b/fhir/Patient/p0", person("p0", "g"))
	if got := exchanged(t, server, "GET", elsewhere(history), ""); got.status != 400 {
		t.Errorf("a history's page token in another tenant: got %d %s, want 400", got.status, got.body)
	}
	observation := `{"resourceType":"Observation","status":"final","code":{"text":"x"},"subject":{"reference":"Patient/only-a"}}`
	if got := exchanged(t, server, "POST", "/t/b/fhir/Observation", observation); got.status != 409 {
		t.Errorf("a reference into another tenant: got %d %s, want 409", got.status, got.body)
	}
	if got := exchanged(t, server, "POST", "/t/a/fhir/Observation", observation); got.status != 201 {
		t.Errorf("a reference in the tenant: got %d %s, want 201", got.status, got.body)
	}
	conditional := strings.Replace(observation, "Patient/only-a", "Patient?identifier=urn:s|secret", 1)
	for root, want := range map[string]int{"/t/a/fhir": 200, "/t/b/fhir": 412, "/fhir": 412} {
		bundle := `{"resourceType":"Bundle","type":"transaction","entry":[{"resource":` + conditional + `,"request":{"method":"POST","url":"Observation"}}]}`
		if got := exchanged(t, server, "POST", root, bundle); got.status != want {
			t.Errorf("%s: a conditional reference: got %d %s, want %d", root, got.status, got.body, want)
		}
	}
	for path, want := range map[string]int{
		"/t/b/fhir/Patient/only-a": 404, "/fhir/Patient/only-a": 404, "/t/main/fhir/Patient/p0": 200, "/t/c/fhir/Patient/p0": 404, "/t/.a/fhir/Patient/p0": 404,
		"/t/a": 404, "/t/a/other": 404, "/t//fhir/Patient/p0": 404, "/t/a/fhir/metadata": 200, "/t/a/fhirx/Patient/p0": 404, "/t/a/t/b/fhir/Patient/p0": 404,
	} {
		if got := exchanged(t, server, "GET", path, ""); got.status != want {
			t.Errorf("%s: got %d %.200s, want %d", path, got.status, got.body, want)
		}
	}
	if got := exchanged(t, server, "PUT", "/t/c/fhir/Patient/p", person("p", "f")); got.status != 404 {
		t.Errorf("a write to a tenant that is not listed: got %d %s", got.status, got.body)
	}
	batch := `{"resourceType":"Bundle","type":"batch","entry":[{"request":{"method":"GET","url":"Patient/only-a"}},{"request":{"method":"GET","url":"` + server.URL + `/t/a/fhir/Patient/only-a"}},` +
		`{"request":{"method":"GET","url":"../../t/a/fhir/Patient/only-a"}},{"request":{"method":"GET","url":"/t/a/fhir/Patient/only-a"}}]}`
	if got := exchanged(t, server, "POST", "/t/b/fhir", batch); strings.Contains(got.body, "secret") || strings.Contains(got.body, `"status":"200`) {
		t.Errorf("a batch reads another tenant: %s", got.body)
	}
}

func TestNobodyMakesTenantsThatTheOperatorDidNotAllow(t *testing.T) {
	_, server := embedded(t)
	if got := exchanged(t, server, "PUT", "/t/mine/fhir/Patient/p", person("p", "f")); got.status != 404 || !strings.Contains(got.body, "mine") {
		t.Errorf("got %d %s, want a 404 that names the tenant", got.status, got.body)
	}
	if _, err := Embed(t.Context(), slog.New(slog.DiscardHandler), "--variant", "memory", "--tenants", "a b"); events.KindOf(err) != events.Invalid {
		t.Errorf("a tenant that is no name: got %v", err)
	}
}

func TestManyTenantsAreFewLabels(t *testing.T) {
	_, server := embedded(t, "--tenants", "*")
	for i := range 130 {
		exchanged(t, server, "GET", fmt.Sprintf("/t/x%d/fhir/Patient/p", i), "")
	}
	exchanged(t, server, "GET", "/t/-bad/fhir/Patient/p", "")
	metrics := exchanged(t, server, "GET", "/metrics", "").body
	if n := strings.Count(metrics, "binnacle_tenant_request_seconds_total{"); n != 101 {
		t.Errorf("%d labels, want 100 and one for the others", n)
	}
	if !strings.Contains(metrics, `binnacle_tenant_requests_total{status="4xx",tenant="(other)"} 30`) || strings.Contains(metrics, "-bad") {
		t.Error("the other tenants are not counted together, or one that there is not is counted")
	}
}
