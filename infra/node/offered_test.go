package node

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"binnacle/events/fhir/rest"
	"binnacle/readapi"
)

// offer is one case of what a node offers: a request to a row of the table, and what becomes of it. It is made alone,
// as an entry of a batch and as an entry of a transaction, each time with another {id}, and the answers must say the
// same.
type offer struct {
	name    string   // a sentence
	row     string   // that answers: method and shape of path, "GET /:type/:id"
	given   []string // requests before it, which must be done: "PUT Patient/{id} {…}", and headers on further lines
	ask     string   // method and URL below the root: "PUT Patient/{id}"
	body    string
	headers []string // "If-Match: W/\"1\""
	status  int
	code    string   // of a refusal: the issue's code
	at      string   // of a refusal: the place in an entry, "resource.id" or "request.url"
	holds   []string // what the answer's body, or the resource of the entry, has in it
	then    []string // requests behind it, with status and what the body holds: "GET Patient/{id} 200 text"

	// what a request alone has and an entry can't have, which is why it is not made as one; "": nothing
	onlyAlone string
	later     string // a request before it that is answered later, at {later}
	asked     bool   // the request itself is to be answered later
	never     bool   // and whose answer never comes
	inBundle  int    // the status as an entry, where the request is nothing that bundles offer; 0: the same
}

// offers are the cases. Whoever adds a row to the table adds its cases: the walk fails for a row that has none, and
// for a status of [rest.About] that no case comes to. What every row refuses in the same way, the walk makes up of
// the row's first case (see derived).
func offers() []offer {
	return slices.Concat(readOffers, historyOffers, searchOffers, writeOffers, patchOffers, bundleOffers, laterOffers, binaryOffers)
}

// ways are how a case is made.
var ways = []string{"alone", "batch", "transaction", "later"}

// TestEachRowIsOfferedAloneInABatchAndInATransaction walks the table of what a node offers on both SQL drivers.
func TestEachRowIsOfferedAloneInABatchAndInATransaction(t *testing.T) {
	for _, variant := range []string{"standalone", "distributed"} {
		t.Run(variant, func(t *testing.T) {
			p, limits := openVariant(t, variant)
			limits.MaxBody = offerBody
			w := &offerWalk{served: serve(t, p, limits), seen: map[string]bool{}}
			// the first read compares the index with the log; nothing is under way yet that it could lack
			w.ask(http.StatusNotFound, "GET", "/fhir/Patient/nobody", "")
			rows := w.meaning.Load().handler.(*readapi.Server).Table().Rows()
			w.rows = rows
			cases := append(offers(), derived(rows, offers())...)
			// many at once: on the distributed variant each write takes its time
			t.Run("cases", func(t *testing.T) {
				for n, c := range cases {
					t.Run(c.name, func(t *testing.T) {
						t.Parallel()
						var alone answered
						for _, way := range ways {
							w.walk(t, c, &alone, fmt.Sprintf("o%d%s", n, way[:1]), way)
						}
					})
					for _, way := range ways {
						w.seen[way+" "+c.row+" "+strconv.Itoa(c.status)] = true
					}
				}
			})
			w.complete(t, rows)
		})
	}
}

// offerBody is the largest body of these nodes, bytes.
const offerBody = 1 << 20

// offerWalk makes the cases on one node.
type offerWalk struct {
	*served
	rows []rest.Row
	seen map[string]bool // way, row and status that a case comes to
}

// complete holds that each row has a case of what goes well, and one of each status that it is told to have.
func (w *offerWalk) complete(t *testing.T, rows []rest.Row) {
	t.Helper()
	for _, row := range rows {
		if row.Instead != "" {
			continue
		}
		if row.About.Summary == "" || len(row.About.Statuses) == 0 {
			t.Errorf("%s %s: rest.Row.About tells nothing of it", row.Method, row.Path)
		}
		for _, status := range slices.Concat(row.About.Statuses, rest.StatusesOfAll) {
			if !w.seen["alone "+row.Method+" "+row.Path+" "+strconv.Itoa(status)] {
				t.Errorf("%s %s is told to answer %d, and no case comes to it", row.Method, row.Path, status)
			}
		}
	}
	for key := range w.seen {
		_, of, _ := strings.Cut(key, " ")
		method, rest, _ := strings.Cut(of, " ")
		at := strings.LastIndexByte(rest, ' ')
		if !slices.ContainsFunc(rows, func(r restRow) bool { return r.Method == method && r.Path == rest[:at] }) {
			t.Errorf("a case is of the row %s %s, which the table does not have", method, rest[:at])
		}
	}
}

