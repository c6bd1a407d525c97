package patch_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	jsonpatch "github.com/evanphx/json-patch/v5"

	"binnacle/events"
	"binnacle/events/fhir"
	"binnacle/projections/catalog/r4"
	"binnacle/projections/fhir/patch"
)

// generator makes documents and patches that often fit them.
type generator struct{ *rand.Rand }

var keys = []string{"a", "b", "c/d", "e~f", "0", "1"} // an empty one the oracle takes for the document

// value makes a value of at most some levels. None is empty: what is emptied goes, which RFC 6902 doesn't know.
func (g generator) value(levels int) string {
	kind := g.IntN(8)
	if levels == 0 {
		kind %= 5
	}
	switch kind {
	case 0:
		return []string{"1", "1.0", "-0", "10e-1", "1.50", "12345678901234567890"}[g.IntN(6)]
	case 1:
		return `"` + []string{"x", "\\u0078", "é", "1", "\\n"}[g.IntN(5)] + `"`
	case 2:
		return "true"
	case 3:
		return "null"
	case 4:
		return "2"
	case 5:
		items := make([]string, 1+g.IntN(3))
		for i := range items {
			items[i] = g.value(levels - 1)
		}
		return "[" + g.space() + strings.Join(items, g.space()+","+g.space()) + "]"
	}
	members := make([]string, 1+g.IntN(3))
	for i, k := range g.Perm(len(keys))[:len(members)] {
		members[i] = fmt.Sprintf("%q:%s%s", keys[k], g.space(), g.value(levels-1))
	}
	return "{" + strings.Join(members, ","+g.space()) + g.space() + "}"
}

func (g generator) space() string { return []string{"", "", " ", "\n  "}[g.IntN(4)] }

// pointer makes a pointer that mostly leads to something in a value.
func (g generator) pointer(v any) string {
	escape := strings.NewReplacer("~", "~0", "/", "~1")
	var b strings.Builder
	for depth := g.IntN(4); depth >= 0; depth-- {
		switch of := v.(type) {
		case map[string]any:
			key := keys[g.IntN(len(keys))]
			for k := range of {
				if g.IntN(3) > 0 {
					key = min(k, key)
				}
			}
			b.WriteString("/" + escape.Replace(key))
			v = of[key]
		case []any:
			at := g.IntN(len(of) + 1)
			if at == len(of) && g.IntN(2) == 0 {
				b.WriteString("/-")
				return b.String()
			}
			fmt.Fprintf(&b, "/%d", at)
			v = nil
			if at < len(of) {
				v = of[at]
			}
		default:
			return b.String()
		}
	}
	return b.String()
}

func (g generator) operation(doc any) string {
	path, from := g.pointer(doc), g.pointer(doc)
	switch g.IntN(6) {
	case 0:
		return fmt.Sprintf(`{"op":"remove","path":%q}`, path)
	case 1:
		return fmt.Sprintf(`{"op":"move","from":%q,"path":%q}`, from, path)
	case 2:
		return fmt.Sprintf(`{"op":"copy","path":%q,"from":%q}`, path, from)
	case 3:
		return fmt.Sprintf(`{"op":"replace","value":%s,"path":%q}`, g.value(2), path)
	}
	return fmt.Sprintf(`{"op":"add","path":%q,"value":%s}`, path, g.value(2))
}

// TestRandomPatchesMakeWhatAnotherProgramMakes: github.com/evanphx/json-patch is the oracle.
func TestRandomPatchesMakeWhatAnotherProgramMakes(t *testing.T) {
	options := jsonpatch.NewApplyOptions()
	options.SupportNegativeIndices = false
	done := 0
	for seed := range uint64(6_000) {
		g := generator{rand.New(rand.NewPCG(seed, 1))} //nolint:gosec // a seed that is told makes the case again
		before := g.value(4)
		if before[0] != '{' {
			continue
		}
		var doc any
		if err := json.Unmarshal([]byte(before), &doc); err != nil {
			t.Fatal(err)
		}
		operations := make([]string, 1+g.IntN(5))
		for i := range operations {
			operations[i] = g.operation(doc)
		}
		text := "[" + strings.Join(operations, ",") + "]"
		if strings.Contains(text, `"path":""`) || strings.Contains(text, `"from":""`) {
			continue // the oracle knows no whole document
		}
		got, err := apply(nil, "", text, before)
		if events.KindOf(err) == events.Invalid && err != nil {
			continue // moved into itself: the oracle never ends
		}
		oracle, bad := jsonpatch.DecodePatch([]byte(text))
		if bad != nil {
			t.Fatalf("%s: %v", text, bad)
		}
		want, bad := oracle.ApplyWithOptions([]byte(before), options)
		switch {
		case (err == nil) != (bad == nil):
			t.Errorf("seed %d: %s on %s: got %s, %v; the oracle %s, %v", seed, text, before, got, err, want, bad)
		case err != nil:
		case !sameWithout(t, []byte(got), want):
			t.Errorf("seed %d: %s on %s: got %s; the oracle %s", seed, text, before, got, want)
		default:
			done++
		}
	}
	if done < 300 {
		t.Errorf("%d patches could be applied", done)
	}
}

