package catalog

import (
	"bytes"
	"compress/bzip2"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"binnacle/events/fhir"
	"binnacle/projections"
	"binnacle/projections/catalog/fhirpath"
)

// sampleFiles are the bundles of the sample; under the race detector a few of them.
func sampleFiles(t testing.TB) []string {
	t.Helper()
	files, err := filepath.Glob("testdata/synthea/*.bz2")
	if err != nil || len(files) != 113 {
		t.Fatalf("the sample has %d bundles, %v; want 113", len(files), err)
	}
	if raceDetector {
		files = slices.DeleteFunc(files, func(name string) bool {
			info, err := os.Stat(name)
			return err != nil || info.Size() > 25_000
		})
	}
	return files
}

// bundleResources returns the documents of a bundle's resources, with references inside the bundle as the door resolves them: Type/id in place
// of urn:uuid.
func bundleResources(file string) ([]*fhir.Document, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(bzip2.NewReader(f))
	if err != nil {
		return nil, err
	}
	bundle, err := fhir.Parse(data)
	if err != nil {
		return nil, err
	}
	targets := map[string]string{}
	for entry := range bundle.Root().Get("entry").Items() {
		resource := entry.Get("resource")
		targets[entry.Get("fullUrl").Text()] = resource.Get("resourceType").Text() + "/" + resource.Get("id").Text()
	}
	var documents []*fhir.Document
	for entry := range bundle.Root().Get("entry").Items() {
		doc, err := fhir.Parse(resolved(entry.Get("resource").Raw(), targets))
		if err != nil {
			return nil, err
		}
		documents = append(documents, doc)
	}
	return documents, nil
}

func resolved(raw []byte, targets map[string]string) []byte {
	out := make([]byte, 0, len(raw))
	for {
		i := bytes.Index(raw, []byte(`"urn:uuid:`))
		if i < 0 {
			return append(out, raw...)
		}
		end := i + 1 + bytes.IndexByte(raw[i+1:], '"')
		out = append(out, raw[:i+1]...)
		if target, ok := targets[string(raw[i+1:end])]; ok {
			out = append(out, target...)
		} else {
			out = append(out, raw[i+1:end]...)
		}
		raw = raw[end:]
	}
}

// eachBundle calls visit with the resources of every bundle of the sample, several bundles at a time.
func eachBundle(t *testing.T, visit func(file string, documents []*fhir.Document)) {
	t.Helper()
	files := make(chan string)
	var group sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		group.Go(func() {
			for file := range files {
				documents, err := bundleResources(file)
				if err != nil {
					t.Errorf("%s: %v", file, err)
				}
				visit(file, documents)
			}
		})
	}
	for _, file := range sampleFiles(t) {
		files <- file
	}
	close(files)
	group.Wait()
}

// selection compiles the paths of all parameters of a type to count what they select, whatever can be made of it.
func selection(t *testing.T, c *Catalog, typ string, counts map[string]int) *paths {
	compiler := newCompiler(c.model, typ)
	for _, p := range c.Params(typ) {
		if p.Expression == "" {
			continue
		}
		count := func(*walk, *output, fhir.Node) { counts[p.Code]++ }
		e, err := fhirpath.Parse(p.Expression)
		if err != nil {
			t.Fatal(err)
		}
		for _, branch := range branches(e) {
			if isBoolean(branch) {
				condition, err := compiler.sameFocus().condition(branch)
				if err != nil {
					t.Fatal(err)
				}
				compiler.paths.focus.output(output{param: p.Code, condition: condition, read: func(w *walk, o *output, v fhir.Node) {
					if o.condition(w, v) != unknown {
						counts[p.Code]++
					}
				}})
				continue
			}
			ends, err := compiler.path(branch)
			if err != nil && err != errOtherType {
				t.Fatal(err)
			}
			for _, n := range ends {
				n.output(output{param: p.Code, read: count})
			}
		}
	}
	compiler.paths.focus.prune()
	return compiler.paths
}

