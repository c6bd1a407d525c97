package readapi_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"

	"binnacle/events/fhir/rest"
	"binnacle/readapi"
	"binnacle/readapi/fhir"
)

// linksOf reads the Link header.
func linksOf(header http.Header) map[string]string {
	links := map[string]string{}
	for _, line := range header["Link"] {
		for part := range strings.SplitSeq(line, ", ") {
			target, relation, _ := strings.Cut(part, ">; rel=")
			links[strings.Trim(relation, `"`)] = strings.TrimPrefix(target, "<")
		}
	}
	return links
}

// inHeader is a link of a bundle as the header has it, where a comma divides links.
func inHeader(link string) string { return strings.ReplaceAll(link, ",", "%2C") }

// walkHeader follows the links of one relation by the Link header alone, while each page is written beside; longest
// is the longest _page token.
func walkHeader(t *testing.T, server *readapi.Server, link, relation string, between func()) (pages [][]string,
	last string, longest int) {
	t.Helper()
	for link != "" {
		last = link
		w := get(server, link)
		b := bundleOf(t, w)
		ids := b.ids
		if b.kind == "history" {
			ids = entries(b)
		}
		links := linksOf(w.Header())
		for _, name := range []string{"next", "previous"} {
			if inHeader(b.links[name]) != links[name] {
				t.Fatalf("%s: %q in the bundle, %q in the header", name, b.links[name], links[name])
			}
			_, token, _ := strings.Cut(links[name], "_page=")
			longest = max(longest, len(token))
		}
		pages, link = append(pages, ids), links[relation]
		between()
		if len(pages) > 1_000 {
			t.Fatal("the links go on for ever")
		}
	}
	return pages, last, longest
}

func TestHundredsOfPagesAreWalkedForthAndBackByTheHeader(t *testing.T) {
	s := newStore(t)
	for i := range 240 {
		of := []string{"Patient", "Person"}[i%2]
		s.put(of, fmt.Sprintf("p%03d", (i*7)%240), fmt.Sprintf(`{"resourceType":%q,"name":[{"family":"F%02d"}]}`, of,
			i%20))
		s.put("Basic", "1", fmt.Sprintf(`{"resourceType":"Basic","code":{"text":"%d"}}`, i))
	}
	server := s.server()
	writes := 0
	write := func() {
		if writes++; writes%5 == 0 {
			s.put("Patient", fmt.Sprintf("p%03d", (writes*14)%240),
				`{"resourceType":"Patient","name":[{"family":"F07"}]}`)
			s.delete("Person", fmt.Sprintf("p%03d", (writes*7)%240))
			s.put("Basic", "1", fmt.Sprintf(`{"resourceType":"Basic","code":{"text":"later %d"}}`, writes))
		}
	}
	form := request{method: http.MethodPost, target: "/fhir/Patient/_search", body: "_sort=family&_count=1&name=F",
		headers: []string{"Content-Type: application/x-www-form-urlencoded"}}
	for name, c := range map[string]struct {
		first, all string
		pages      int
	}{
		"a type": {"/fhir/Patient?_count=1", "/fhir/Patient?_count=1000", 0},
		"sorted": {"/fhir/Patient?_count=1&_sort=-family", "/fhir/Patient?_count=1000&_sort=-family",
			0},
		"sorted by two": {"/fhir/Patient?_count=1&_sort=family,-_id",
			"/fhir/Patient?_count=1000&_sort=family,-_id", 0},
		"types": {"/fhir?_type=Patient,Person&_count=2", "/fhir?_type=Patient,Person&_count=1000", 0},
		"types by id": {"/fhir?_type=Patient,Person&_count=2&_sort=_id",
			"/fhir?_type=Patient,Person&_count=1000&_sort=_id", 0},
		"types by name": {"/fhir?_type=Patient,Person&_count=2&_sort=name",
			"/fhir?_type=Patient,Person&_count=1000&_sort=name", 0},
		"a history":              {"/fhir/Basic/1/_history?_count=2", "/fhir/Basic/1/_history?_count=1000", 0},
		"by POST, from its link": {"", "/fhir/Patient?_count=1000&_sort=family", 1},
	} {
		if c.first == "" {
			c.first = bundleOf(t, form.do(server)).links["next"]
		}
		all := bundleOf(t, get(server, c.all))
		want := all.ids
		if all.kind == "history" {
			want = entries(all)
		}
		pages, last, longest := walkHeader(t, server, c.first, "next", write)
		if got := slices.Concat(pages...); !slices.Equal(got, want[c.pages:]) {
			t.Errorf("%s: got\n%v, want\n%v", name, got, want)
		}
		back, _, further := walkHeader(t, server, last, "previous", write)
		if len(back) != len(pages)+c.pages {
			t.Fatalf("%s: %d pages forth and %d back", name, len(pages), len(back))
		}
		slices.Reverse(back)
		if got := slices.Concat(back...); !slices.Equal(got, want) {
			t.Errorf("%s: back there are\n%v, want\n%v", name, got, want)
		}
		if most := max(longest, further); most > 180 {
			t.Errorf("%s: a token of %d characters", name, most)
		}
	}
}