type restRow = rest.Row

// walk makes a case in one way. alone is the answer of the first one.
func (w *offerWalk) walk(t *testing.T, c offer, alone *answered, id, way string) {
	t.Helper()
	if (way == "batch" || way == "transaction") && c.onlyAlone != "" || way == "later" && c.asked {
		return
	}
	in := strings.NewReplacer("{id}", id, "{way}", way).Replace
	for _, given := range c.given {
		lines := strings.Split(in(given), "\n")
		method, rest, _ := strings.Cut(lines[0], " ")
		url, body, _ := strings.Cut(rest, " ")
		if got := w.send(t, method, url, body, lines[1:]...); got.status >= 300 {
			t.Fatalf("%s: %s %s, which is given: got %d %.300s", way, method, url, got.status, got.body)
		}
	}
	if c.later != "" {
		in = strings.NewReplacer("{id}", id, "{way}", way, "{later}", w.begin(t, c, in)).Replace
	}
	method, url, _ := strings.Cut(in(c.ask), " ")
	headers := make([]string, len(c.headers))
	for n, header := range c.headers {
		headers[n] = in(header)
	}
	want := c.status
	if way == "alone" {
		*alone = w.send(t, method, url, in(c.body), headers...)
		w.holdAlone(t, c, *alone, in)
	} else if way == "later" {
		w.holdLater(t, c, alone, method, url, in(c.body), headers, in)
	} else {
		if c.inBundle != 0 {
			want = c.inBundle
		}
		w.inBundle(t, c, alone, way, id, want, method, url, in(c.body), headers, in)
	}
	if want != c.status {
		return
	}
	for _, then := range c.then {
		parts := strings.SplitN(in(then), " ", 4)
		got := w.send(t, parts[0], parts[1], "")
		if strconv.Itoa(got.status) != parts[2] || len(parts) > 3 && !strings.Contains(got.body, parts[3]) {
			t.Errorf("%s, then %s %s: got %d %.500s, want %s", way, parts[0], parts[1], got.status, got.body,
				parts[2:])
		}
	}
}

// answered is an answer to a request.
type answered struct {
	status int
	header http.Header
	body   string
}

// holdAlone holds the answer of a request of its own.
func (w *offerWalk) holdAlone(t *testing.T, c offer, got answered, in func(string) string) {
	t.Helper()
	if got.status != c.status {
		t.Fatalf("alone: got %d, want %d: %.500s", got.status, c.status, got.body)
	}
	if c.code != "" {
		issue := issueOf(got.body)
		place, _ := strings.CutPrefix(c.at, "resource.")
		if issue.code != c.code || strings.HasPrefix(c.at, "resource.") && !strings.HasSuffix(issue.at, "."+place) {
			t.Errorf("alone: refused as %q at %q, want %q at …%s: %s", issue.code, issue.at, c.code, place, got.body)
		}
	}
	if kind := got.header.Get("Content-Type"); !strings.HasPrefix(c.ask, "HEAD ") && (kind == "") != (got.body == "") {
		t.Errorf("alone: the content type is %q of %.500q; a body has one, and nothing has none", kind, got.body)
	}
	for _, text := range c.holds {
		if !strings.Contains(got.body, in(text)) {
			t.Errorf("alone: the answer has no %q: %.500s", in(text), got.body)
		}
	}
}

