//go:build faults

package e2e

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"binnacle/events/fhir/rest"
)

// asking is a write under an Idempotency-Key, and what was answered to it.
type asking struct {
	key, method, path, body string
	headers                 []string
	want                    int    // status
	both                    string // an identifier that two entries of a transaction have; "": it is none
	answer                  reply  // the one that stands; status 0: nobody knows
}

// kept is a version that was acknowledged.
type kept struct {
	place    string // Type/id
	version  int64
	modified string // Last-Modified; "": it was not told
	deleted  bool
}

// author writes in all ways on resources of its own, one write after the other. So it knows what each answer must be.
type author struct {
	t       *testing.T
	name    string
	asked   []*asking // all but the last are answered
	kept    []kept
	checked int // of asked, those whose answers were checked to the last
	current map[string]kept
	patient string // a patient of this round of writes
	subject string // the patient of its transaction
}

func newAuthor(t *testing.T, name string) *author {
	return &author{t: t, name: name, current: map[string]kept{}}
}

// rounds of writes: each has a patient that comes, changes and goes.
const stepsOfRound = 10

// next is what is asked next.
func (a *author) next() *asking {
	n := len(a.asked)
	name := fmt.Sprint(a.name, "-", n)
	shared := fmt.Sprint(a.name, "-", n/(3*stepsOfRound)) // of three rounds
	resource := func(kind, system, value, more string) string {
		return fmt.Sprintf(`{"resourceType":%q,"identifier":[{"system":"urn:%s","value":%q}]%s}`, kind, system, value, more)
	}
	withID := func(place, language string) string {
		kind, id, _ := strings.Cut(place, "/")
		return fmt.Sprintf(`{"resourceType":%q,"id":%q,"language":%q}`, kind, id, language)
	}
	coded := func(more string) string { return `,"status":"final","code":{"text":"x"}` + more }
	asks := map[int]asking{
		0: {method: "POST", path: "/Patient", body: resource("Patient", "p", name, ""), want: 201},
		1: {method: "PUT", path: "/" + a.patient, body: withID(a.patient, name), headers: []string{"If-Match", `W/"1"`}, want: 200},
		2: {method: "POST", path: "/Organization", body: resource("Organization", "o", shared, ""),
			headers: []string{"If-None-Exist", "identifier=urn:o|" + shared}, want: 201},
		3: {method: "PUT", path: "/Practitioner?identifier=urn:c|" + shared,
			body: resource("Practitioner", "c", shared, fmt.Sprintf(`,"language":%q`, name)), want: 201},
		4: {method: "POST", both: name, want: 200, body: `{"resourceType":"Bundle","type":"transaction","entry":[` +
			`{"fullUrl":"urn:uuid:11111111-1111-4111-8111-111111111111","request":{"method":"POST","url":"Patient"},"resource":` +
			resource("Patient", "t", name, "") + `},{"request":{"method":"POST","url":"Observation"},"resource":` +
			resource("Observation", "t", name, coded(`,"subject":{"reference":"urn:uuid:11111111-1111-4111-8111-111111111111"}`)) + `}]}`},
		5: {method: "DELETE", path: "/" + a.subject, want: 409}, // the observation refers to it
		6: {method: "PUT", path: "/" + a.patient, body: withID(a.patient, "no"), headers: []string{"If-Match", `W/"1"`}, want: 412},
		7: {method: "DELETE", path: "/" + a.patient, want: 204},
		8: {method: "POST", path: "/Observation", want: 409,
			body: resource("Observation", "n", name, coded(fmt.Sprintf(`,"subject":{"reference":%q}`, a.patient)))},
		9: {method: "POST", path: "/Basic", body: resource("Basic", "b", name, `,"code":{"text":"x"}`), want: 201},
	}
	next := asks[n%stepsOfRound]
	if step := n % stepsOfRound; (step == 2 || step == 3) && n%(3*stepsOfRound) >= stepsOfRound {
		next.want = 200 // it is there since the first of three rounds
	}
	next.key = strconv.Quote("behind-" + name)
	return &next
}

