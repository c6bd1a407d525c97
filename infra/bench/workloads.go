package bench

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"golang.org/x/sync/errgroup"

	"binnacle/events/fhir"
	"binnacle/infra/load"
	"binnacle/infra/terminal"
)

// benchTarget is a server under measurement.
type benchTarget struct {
	variant string
	base    string   // of the FHIR API, no slash at the end
	pprof   string   // URL of the profiler; empty: none
	beside  []string // URLs of other servers that work for it
}

// workload is one kind of request, made anew for each time.
type workload struct {
	Name      string
	Writes    bool
	Alone     bool // with one client only
	Clients   int  // with so many clients only; 0: as many as were asked for
	Resources int  // that one request writes, where the rate counts resources; 0: it counts requests
	Make      func(r *rand.Rand) benchRequest
	Each      func(r *rand.Rand) func() benchRequest // makes the Make of each client; nil: all have that one
	Beside    *workload                              // what others do meanwhile; nil: nothing
	Warm      []string                               // paths that are asked for before anything is measured, so that caches hold what they can
}

// benchRequest is one request, and what follows on its answer within the same measured time.
type benchRequest struct {
	Method, Path string
	Body         []byte
	Type         string                             // of the body; "": what is FHIR's
	Then         func(location string) benchRequest // nil: nothing
	Want         string                             // the answer's body must hold it
	Later        bool                               // the answer is fetched later: Prefer: respond-async
	First        *benchRequest                      // what has to be there before; it is not timed; nil: nothing
}

// sample is what was read from the server to choose parameters from.
type sample struct {
	patients, observations []sampled
	codes, identifiers     []string
	families, dates        []string
	encounters             []string // ids

	mu        sync.Mutex
	shuffled  []int // of observations
	scattered int   // how many of them updates have taken
}

type sampled struct {
	id   string
	body []byte
}

// takeSample reads some of the server's patients and observations.
func takeSample(ctx context.Context, base string, seed uint64) (*sample, error) {
	client := load.NewHTTPClient(2)
	s := &sample{}
	seen := map[string]bool{}
	keep := func(list *[]string, value string) {
		if value != "" && !seen[value] {
			seen[value] = true
			*list = append(*list, value)
		}
	}
	err := eachResource(ctx, client, base+"/Patient?_count=200", 400, func(r fhir.Node) {
		s.patients = append(s.patients, sampled{id: r.Get("id").Text(), body: bytes.Clone(r.Raw())})
		for name := range r.Get("name").Items() {
			keep(&s.families, name.Get("family").Text())
		}
		for identifier := range r.Get("identifier").Items() {
			if system := identifier.Get("system").Text(); system != "" {
				keep(&s.identifiers, system+"|"+identifier.Get("value").Text())
			}
		}
	})
	if err != nil {
		return nil, err
	}
	err = eachResource(ctx, client, base+"/Observation?_count=500", 16_000, func(r fhir.Node) {
		s.observations = append(s.observations, sampled{id: r.Get("id").Text(), body: bytes.Clone(r.Raw())})
		for coding := range r.Get("code").Get("coding").Items() {
			keep(&s.codes, coding.Get("system").Text()+"|"+coding.Get("code").Text())
		}
		if id, is := strings.CutPrefix(r.Get("encounter").Get("reference").Text(), "Encounter/"); is && !seen["Encounter/"+id] {
			seen["Encounter/"+id] = true
			s.encounters = append(s.encounters, id)
		}
		if date := r.Get("effectiveDateTime").Text(); len(date) >= 10 {
			keep(&s.dates, date[:10])
		}
	})
	if err != nil {
		return nil, err
	}
	if len(s.patients) == 0 || len(s.observations) == 0 || len(s.codes) == 0 || len(s.dates) == 0 || len(s.families) == 0 || len(s.identifiers) == 0 {
		return nil, fmt.Errorf("the server at %s holds no patients with names and identifiers, or no observations with codes and dates, to choose parameters from; import some first (--files)", base)
	}
	return s, nil
}