type sampleCount struct {
	Resources int
	Params    map[string][2]int // resources with at least one selected element, selected elements
}

// differences are where the catalog selects other elements than the oracle does, with the reason. There are none.
var differences = map[string]string{}

// withoutTerms are the parameters that select elements of the sample and make no term of some of them, with the reason.
var withoutTerms = map[string]string{
	"ExplanationOfBenefit.coverage": "all refer to a contained Coverage, and references to contained resources are not indexed",
	"Location.near":                 "positions are not indexed: special parameters are not offered",

	"Observation.code-value-concept":           focusOnly,
	"Observation.code-value-date":              focusOnly,
	"Observation.code-value-quantity":          focusOnly,
	"Observation.code-value-string":            focusOnly,
	"Observation.combo-code-value-concept":     focusOnly,
	"Observation.combo-code-value-quantity":    focusOnly,
	"Observation.component-code-value-concept": focusOnly,
}

const focusOnly = "the oracle counts the focus of a composite parameter; a term needs a value of the component's datatype in it as well"

func TestTheSampleIsSelectedAsTheOracleCounts(t *testing.T) {
	if raceDetector {
		t.Skip("the oracle counts the whole sample, which takes minutes under the race detector; the run without it counts")
	}
	c := defaultCatalog(t)
	oracle := readOracle[map[string]sampleCount](t, "sample-counts.json.gz")
	var mutex sync.Mutex
	got := map[string]sampleCount{}
	terms := map[string]int{} // "Type.param" → resources with at least one term
	eachBundle(t, func(file string, documents []*fhir.Document) {
		type counter struct {
			paths  *paths
			counts map[string]int
		}
		counters := map[string]*counter{}
		mine := map[string]sampleCount{}
		myTerms := map[string]int{}
		for _, doc := range documents {
			typ := doc.Root().Get("resourceType").Text()
			k := counters[typ]
			if k == nil {
				k = &counter{counts: map[string]int{}}
				k.paths = selection(t, c, typ, k.counts)
				counters[typ] = k
			}
			clear(k.counts)
			w := new(walk)
			w.reset(doc.Root())
			w.run(k.paths, doc.Root())
			if w.err != nil {
				t.Errorf("%s: %v", file, w.err)
			}
			s := mine[typ]
			if s.Params == nil {
				s.Params = map[string][2]int{}
			}
			s.Resources++
			for code, n := range k.counts {
				s.Params[code] = [2]int{s.Params[code][0] + 1, s.Params[code][1] + n}
			}
			mine[typ] = s
			extracted, err := c.Extract(doc)
			if err != nil {
				t.Errorf("%s: %v", file, err)
			}
			seen := map[string]bool{}
			for _, term := range extracted.Terms {
				if !seen[term.Param] {
					seen[term.Param] = true
					myTerms[typ+"."+term.Param]++
				}
			}
		}
		mutex.Lock()
		defer mutex.Unlock()
		for typ, s := range mine {
			all := got[typ]
			if all.Params == nil {
				all.Params = map[string][2]int{}
			}
			all.Resources += s.Resources
			for code, n := range s.Params {
				all.Params[code] = [2]int{all.Params[code][0] + n[0], all.Params[code][1] + n[1]}
			}
			got[typ] = all
		}
		for key, n := range myTerms {
			terms[key] += n
		}
	})
	compared := 0
	for typ, want := range oracle {
		if got[typ].Resources != want.Resources {
			t.Errorf("%d resources of type %s; want %d", got[typ].Resources, typ, want.Resources)
		}
		for code, counts := range want.Params {
			compared++
			key := typ + "." + code
			if n := got[typ].Params[code]; n != counts && differences[key] == "" {
				t.Errorf("%s selects %d elements of %d resources; the oracle counts %d of %d", key, n[1], n[0], counts[1], counts[0])
			} else if n == counts && differences[key] != "" {
				t.Errorf("%s selects what the oracle does, and is listed as a difference", key)
			}
			if !indexKnows(code) && terms[key] != counts[0] && withoutTerms[key] == "" {
				t.Errorf("%s: %d resources have terms; the oracle counts %d with elements", key, terms[key], counts[0])
			} else if terms[key] == counts[0] && withoutTerms[key] != "" {
				t.Errorf("%s has terms for all that the oracle counts, and is listed as one that has not", key)
			}
		}
	}
	if compared < 500 {
		t.Errorf("compared %d counts only", compared)
	}
}