func TestAPageOfManyBytesEndsWhereTheOneAfterItBegins(t *testing.T) {
	s := newStore(t)
	for i := range 12 {
		s.put("Patient", fmt.Sprint(i), fmt.Sprintf(`{"resourceType":"Patient","name":[{"family":"%s"}]}`,
			strings.Repeat("x", 1_000*(i%4))))
		s.put("Basic", "1", fmt.Sprintf(`{"resourceType":"Basic","code":{"text":"%d%s"}}`, i,
			strings.Repeat("x", 1_000*(i%4))))
	}
	door, err := fhir.New(fhir.Config{Tenant: tenant, Reader: s.index, Blobs: s.blobs, Memos: s.memos,
		Catalog: s.catalog, Logger: slog.New(slog.DiscardHandler),
		Limits: fhir.Limits{PageBytes: 4_000}})
	if err != nil {
		t.Fatal(err)
	}
	address, err := rest.NewAddress("", "/fhir")
	if err != nil {
		t.Fatal(err)
	}
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ask := address.Ask(r)
		switch r.URL.Path {
		case "/fhir/Basic/1/_history":
			ask.Place = rest.Place{Type: "Basic", ID: "1"}
			err = rest.ReadHTTP(w, r, ask, door.History)
		case "/fhir":
			err = rest.ReadHTTP(w, r, ask, door.Search)
		default:
			ask.Place = rest.Place{Type: "Patient"}
			err = rest.ReadHTTP(w, r, ask, door.Search)
		}
		if err != nil {
			t.Errorf("%s: %v", r.URL, err)
		}
	})
	idsOf := func(pages []bundle) (ids []string) {
		for _, page := range pages {
			ids = append(ids, strings.Join(append(page.ids, fmt.Sprint(len(entries(page)))), " "))
		}
		return ids
	}
	for _, target := range []string{"/fhir/Patient?_count=10&_sort=_id", "/fhir?_type=Patient,Basic&_count=10",
		"/fhir/Basic/1/_history?_count=10"} {
		pages := walk(t, handler, bundleOf(t, get(handler, target)), "next")
		back := walk(t, handler, pages[len(pages)-1], "previous")
		seen := map[string]bool{}
		for _, page := range back {
			for entry := range page.node.Get("entry").Items() {
				key := entry.Get("fullUrl").Text() + " " + entry.Get("resource").Get("meta").Get("versionId").Text()
				if seen[key] {
					t.Errorf("%s: %s comes twice on the way back", target, key)
				}
				seen[key] = true
			}
		}
		forth := map[string]bool{}
		for _, page := range pages {
			for entry := range page.node.Get("entry").Items() {
				forth[entry.Get("fullUrl").Text()+" "+entry.Get("resource").Get("meta").Get("versionId").Text()] = true
			}
		}
		if len(pages) < 3 || len(forth) < 12 || len(seen) != len(forth) {
			t.Errorf("%s: %d pages %q, %d rows forth and %d back", target, len(pages), idsOf(pages), len(forth),
				len(seen))
		}
	}
}

func TestAHeaderThatWouldBeTooLongHasTheWayOnAlone(t *testing.T) {
	s := newStore(t)
	s.patients(9)
	server := s.server()
	for _, length := range []int{100, 1_500, 5_000} {
		target := "/fhir/Patient?_count=4&active=true,false&_id:not=x" + strings.Repeat(","+strings.Repeat("y", 49),
			length/50)
		w := get(server, target)
		var relations [][]string
		for {
			b := bundleOf(t, w)
			links := linksOf(w.Header())
			var names []string
			for name := range links {
				names = append(names, name)
				if links[name] != inHeader(b.links[name]) {
					t.Errorf("%d: %s is %.80q in the header and %.80q in the bundle", length, name, links[name],
						b.links[name])
				}
			}
			slices.Sort(names)
			relations = append(relations, names)
			if links["next"] == "" {
				break
			}
			w = get(server, links["next"])
		}
		want := [][]string{{"first", "next", "self"}, {"first", "next", "previous", "self"},
			{"first", "previous", "self"}}
		if length > 1_000 {
			want = [][]string{{"next"}, {"next"}, {"previous"}}
		}
		if fmt.Sprint(relations) != fmt.Sprint(want) {
			t.Errorf("%d characters: %v, want %v", length, relations, want)
		}
	}
}