// eachResource visits up to most resources of a search, page by page.
func eachResource(ctx context.Context, client *http.Client, link string, most int, visit func(fhir.Node)) error {
	for n := 0; link != "" && n < most; {
		body, err := fetch(ctx, client, link)
		if err != nil {
			return err
		}
		doc, err := fhir.Parse(body)
		if err != nil {
			return err
		}
		for entry := range doc.Root().Get("entry").Items() {
			if r := entry.Get("resource"); r.Get("id").Exists() {
				visit(r)
				n++
			}
		}
		link = ""
		for l := range doc.Root().Get("link").Items() {
			if l.Get("relation").Text() == "next" {
				link = l.Get("url").Text()
			}
		}
	}
	return nil
}

func fetch(ctx context.Context, client *http.Client, link string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, link, nil)
	if err != nil {
		return nil, err
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("GET %s: %s", link, load.Reason(response.Status, body))
	}
	return body, err
}

func pick[T any](r *rand.Rand, list []T) T { return list[r.IntN(len(list))] }

// Workloads lists what is measured.
func (s *sample) Workloads() []workload {
	search := func(name string, query func(r *rand.Rand) string) workload {
		return workload{Name: name, Make: func(r *rand.Rand) benchRequest { return benchRequest{Method: http.MethodGet, Path: "/" + query(r)} }}
	}
	code := func(r *rand.Rand) string { return url.QueryEscape(pick(r, s.codes)) }
	shapes := []workload{
		search("search code", func(r *rand.Rand) string { return "Observation?code=" + code(r) }),
		search("search code + date, newest first", func(r *rand.Rand) string {
			return "Observation?code=" + code(r) + "&date=ge" + pick(r, s.dates) + "&_sort=-date"
		}),
		search("search subject, newest first", func(r *rand.Rand) string {
			return "Observation?subject=Patient/" + pick(r, s.patients).id + "&_sort=-date"
		}),
		search("search subject + code", func(r *rand.Rand) string {
			return "Observation?subject=Patient/" + pick(r, s.patients).id + "&code=" + code(r)
		}),
		search("search identifier", func(r *rand.Rand) string { return "Patient?identifier=" + url.QueryEscape(pick(r, s.identifiers)) }),
		search("search family name", func(r *rand.Rand) string {
			name := pick(r, s.families)
			return "Patient?family=" + url.QueryEscape(name[:min(3, len(name))])
		}),
		search("search birthdate", func(r *rand.Rand) string {
			return fmt.Sprintf("Patient?birthdate=ge%d&_sort=birthdate", 1930+r.IntN(90))
		}),
		search("search value-quantity", func(r *rand.Rand) string {
			return fmt.Sprintf("Observation?value-quantity=gt%d&_count=20", r.IntN(200))
		}),
	}
	mix := workload{Name: "search mix", Make: func(r *rand.Rand) benchRequest { return pick(r, shapes).Make(r) }}
	later := func(w workload, name string, clients int) workload {
		now := w.Make
		w.Name, w.Clients = name, clients
		w.Make = func(r *rand.Rand) benchRequest {
			request := now(r)
			request.Later = true
			return request
		}
		return w
	}
	scattered := workload{Name: "scattered updates", Writes: true, Clients: 8, Resources: scatteredUpdates, Make: s.scatter}
	list := []workload{
		{Name: "write alone, then found", Writes: true, Alone: true, Make: s.createThenFind},
		{Name: "create", Writes: true, Make: s.create},
		{Name: "update", Writes: true, Make: s.update},
		{Name: "patch", Writes: true, Make: s.patch},
		{Name: "small transactions", Writes: true, Clients: 32, Make: smallTransaction},
		scattered,
		later(scattered, "scattered updates, fetched later", 8),
		later(mix, "search mix, fetched later", 8),
		s.reads(),
		{Name: "history pages", Make: s.history},
		mix,
		{Name: "search mix beside 16 writers", Make: mix.Make, Beside: &workload{Name: "create", Writes: true, Clients: 16, Make: s.create}},
		{Name: "patient searches", Clients: 10, Make: s.findPatient},
		{Name: "lives of nine types", Writes: true, Clients: 30, Each: living},
		{Name: "delete", Writes: true, Make: deletion},
		{Name: "delete, many clients", Writes: true, Clients: 30, Make: deletion},
		{Name: "patient searches after creates and deletes", Clients: 10, Make: s.findPatient},
	}
	list = append(list, binaries()...)
	if len(s.encounters) > 0 {
		list = append(list, workload{Name: "search 1,000 alternatives", Clients: 1, Make: s.findAmong})
	}
	for _, shape := range shapes {
		shape.Alone = true
		list = append(list, shape)
	}
	return list
}