// TestExtractionIsTheOneOfItsVersion fails when the terms of the sample have changed: then extractionVersion must be raised, so that
// indexes are rebuilt, and the new digest be added to testdata/terms.golden.
func TestExtractionIsTheOneOfItsVersion(t *testing.T) {
	if raceDetector {
		t.Skip("the golden digest is of the whole sample, which takes minutes under the race detector; the run without it compares")
	}
	c := defaultCatalog(t)
	var mutex sync.Mutex
	digests := map[string][32]byte{}
	eachBundle(t, func(file string, documents []*fhir.Document) {
		h := sha256.New()
		for _, doc := range documents {
			extracted, err := c.Extract(doc)
			if err != nil {
				t.Errorf("%s: %v", file, err)
			}
			var lines []string
			for _, term := range extracted.Terms {
				lines = append(lines, string(appendTerm(nil, term)))
			}
			slices.Sort(lines)
			fmt.Fprintf(h, "%d %d %q\n", extracted.MainDate, len(lines), lines)
		}
		mutex.Lock()
		defer mutex.Unlock()
		digests[file] = [32]byte(h.Sum(nil))
	})
	all := sha256.New()
	for _, file := range slices.Sorted(maps.Keys(digests)) {
		digest := digests[file]
		all.Write(digest[:])
	}
	got := fmt.Sprintf("%d %s", extractionVersion, hex.EncodeToString(all.Sum(nil)))
	golden, err := os.ReadFile("testdata/terms.golden")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(golden)), "\n")
	if lines[len(lines)-1] != got {
		t.Errorf("the terms of the sample have the digest\n%s\nwhich is not the last line of testdata/terms.golden: raise extractionVersion and add the line", got)
	}
}

func appendTerm(b []byte, t projections.Term) []byte {
	b = fmt.Appendf(b, "%q %d %t %q %q %q ", t.Param, t.Kind, t.Identifier, t.System, t.Code, t.Text)
	for _, n := range [...]uint64{uint64(t.Start), uint64(t.End), math.Float64bits(t.Low), math.Float64bits(t.High)} {
		b = binary.BigEndian.AppendUint64(b, n)
	}
	for _, part := range t.Parts {
		b = append(appendTerm(append(b, '('), part), ')')
	}
	return b
}

func TestCheckAgreesWithExtractFromManyGoroutines(t *testing.T) {
	c := defaultCatalog(t)
	files := sampleFiles(t)
	documents, err := bundleResources(files[len(files)-1])
	if err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for _, doc := range documents {
				e, err := c.Extract(doc)
				if err != nil || len(e.Terms) == 0 {
					t.Errorf("%d terms, %v", len(e.Terms), err)
				}
				if err := c.Check(doc); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
}

func BenchmarkExtract(b *testing.B) {
	c := defaultCatalog(b)
	var documents []*fhir.Document
	bytes := 0
	for _, file := range sampleFiles(b)[2:8] {
		more, err := bundleResources(file)
		if err != nil {
			b.Fatal(err)
		}
		documents = append(documents, more...)
	}
	for _, doc := range documents {
		bytes += len(doc.Bytes())
	}
	b.Run("Extract", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(bytes / len(documents)))
		for i := 0; b.Loop(); i++ {
			if _, err := c.Extract(documents[i%len(documents)]); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("Check", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(bytes / len(documents)))
		for i := 0; b.Loop(); i++ {
			if err := c.Check(documents[i%len(documents)]); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkLoad(b *testing.B) {
	for b.Loop() {
		if _, err := Load(); err != nil {
			b.Fatal(err)
		}
	}
}