// sameWithout compares two documents without what is empty in them.
func sameWithout(t *testing.T, a, b []byte) bool {
	t.Helper()
	clean := func(text []byte) []byte {
		var v any
		decoder := json.NewDecoder(bytes.NewReader(text))
		decoder.UseNumber()
		if err := decoder.Decode(&v); err != nil {
			t.Fatal(err)
		}
		data, err := json.Marshal(withoutEmpty(v))
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	return bytes.Equal(clean(a), clean(b))
}

func withoutEmpty(v any) any {
	switch of := v.(type) {
	case map[string]any:
		for key, one := range of {
			if of[key] = withoutEmpty(one); isEmpty(of[key]) {
				delete(of, key)
			}
		}
	case []any:
		kept := of[:0]
		for _, one := range of {
			if one = withoutEmpty(one); !isEmpty(one) {
				kept = append(kept, one)
			}
		}
		return kept
	}
	return v
}

func isEmpty(v any) bool {
	switch of := v.(type) {
	case map[string]any:
		return len(of) == 0
	case []any:
		return len(of) == 0
	}
	return false
}

// FuzzJSONPatch holds that a patch of any bytes is refused, or makes a document; what it makes is that of the oracle.
func FuzzJSONPatch(f *testing.F) {
	f.Add([]byte(`{"a":[1,{"b":"c"}]}`), []byte(`[{"op":"move","from":"/a/0","path":"/a/1/b"},{"op":"copy","from":"/a","path":"/c"}]`))
	f.Add([]byte(`[ 1 , 2 ]`), []byte(`[{"op":"remove","path":"/0"},{"op":"test","path":"/0","value":2.0}]`))
	f.Fuzz(func(t *testing.T, before, text []byte) {
		if len(text) > 0 && text[0] != '[' {
			return
		}
		fuzz(t, nil, "", before, text)
	})
}

// FuzzFHIRPathPatch does the same for Parameters.
func FuzzFHIRPathPatch(f *testing.F) {
	m := model(f)
	f.Add([]byte(`{"resourceType":"Patient","name":[{"given":["a"],"_given":[{"id":"x"}]}]}`),
		[]byte(parameters(op("add", "Patient.name", `name:valueString="given"`, text), op("delete", "Patient.name.given[0]"))))
	f.Add([]byte(`{"resourceType":"Patient","birthDate":"2000"}`), []byte(parameters(op("move", "Patient.name.given",
		"source:valueInteger=0", "destination:valueInteger=2"), op("replace", "Patient.deceased", `value:valueBoolean=true`))))
	f.Add([]byte(`{"resourceType":"Patient","extension":[{"url":"u"}]}`), []byte(parameters(op("insert", "Patient.extension",
		"index:valueInteger=1", `value:part=[{"name":"url","valueUri":"v"}]`), op("delete", "Patient.extension('u').where(url = 'u')"))))
	f.Fuzz(func(t *testing.T, before, text []byte) {
		if len(text) > 0 && text[0] == '[' {
			return
		}
		fuzz(t, m, "Patient", before, text)
	})
}

// fuzz applies a patch of any bytes to a document of any bytes: both are refused, or a document comes of it.
func fuzz(t *testing.T, m *r4.Model, typ string, before, text []byte) {
	kept := bytes.Clone(before)
	p, err := patch.Parse(m, typ, text)
	if err != nil {
		return
	}
	for range p.References(typ, func(string) *fhir.Shape { return nil }) { //nolint:revive // it is gone through
	}
	after, err := p.Apply(before)
	switch kind := events.KindOf(err); {
	case err == nil:
		if _, err := fhir.Parse(after); err != nil && !strings.Contains(events.TextOf(err), "levels") {
			t.Errorf("%s makes of %s what is no document: %v: %s", text, before, err, after)
		}
	case kind != events.Invalid && kind != events.Unprocessable && kind != events.TooCostly && kind != events.TooLarge:
		t.Errorf("%s on %s: %v", text, before, err)
	}
	if again, _ := p.Apply(before); !bytes.Equal(again, after) || !bytes.Equal(before, kept) {
		t.Errorf("%s makes of %s another thing the second time", text, kept)
	}
}