// ask sends what is asked; false: nobody knows what became of it.
func (q *asking) ask(t *testing.T, base string) bool {
	t.Helper()
	r, err := sendWithin(bound, base+q.path, q.method, q.body, append([]string{"Idempotency-Key", q.key}, q.headers...)...)
	switch {
	case err != nil, r.status == http.StatusServiceUnavailable, r.status == http.StatusGatewayTimeout:
		return false
	case r.status != q.want:
		t.Errorf("%s %s under %s: status %d, want %d\n%.600s", q.method, q.path, q.key, r.status, q.want, r.body)
	}
	q.answer = r
	return true
}

// told is what an answer tells of a write.
func (q *asking) told() string {
	told := fmt.Sprint(q.answer.status)
	for _, name := range []string{"ETag", "Location", "Last-Modified", rest.HeaderPosition} {
		if q.answer.status < http.StatusBadRequest {
			told += " " + q.answer.header.Get(name)
		}
	}
	if q.both != "" {
		for _, e := range bundleEntries(q.answer.body) {
			told += " " + e.Response.Status + " " + e.Response.Location
		}
	}
	return told
}

func bundleEntries(body []byte) []struct {
	Response struct{ Status, Location string }
} {
	var b struct {
		Entry []struct {
			Response struct{ Status, Location string }
		}
	}
	_ = json.Unmarshal(body, &b) // a body that is none tells of no entry, which the comparison shows
	return b.Entry
}

// write asks on, until nobody answers, or for so many times.
func (a *author) write(base string, most int) {
	for range most {
		a.asked = append(a.asked, a.next())
		if !a.finish(base) {
			return
		}
	}
}

// finish asks for the last write, and notes what was acknowledged.
func (a *author) finish(base string) bool {
	q := a.asked[len(a.asked)-1]
	if q.answer.status == 0 && !q.ask(a.t, base) {
		return false
	}
	step := (len(a.asked) - 1) % stepsOfRound
	switch {
	case q.answer.status >= http.StatusBadRequest, step == 2 && q.want == http.StatusOK:
	case q.both != "":
		for k, e := range bundleEntries(q.answer.body) {
			if place := a.keep(e.Response.Location, ""); k == 0 {
				a.subject = place
			}
		}
	case q.method == "DELETE":
		place := strings.TrimPrefix(q.path, "/")
		a.note(kept{place: place, version: a.current[place].version + 1, deleted: true})
	case q.answer.header.Get("Location") == "":
		version, _ := strconv.ParseInt(strings.Trim(q.answer.header.Get("ETag"), `W/"`), 10, 64) // 0 is noticed
		place := strings.TrimPrefix(q.path, "/")
		if step == 3 {
			place = a.practitioner(q)
		}
		a.note(kept{place: place, version: version, modified: q.answer.header.Get("Last-Modified")})
	default:
		place := a.keep(q.answer.header.Get("Location"), q.answer.header.Get("Last-Modified"))
		if step == 0 {
			a.patient = place
		}
	}
	return true
}

// practitioner is the place of what a conditional update has updated.
func (a *author) practitioner(q *asking) string {
	var body struct{ ID string }
	if err := json.Unmarshal(q.answer.body, &body); err != nil || body.ID == "" {
		a.t.Errorf("an update under a condition doesn't tell what it updated: %v %.200s", err, q.answer.body)
	}
	return "Practitioner/" + body.ID
}

// keep notes the version that a location names, and returns its place.
func (a *author) keep(location, modified string) string {
	before, version, _ := strings.Cut(location, "/_history/")
	parts := strings.Split(before, "/")
	place := strings.Join(parts[max(0, len(parts)-2):], "/")
	number, err := strconv.ParseInt(version, 10, 64)
	if err != nil {
		a.t.Errorf("%q is not the location of a version", location)
	}
	a.note(kept{place: place, version: number, modified: modified})
	return place
}

func (a *author) note(k kept) {
	if before := a.current[k.place].version; k.version != before+1 {
		a.t.Errorf("%s: version %d was acknowledged after version %d", k.place, k.version, before)
	}
	a.current[k.place] = k
	a.kept = append(a.kept, k)
}

