//go:build whole

package extract

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"binnacle/events/fhir"
	"binnacle/projections"
	"binnacle/projections/catalog/fhirpath"
)

// selection compiles the paths of all parameters of a type to count what they select, whatever can be made of it.
func selection(t *testing.T, c *Types, typ string, counts map[string]int) *paths {
	compiler := newCompiler(c.model, typ)
	for _, p := range c.Of(typ).Sorted {
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
				compiler.paths.focus.output(output{param: p.Code, condition: condition,
					read: func(w *walk, o *output, v fhir.Node) {
						if o.condition(w, v) != unknown {
							counts[p.Code]++
						}
					}})
				continue
			}
			ends, err := compiler.path(branch)
			if err != nil && !errors.Is(err, errOtherType) {
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
	"Location.near": "positions are not indexed: special parameters are not offered",

	"Observation.code-value-concept":           focusOnly,
	"Observation.code-value-date":              focusOnly,
	"Observation.code-value-quantity":          focusOnly,
	"Observation.code-value-string":            focusOnly,
	"Observation.combo-code-value-concept":     focusOnly,
	"Observation.combo-code-value-quantity":    focusOnly,
	"Observation.component-code-value-concept": focusOnly,
}

const focusOnly = "the oracle counts the focus of a composite parameter; a term needs a value of the component's " +
	"datatype in it as well"

// sampleTotals is what one pass over the sample has found.
type sampleTotals struct {
	counts  map[string]*sampleCount
	terms   map[string]int // "Type.param" → resources with at least one term
	digests map[string][]byte
}

// take adds the resources of one bundle.
func (s *sampleTotals) take(t *testing.T, c *Types, file string, documents []*fhir.Document) {
	type selector struct {
		paths  *paths
		counts map[string]int
	}
	selectors := map[string]*selector{}
	h := sha256.New()
	for _, doc := range documents {
		typ := doc.Root().Get("resourceType").Text()
		sel := selectors[typ]
		if sel == nil {
			sel = &selector{counts: map[string]int{}}
			sel.paths = selection(t, c, typ, sel.counts)
			selectors[typ] = sel
		}
		clear(sel.counts)
		w := new(walk)
		w.reset(doc.Root())
		w.run(sel.paths, doc.Root())
		extracted, err := c.Extract(doc)
		if w.err != nil || err != nil {
			t.Errorf("%s: %v, %v", file, w.err, err)
		}
		total := s.counts[typ]
		if total == nil {
			total = &sampleCount{Params: map[string][2]int{}}
			s.counts[typ] = total
		}
		total.Resources++
		for code, n := range sel.counts {
			total.Params[code] = [2]int{total.Params[code][0] + 1, total.Params[code][1] + n}
		}
		seen := map[string]bool{}
		lines := make([]string, 0, len(extracted.Terms))
		for _, term := range extracted.Terms {
			if !seen[term.Param] {
				seen[term.Param] = true
				s.terms[typ+"."+term.Param]++
			}
			lines = append(lines, string(appendTerm(nil, term)))
		}
		slices.Sort(lines)
		fmt.Fprintf(h, "%d %d\n", extracted.MainDate, len(lines))
		for _, line := range lines {
			fmt.Fprintf(h, "%d ", len(line))
			h.Write([]byte(line))
		}
	}
	s.digests[file] = h.Sum(nil)
}

// readSample passes over the whole sample, several bundles at a time.
func readSample(t *testing.T, c *Types) *sampleTotals {
	t.Helper()
	all := &sampleTotals{counts: map[string]*sampleCount{}, terms: map[string]int{}, digests: map[string][]byte{}}
	var mutex sync.Mutex
	files := make(chan string)
	var group sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		group.Go(func() {
			for file := range files {
				documents, err := bundleResources(file)
				if err != nil {
					t.Errorf("%s: %v", file, err)
				}
				one := &sampleTotals{counts: map[string]*sampleCount{}, terms: map[string]int{},
					digests: map[string][]byte{}}
				one.take(t, c, file, documents)
				mutex.Lock()
				all.add(one)
				mutex.Unlock()
			}
		})
	}
	for _, file := range sampleFiles(t) {
		files <- file
	}
	close(files)
	group.Wait()
	return all
}

func (s *sampleTotals) add(one *sampleTotals) {
	for typ, count := range one.counts {
		total := s.counts[typ]
		if total == nil {
			s.counts[typ] = count
			continue
		}
		total.Resources += count.Resources
		for code, n := range count.Params {
			total.Params[code] = [2]int{total.Params[code][0] + n[0], total.Params[code][1] + n[1]}
		}
	}
	for key, n := range one.terms {
		s.terms[key] += n
	}
	maps.Copy(s.digests, one.digests)
}

func TestTheWholeSample(t *testing.T) {
	c := compiled(t)
	totals := readSample(t, c)

	t.Run("is selected as the oracle counts", func(t *testing.T) {
		compared := 0
		for typ, want := range readOracle[map[string]sampleCount](t, "sample-counts.json.gz") {
			got := totals.counts[typ]
			if got == nil || got.Resources != want.Resources {
				t.Errorf("the resources of type %s are %+v; want %d", typ, got, want.Resources)
				continue
			}
			for code, counts := range want.Params {
				compared++
				key := typ + "." + code
				if n := got.Params[code]; (n != counts) != (differences[key] != "") {
					t.Errorf("%s selects %d elements of %d resources; the oracle counts %d of %d; listed as a "+
						"difference: %q", key, n[1], n[0], counts[1], counts[0], differences[key])
				}
				if n := totals.terms[key]; !(&Param{Code: code}).KnownToIndex() &&
					(n != counts[0]) != (withoutTerms[key] != "") {
					t.Errorf("%s: %d resources have terms; the oracle counts %d with elements; listed as one "+
						"without: %q", key, n, counts[0], withoutTerms[key])
				}
			}
		}
		if compared < 500 {
			t.Errorf("compared %d counts only", compared)
		}
	})

	// When the terms of the sample have changed, extractionVersion must be raised, so that indexes are rebuilt, and the
	// new digest be added to testdata/terms.golden.
	t.Run("has the terms of this version of the extraction", func(t *testing.T) {
		all := sha256.New()
		for _, file := range slices.Sorted(maps.Keys(totals.digests)) {
			all.Write(totals.digests[file])
		}
		got := fmt.Sprintf("%d %s", extractionVersion, hex.EncodeToString(all.Sum(nil)))
		golden, err := os.ReadFile("../testdata/terms.golden")
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(strings.TrimSpace(string(golden)), "\n")
		if lines[len(lines)-1] != got {
			t.Errorf("the terms of the sample have the digest\n%s\nwhich is not the last line of "+
				"testdata/terms.golden: raise extractionVersion and add the line", got)
		}
	})
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
