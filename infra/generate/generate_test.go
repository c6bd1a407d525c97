package generate

import (
	"bytes"
	"compress/bzip2"
	"io"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"binnacle/events/fhir"
	"binnacle/infra/sample"
)

func newGenerator(t testing.TB, seed uint64) *Generator {
	t.Helper()
	loader, err := NewLoader(seed)
	if err != nil {
		t.Fatal(err)
	}
	names, err := fs.Glob(sample.Files, "*")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		file, err := sample.Files.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(bzip2.NewReader(file))
		if err != nil {
			t.Fatal(err)
		}
		if err := loader.Add(Source{Name: name, Body: body}); err != nil {
			t.Fatal(err)
		}
	}
	g, err := loader.Generator()
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func bundle(t testing.TB, g *Generator, number uint64) []byte {
	t.Helper()
	body, err := g.Patient(number).Bundle()
	if err != nil {
		t.Fatal(err)
	}
	return body
}

func TestTheSameSeedGivesTheSameBytesInAnyOrder(t *testing.T) {
	a, b, other := newGenerator(t, 7), newGenerator(t, 7), newGenerator(t, 8)
	var forward, backward [][]byte
	for n := range uint64(6) {
		forward = append(forward, bundle(t, a, n))
		backward = append(backward, bundle(t, b, 5-n))
	}
	slices.Reverse(backward)
	for n := range forward {
		if !bytes.Equal(forward[n], backward[n]) {
			t.Errorf("patient %d has other bytes when it is made in another order", n)
		}
		if bytes.Equal(forward[n], bundle(t, other, uint64(n))) {
			t.Errorf("patient %d is the same with another seed", n)
		}
	}
}

func TestIdsAreUniqueAndReferencesResolve(t *testing.T) {
	g := newGenerator(t, 1)
	shared, err := g.SharedResources()
	if err != nil {
		t.Fatal(err)
	}
	there := map[string]bool{}
	var all []Resource
	add := func(list []Resource) {
		for _, r := range list {
			name := r.Type + "/" + r.ID
			if there[name] {
				t.Errorf("%s is there twice", name)
			}
			there[name] = true
		}
		all = append(all, list...)
	}
	add(shared)
	for n := range uint64(12) {
		p := g.Patient(n)
		want := p.Resources
		made, err := p.All()
		if err != nil {
			t.Fatal(err)
		}
		if len(made) != want {
			t.Errorf("patient %d has %d resources, not %d as told before", n, len(made), want)
		}
		add(made)
	}
	followed := 0
	for _, r := range all[len(shared):] {
		resource, err := fhir.ParseResource(r.Content)
		if err != nil {
			t.Fatalf("%s/%s: %v", r.Type, r.ID, err)
		}
		if resource.Type != r.Type || resource.ID != r.ID {
			t.Errorf("%s/%s says of itself that it is %s/%s", r.Type, r.ID, resource.Type, resource.ID)
		}
		for _, part := range strings.Split(string(r.Content), `"reference":"`)[1:] {
			target, _, _ := strings.Cut(part, `"`)
			if strings.HasPrefix(target, "#") {
				continue
			}
			if followed++; !there[target] {
				t.Fatalf("%s/%s refers to %s, which is not there", r.Type, r.ID, target)
			}
		}
	}
	if followed < 1_000 {
		t.Errorf("only %d references were followed", followed)
	}
}

func TestABundleIsATransactionOfUpdatesOfItsOwnResources(t *testing.T) {
	g := newGenerator(t, 3)
	doc, err := fhir.Parse(bundle(t, g, 4))
	if err != nil {
		t.Fatal(err)
	}
	resources, err := g.Patient(4).All()
	if err != nil {
		t.Fatal(err)
	}
	if kind := doc.Root().Get("type").Text(); kind != "transaction" {
		t.Errorf("the bundle is a %q", kind)
	}
	n := 0
	for entry := range doc.Root().Get("entry").Items() {
		r := resources[n]
		if url := entry.Get("request").Get("url").Text(); url != r.Type+"/"+r.ID || entry.Get("resource").Get("id").Text() != r.ID || entry.Get("fullUrl").Text() != "urn:uuid:"+r.ID {
			t.Fatalf("entry %d goes to %q, not to %s/%s", n, url, r.Type, r.ID)
		}
		n++
	}
	if n != len(resources) {
		t.Errorf("%d entries, %d resources", n, len(resources))
	}
}

func TestDatesNamesAndValuesSpreadAndCodesStay(t *testing.T) {
	g := newGenerator(t, 5)
	distinct := map[string]map[string]bool{"birth": {}, "family": {}, "identifier": {}, "value": {}, "code": {}}
	const patients = 40
	for n := range uint64(patients) {
		resources, err := g.Patient(n).All()
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range resources {
			doc, err := fhir.Parse(r.Content)
			if err != nil {
				t.Fatal(err)
			}
			root := doc.Root()
			switch r.Type {
			case "Patient":
				distinct["birth"][root.Get("birthDate").Text()] = true
				for name := range root.Get("name").Items() {
					distinct["family"][name.Get("family").Text()] = true
				}
				for identifier := range root.Get("identifier").Items() {
					distinct["identifier"][identifier.Get("system").Text()+"|"+identifier.Get("value").Text()] = true
				}
			case "Observation":
				for coding := range root.Get("code").Get("coding").Items() {
					distinct["code"][coding.Get("code").Text()] = true
				}
				distinct["value"][root.Get("valueQuantity").Get("value").Text()] = true
			}
		}
	}
	for what, least := range map[string]int{"birth": patients - 3, "family": patients / 2, "identifier": 2 * patients, "value": 300, "code": 20} {
		if got := len(distinct[what]); got < least {
			t.Errorf("%d different values of %s, want at least %d", got, what, least)
		}
	}
	if got := len(distinct["code"]); got > 200 {
		t.Errorf("%d different codes: they should stay as they are", got)
	}
}

func TestWhatIsNoPatientIsRefused(t *testing.T) {
	loader, err := NewLoader(1)
	if err != nil {
		t.Fatal(err)
	}
	for _, body := range []string{`{"resourceType":"Patient"}`, `{`, `{"resourceType":"Bundle","type":"transaction","entry":[{"fullUrl":"http://x/Patient/1","resource":{"resourceType":"Patient"}}]}`} {
		if err := loader.Add(Source{Name: "x", Body: []byte(body)}); err == nil {
			t.Errorf("%s was taken", body)
		}
	}
	if _, err := loader.Generator(); err == nil {
		t.Error("a generator of nothing was made")
	}
}

func BenchmarkPatient(b *testing.B) {
	g := newGenerator(b, 1)
	resources, size := 0, 0
	for n := uint64(0); b.Loop(); n++ {
		p := g.Patient(n)
		all, err := p.All()
		if err != nil {
			b.Fatal(err)
		}
		resources += len(all)
		for i := range all {
			size += len(all[i].Content)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(resources), "ns/resource")
	b.ReportMetric(float64(size)/float64(resources), "bytes/resource")
}