// check holds a node against what was acknowledged: whatever was not checked before, and what is current. Nothing of a
// write that nobody has acknowledged may be half there.
func (a *author) check(n *node) {
	a.t.Helper()
	unsure := len(a.asked) > 0 && a.asked[len(a.asked)-1].answer.status == 0
	if unsure && a.asked[len(a.asked)-1].both != "" {
		query := "?identifier=urn:t|" + a.asked[len(a.asked)-1].both
		patients, observations := n.found("Patient"+query), n.found("Observation"+query)
		if len(patients) != len(observations) || len(patients) > 1 {
			a.t.Errorf("of a transaction that nobody has acknowledged %d patients and %d observations are there",
				len(patients), len(observations))
		}
	}
	for a.unsettled() {
		if !a.finish(n.base) {
			time.Sleep(50 * time.Millisecond) // it is being decided
		}
	}
	for _, q := range a.asked[a.checked:] {
		again := *q
		for deadline := time.Now().Add(bound); !again.ask(a.t, n.base); time.Sleep(50 * time.Millisecond) {
			if time.Now().After(deadline) {
				a.t.Fatalf("%s %s under %s again: nobody answers within %v", q.method, q.path, q.key, bound)
			}
		}
		if again.told() != q.told() {
			a.t.Errorf("%s %s under %s: answered first\n%s\nand again\n%s", q.method, q.path, q.key, q.told(), again.told())
		}
	}
	a.checked = len(a.asked)
	for _, k := range a.kept {
		want := http.StatusOK
		if k.deleted {
			want = http.StatusGone
		}
		r := n.do(want, "GET", fmt.Sprintf("/%s/_history/%d", k.place, k.version), "")
		if modified := r.header.Get("Last-Modified"); k.modified != "" && modified != k.modified {
			a.t.Errorf("%s version %d: Last-Modified %s, acknowledged was %s", k.place, k.version, modified, k.modified)
		}
	}
	a.kept = nil
	for _, place := range slices.Sorted(maps.Keys(a.current)) {
		want := a.current[place]
		if want.deleted {
			n.do(http.StatusGone, "GET", "/"+place, "")
			continue
		}
		if got := n.do(http.StatusOK, "GET", "/"+place, "").header.Get("ETag"); got != fmt.Sprintf(`W/"%d"`, want.version) {
			a.t.Errorf("%s: ETag %s, acknowledged was version %d", place, got, want.version)
		}
	}
}

// unsettled tells whether nobody knows what became of the last write.
func (a *author) unsettled() bool {
	return len(a.asked) > 0 && a.asked[len(a.asked)-1].answer.status == 0
}

// look reads and searches what was written last.
func (a *author) look(n *node) {
	a.t.Helper()
	if len(a.asked) == 0 || a.unsettled() {
		return
	}
	q := a.asked[len(a.asked)-1]
	position := q.answer.header.Get(rest.HeaderPosition)
	if position == "" || q.method != "POST" || q.path == "/Organization" || q.answer.status != http.StatusCreated {
		return
	}
	system := map[string]string{"/Patient": "p", "/Basic": "b"}[q.path]
	name := strings.TrimPrefix(strings.Trim(q.key, `"`), "behind-")
	r, err := n.try("GET", fmt.Sprintf("%s?identifier=urn:%s|%s", q.path, system, name), "", rest.HeaderMinPosition, position)
	if err != nil || r.status == http.StatusServiceUnavailable {
		return // it is being killed
	}
	if r.status != http.StatusOK || len(bundleOf(a.t, r.body).Entry) != 1 {
		a.t.Errorf("a search at the position of %s finds %d %.300s", name, r.status, r.body)
	}
}

// counted tells how many resources of each type must be there.
func counted(authors []*author) map[string]int {
	count := map[string]int{}
	for _, a := range authors {
		for place, k := range a.current {
			kind, _, _ := strings.Cut(place, "/")
			if !k.deleted {
				count[kind]++
			}
		}
	}
	return count
}