// inBundle makes a case as an entry between two others, and holds what becomes of all three.
func (w *offerWalk) inBundle(t *testing.T, c offer, alone *answered, way, id string, want int, method, url, body string,
	headers []string, in func(string) string) {
	t.Helper()
	witness := func(n int) string {
		name := fmt.Sprintf("Basic/%s-%s-%d", id, way, n)
		return entryOf("PUT", name, `{"resourceType":"Basic","id":"`+name[len("Basic/"):]+`","code":{"text":"w"}}`, nil)
	}
	outer := slices.DeleteFunc(slices.Clone(headers), func(header string) bool {
		return conditionOf(header) != "" || strings.HasPrefix(header, "Content-Type")
	})
	got := w.send(t, "POST", "", `{"resourceType":"Bundle","type":"`+way+`","entry":[`+witness(0)+`,`+
		entryOf(method, url, body, headers)+`,`+witness(2)+`]}`, outer...)
	refused, place := want >= 400, "Bundle.entry[1]"
	if refused && want != http.StatusNotModified && c.at != "" && want == c.status {
		place += "." + c.at
	}
	done := "200"
	if refused && way == "transaction" && !w.afterwards(c, method) {
		if issue := issueOf(got.body); got.status != want || issue.at != place && want == c.status ||
			!strings.HasPrefix(issue.at, "Bundle.entry[1]") || c.code != "" && want == c.status && issue.code != c.code {
			t.Errorf("transaction: got %d, want %d, %s at %s: %.500s", got.status, want, c.code, place, got.body)
		}
		done = "404"
	} else {
		var bundle struct {
			Entry []struct {
				Response struct {
					Status, Location, Etag, LastModified string
					Outcome                              json.RawMessage
				}
				Resource json.RawMessage
			}
		}
		if err := json.Unmarshal([]byte(got.body), &bundle); err != nil || got.status != 200 || len(bundle.Entry) != 3 {
			t.Fatalf("%s: got %d %.500s", way, got.status, got.body)
		}
		entry := bundle.Entry[1]
		if entry.Response.Status != strconv.Itoa(want) {
			t.Fatalf("%s: got %s, want %d: %.500s", way, entry.Response.Status, want, got.body)
		}
		if issue := issueOf(string(entry.Response.Outcome)); refused && c.code != "" && want == c.status &&
			(issue.code != c.code || way == "batch" && !w.afterwards(c, method) && issue.at != place) {
			t.Errorf("%s: refused as %q at %q, want %q at %s", way, issue.code, issue.at, c.code, place)
		}
		if tag, modified := alone.header.Get("ETag"), alone.header.Get("Last-Modified"); want == c.status &&
			(entry.Response.Etag != tag || (entry.Response.LastModified == "") != (modified == "")) {
			t.Errorf("%s: the entry has the ETag %s, modified at %q, want %s, %q as alone", way, entry.Response.Etag,
				entry.Response.LastModified, tag, modified)
		}
		if alone.header.Get("Location") != "" && entry.Response.Location == "" {
			t.Errorf("%s: the entry has no location", way)
		}
		for _, text := range c.holds {
			if all := string(entry.Resource) + string(entry.Response.Outcome); want == c.status &&
				!strings.Contains(all, in(text)) {
				t.Errorf("%s: the entry has no %q: %.500s", way, in(text), all)
			}
		}
	}
	for _, n := range []int{0, 2} {
		if got := w.send(t, "GET", fmt.Sprintf("Basic/%s-%s-%d", id, way, n), ""); strconv.Itoa(got.status) != done {
			t.Errorf("%s: the entry beside it became %d, want %s", way, got.status, done)
		}
	}
}

// afterwards tells of a read that only what is stored makes wrong: its entry says so, and refuses nobody else.
func (w *offerWalk) afterwards(c offer, method string) bool {
	return (method == http.MethodGet || method == http.MethodHead) && c.at == "" && c.inBundle == 0
}

// send makes a request below the root.
func (w *offerWalk) send(t *testing.T, method, url, body string, headers ...string) answered {
	t.Helper()
	return request(w.served, method, url, body, headers...)
}

// issue is the first of an OperationOutcome.
type issue struct{ code, at string }

func issueOf(body string) issue {
	var outcome struct {
		Issue []struct {
			Code       string
			Expression []string
		}
	}
	if json.Unmarshal([]byte(body), &outcome) != nil || len(outcome.Issue) == 0 {
		return issue{}
	}
	return issue{outcome.Issue[0].Code, strings.Join(outcome.Issue[0].Expression, " ")}
}