// reads asks for one observation after the other.
func (s *sample) reads() workload {
	paths := make([]string, len(s.observations))
	for i, o := range s.observations {
		paths[i] = "/Observation/" + o.id
	}
	return workload{Name: "read by id", Warm: paths, Make: func(r *rand.Rand) benchRequest {
		return benchRequest{Method: http.MethodGet, Path: "/Observation/" + pick(r, s.observations).id}
	}}
}

// history asks for a page of the history of a type, of all types, of what came lately, or of one resource.
func (s *sample) history(r *rand.Rand) benchRequest {
	lately := time.Now().Add(-time.Duration(r.IntN(60)) * time.Second).UTC().Format(time.RFC3339)
	return benchRequest{Method: http.MethodGet, Want: `"history"`, Path: pick(r, []string{
		"/Observation/_history?_count=20", "/Patient/_history?_count=20", "/_history?_count=20",
		"/_history?_count=20&_since=" + lately, "/Observation/" + pick(r, s.observations).id + "/_history"})}
}

// create posts an observation of the sample with a new date, so that no two are alike.
func (s *sample) create(r *rand.Rand) benchRequest {
	return benchRequest{Method: http.MethodPost, Path: "/Observation", Body: s.altered(r, pick(r, s.observations).body)}
}

func (s *sample) createThenFind(r *rand.Rand) benchRequest {
	request := s.create(r)
	request.Then = func(location string) benchRequest {
		rest := strings.Split(location, "/Observation/")
		id, _, _ := strings.Cut(rest[len(rest)-1], "/")
		return benchRequest{Method: http.MethodGet, Path: "/Observation?_id=" + id, Want: id}
	}
	return request
}

func (s *sample) update(r *rand.Rand) benchRequest {
	o := pick(r, s.observations)
	return benchRequest{Method: http.MethodPut, Path: "/Observation/" + o.id, Body: s.altered(r, o.body)}
}

// patch does by a JSON Patch what update does.
func (s *sample) patch(r *rand.Rand) benchRequest {
	return benchRequest{Method: http.MethodPatch, Path: "/Observation/" + pick(r, s.observations).id,
		Body: fmt.Appendf(nil, `[{"op":"add","path":"/language","value":"x-%d"}]`, r.Uint64())}
}

// alteredLanguage is what altered puts in; an earlier run on the same server has put it in, too.
const alteredLanguage = `"language":"`

// altered gives an observation another language, in front.
func (s *sample) altered(r *rand.Rand, body []byte) []byte {
	before, after, earlier := bytes.Cut(bytes.TrimPrefix(bytes.TrimSpace(body), []byte("{")), []byte(alteredLanguage))
	if earlier {
		_, after, _ = bytes.Cut(after, []byte(","))
	}
	return append(fmt.Appendf(nil, `{%sx-%d",%s`, alteredLanguage, r.Uint64(), before), after...)
}

// counters gather what the clients of one measurement see.
type counters struct {
	mu       sync.Mutex
	latency  *hdrhistogram.Histogram
	errors   int64
	firstErr string
}

func (c *counters) add(took time.Duration, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		c.errors++
		if c.firstErr == "" {
			c.firstErr = err.Error()
		}
		return
	}
	_ = c.latency.RecordValue(took.Microseconds()) // out of range only above an hour
}

func (c *counters) result(name, unit string, clients int, elapsed time.Duration, watch *processWatch) measurement {
	m := measurement{Name: name, Clients: clients, Unit: unit, Count: c.latency.TotalCount(), Errors: c.errors, FirstErr: c.firstErr, Elapsed: elapsed}
	m.Rate = float64(m.Count) / elapsed.Seconds()
	m.P50, m.P95, m.P99, _ = load.Percentiles(c.latency)
	m.RSS, m.CPU, m.Beside = watch.Result(elapsed)
	return m
}

// warmers is the number of clients that warm a server.
const warmers = 16

// warm asks for what a workload wants warm, once.
func (w workload) warm(ctx context.Context, target *benchTarget) {
	client := newLoader(target.base, warmers)
	defer client.Close()
	var group errgroup.Group
	group.SetLimit(warmers)
	for _, path := range w.Warm {
		group.Go(func() error {
			_ = client.Perform(ctx, benchRequest{Method: http.MethodGet, Path: path}) // what fails is counted when it is measured
			return nil
		})
	}
	_ = group.Wait()
}

// besideMost is how long others go on at the most.
const besideMost = time.Hour

// runBeside calls fn while so many clients do a workload, and returns what they did.
func runBeside(ctx context.Context, target *benchTarget, w workload, clients int, seed uint64, fn func()) measurement {
	others, stop := context.WithCancel(ctx)
	defer stop()
	done := make(chan measurement, 1)
	go func() { done <- runWorkload(others, target, w, clients, besideMost, seed) }()
	fn()
	stop()
	return <-done
}

// runWorkload keeps so many clients busy for a time.
func runWorkload(ctx context.Context, target *benchTarget, w workload, clients int, duration time.Duration, seed uint64) measurement {
	client := newLoader(target.base, clients)
	defer client.Close()
	c := &counters{latency: load.NewHistogram()}
	watch := watchProcesses(target.base, target.beside)
	began := time.Now()
	var group errgroup.Group
	for i := range clients {
		group.Go(func() error {
			r := rand.New(rand.NewPCG(seed, uint64(i)))
			if w.Writes { // what was written in an earlier measurement is not written again
				r = rand.New(rand.NewPCG(seed^uint64(began.UnixNano()), uint64(i)))
			}
			next := func() benchRequest { return w.Make(r) }
			if w.Each != nil {
				next = w.Each(r)
			}
			for time.Since(began) < duration && ctx.Err() == nil {
				request := next()
				if request.First != nil {
					if err := client.Perform(ctx, *request.First); err != nil {
						c.add(0, err)
						continue
					}
				}
				started := time.Now()
				err := client.Perform(ctx, request)
				if err == nil || ctx.Err() == nil {
					c.add(time.Since(started), err)
				}
			}
			return nil
		})
	}
	_ = group.Wait() // clients count their errors themselves
	m := c.result(w.Name, "requests", clients, time.Since(began), watch)
	if w.Resources > 0 {
		m.Unit, m.Count, m.Rate = "resources", m.Count*int64(w.Resources), m.Rate*float64(w.Resources)
	}
	return m
}

// importWorkload sends the units of an import; its rate counts resources.
func importWorkload(ctx context.Context, target *benchTarget, phases [][]load.Unit, clients int, bar *terminal.Progress) measurement {
	c := &counters{latency: load.NewHistogram()}
	watch := watchProcesses(target.base, target.beside)
	p := load.NewPoster(target.base, clients, time.Minute)
	p.Run = load.NewRunID() // what was sent in an earlier run is sent and measured again
	var resources, total int64
	for _, phase := range phases {
		for _, u := range phase {
			total += u.Resources
		}
	}
	began := time.Now()
	var mu sync.Mutex
	for _, phase := range phases {
		var group errgroup.Group
		group.SetLimit(clients)
		for _, u := range phase {
			group.Go(func() error {
				started := time.Now()
				a, err := p.Send(ctx, u)
				if err == nil && len(a.Refused) > 0 {
					err = fmt.Errorf("%s %s", u.Name(), a.Refused[0].Reason)
				}
				c.add(time.Since(started), err)
				if err == nil {
					mu.Lock()
					resources += u.Resources
					bar.Set(resources, total)
					mu.Unlock()
				}
				return nil
			})
		}
		_ = group.Wait() // errors are counted
	}
	bar.Close()
	m := c.result("import", "resources", clients, time.Since(began), watch)
	m.Count = resources
	m.Rate = float64(resources) / m.Elapsed.Seconds()
	return m
}
