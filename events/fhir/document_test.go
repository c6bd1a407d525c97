package fhir

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"binnacle/events"
)

func mustParse(t testing.TB, data string) *Document {
	t.Helper()
	d, err := Parse([]byte(data))
	if err != nil {
		t.Fatalf("Parse(%.60q): %v", data, err)
	}
	return d
}

// keys writes an object with n+1 keys: key0, key1 and so on, and last.
func keys(n int, last string) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(`"key` + itoa(i) + `":0,`)
	}
	return "{" + b.String() + last + ":0}"
}

func TestParseRefusesWithLineColumnAndPath(t *testing.T) {
	deep := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
	for _, c := range []struct{ name, data, want string }{
		{"nothing", "", "1:1: the text ends where a value should stand"},
		{"spaces", " \n ", "2:2: the text ends where a value should stand"},
		{"a byte order mark", "\xef\xbb\xbf{}", "1:1: a byte order mark"},
		{"trailing data", "{} {}", "1:4: more text after the end"},
		{"a bare word", "hello", "1:1: no JSON value begins like this"},
		{"True", "True", "1:1: no JSON value begins like this"},
		{"false in capitals", "[fALSE]", "1:2: [0]: no JSON value begins like this"},
		{"nil", "[nil]", "1:2: [0]: no JSON value begins like this"},
		{"a resourceType that begins like a name", `{"resourceType":"Pat1","name":[b]}`,
			"1:32: name[0]: no JSON value"},
		{"a cut literal", "tru", "1:1: no JSON value begins like this"},
		{"a leading zero", "[01]", "1:2: [0]: a number with a leading zero"},
		{"a lone minus", "[-]", "1:2: [0]: a minus sign without digits"},
		{"a number that ends in a point", `{"a":1.}`, "1:6: a: a number without digits after its decimal point"},
		{"a number without exponent", `{"a":1e+}`, "1:6: a: a number without digits in its exponent"},
		{"an open object", `{"a":1`, "1:7: a: the text ends inside an object"},
		{"an object that just began", `{`, "1:2: the text ends inside an object"},
		{"an array that just began", `[`, "1:2: the text ends inside an array"},
		{"an open array", `[1`, "1:3: [0]: the text ends inside an array"},
		{"an object that ends in a comma", `{"a":1,`, "1:8: a: the text ends inside an object"},
		{"a trailing comma in an object", `{"a":1,}`, "1:8: a: a key in double quotes should stand here"},
		{"a trailing comma in an array", `[1,]`, "1:4: [1]: no JSON value begins like this"},
		{"a missing comma", `[1 2]`, "1:4: [0]: a comma or ']' should stand here"},
		{"the wrong bracket", `{"a":[1}`, "1:8: a[0]: a comma or ']' should stand here"},
		{"a missing colon", `{"a" 1}`, "1:6: a: a colon should follow the key"},
		{"a missing value", `{"a":`, "1:6: a: the text ends where a value should stand"},
		{"a key without quotes", `{a:1}`, "1:2: a key in double quotes should stand here"},
		{"an open string", `{"a":"b`, "1:6: a: the text ends inside the string"},
		{"an open key", `{"a`, "1:2: the text ends inside the string"},
		{"an unknown escape", `["\x"]`, "1:3: [0]: not an escape that JSON knows"},
		{"a cut escape", `["\u12`, "1:3: [0]: not an escape that JSON knows"},
		{"an escape that is not hexadecimal", `["\u12g4"]`, "1:3: [0]: not an escape that JSON knows"},
		{"a backslash at the end", `["\`, "1:3: [0]: not an escape that JSON knows"},
		{"a control character", "[\"a\tb\"]", "1:4: [0]: the control character U+0009 inside a string"},
		{"a byte that is not UTF-8", "[\"a\xff\"]", "1:4: [0]: the byte 0xFF is not UTF-8"},
		{"a surrogate in UTF-8", "[\"\xed\xa0\x80\"]", "1:3: [0]: the byte 0xED is not UTF-8"},
		{"an overlong form", "[\"\xc0\x80\"]", "1:3: [0]: the byte 0xC0 is not UTF-8"},
		{"101 levels", deep(101), "1:101: "},
		{"a duplicate key", "{\"resourceType\":\"Patient\",\n \"name\":[{\"given\":[],\"given\":[]}]}",
			"2:22: Patient.name[0].given: duplicate key"},
		{"a duplicate key written with an escape", `{"id":1,"\u0069d":2}`, "1:9: id: duplicate key"},
		{"a duplicate empty key", `{"":1,"":2}`, "1:7: ``: duplicate key"},
		{"a duplicate among many keys", keys(100, `"key7"`), "key7: duplicate key"},
		{"an escaped duplicate among many keys", keys(100, `"k\u0065y7"`), "key7: duplicate key"},
		{"columns count characters", `{"é":"é" 1}`, "1:10: `é`: a comma or '}' should stand here"},
		{"a path inside a bundle",
			`{"resourceType":"Bundle","entry":[{},{"resource":{"resourceType":"Patient","name":[{"given":["a",b]}]}}]}`,
			"Bundle.entry[1].resource.name[0].given[1]: no JSON value"},
		{"a long key is cut between characters", `{"a` + strings.Repeat("é", 30) + `":x}`,
			": `a" + strings.Repeat("é", 19) + "…`: no JSON value"},
		{"a resourceType after the fault", `{"name":[b],"resourceType":"Patient"}`, "1:10: name[0]: no JSON value"},
		{"a resourceType that is no name", `{"resourceType":"<script>","name":[b]}`, "name[0]: no JSON value"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Parse([]byte(c.data))
			if err == nil {
				t.Fatalf("Parse(%.60q) is accepted; want %q", c.data, c.want)
			}
			e := err.(*events.Error)
			if e.Kind != events.Invalid || !strings.Contains(e.Text, c.want) {
				t.Errorf("Parse(%.60q): got %v %q; want invalid with %q", c.data, e.Kind, e.Text, c.want)
			}
		})
	}
}

func TestAnErrorCarriesLittleOfTheData(t *testing.T) {
	long := strings.Repeat("secret", 100)
	data := strings.Repeat(`{"`+long+`":[`, 40) + "x"
	_, err := Parse([]byte(data))
	if err == nil {
		t.Fatal("accepted")
	}
	text := err.(*events.Error).Text
	if len(text) > 600 || strings.Count(text, "secret") > 60 || strings.Contains(text, strings.Repeat("secret", 8)) {
		t.Errorf("the text has %d bytes: %s", len(text), text)
	}
	if !utf8.ValidString(text) {
		t.Errorf("the text is not UTF-8: %q", text)
	}
}

func TestParseAcceptsWhatJSONAllows(t *testing.T) {
	for _, data := range []string{
		`null`, `true`, ` false `, `0`, `-0`, `-0.0e-10`, `1E400`, `12345678901234567890.1234567890`, `""`, `"\u0000"`, `"\ud800"`, `"\udc00\ud800x"`,
		`"😀é"`, `[]`, `{}`, "\t\r\n {\n}", `[[],{},[{}]]`, `{"a":{"a":{"a":1}},"b":{"a":1}}`, `{"":1}`, `["\"\\\/\b\f\n\r\t\u0041"]`,
		keys(100, `"k\u0065y100"`), `{"\u0061":1,"b":2}`,
		strings.Repeat("[", MaxDepth) + strings.Repeat("]", MaxDepth), "\"\x7f\"",
	} {
		d, err := Parse([]byte(data))
		if err != nil {
			t.Errorf("Parse(%q): %v", data, err)
			continue
		}
		if got, want := string(d.Root().Raw()), strings.TrimSpace(data); got != want {
			t.Errorf("Raw of %q is %q", want, got)
		}
	}
}

func TestNodesReadWhatWasWritten(t *testing.T) {
	d := mustParse(t,
		`{"resourceType":"Patient","active":true,"n":-1.50,"nil":null,"name":[{"given":["A","B\u0062\ud83d\ude00\ud800"]},{}],"k\u0065y":"v","empty":[]}`)
	root := d.Root()
	given := root.Get("name")
	var texts []string
	for name := range given.Items() {
		for g := range name.Get("given").Items() {
			texts = append(texts, g.Path()+"="+g.Text())
		}
	}
	if got, want := strings.Join(texts,
		" "), "Patient.name[0].given[0]=A Patient.name[0].given[1]=Bb😀\ufffd"; got != want {
		t.Errorf("got %q; want %q", got, want)
	}
	for _, c := range []struct {
		key  string
		kind JSONKind
		text string
		raw  string
		size int
	}{
		{"resourceType", String, "Patient", `"Patient"`, 0},
		{"active", Bool, "true", "true", 0},
		{"n", Number, "-1.50", "-1.50", 0},
		{"nil", Null, "", "null", 0},
		{"key", String, "v", `"v"`, 0},
		{"empty", Array, "", "[]", 0},
		{"name", Array, "", `[{"given":["A","B\u0062\ud83d\ude00\ud800"]},{}]`, 2},
		{"absent", None, "", "", 0},
		{"", None, "", "", 0},
	} {
		n := root.Get(c.key)
		if n.Kind() != c.kind || n.Text() != c.text || string(n.Raw()) != c.raw || n.Len() != c.size ||
			n.Exists() != (c.kind != None) {
			t.Errorf("%s: got kind %d, text %q, raw %q, length %d; want %d, %q, %q, %d", c.key, n.Kind(), n.Text(),
				n.Raw(), n.Len(), c.kind, c.text, c.raw, c.size)
		}
	}
	var keys []string
	for key, value := range root.Fields() {
		if root.Get(key) != value {
			t.Errorf("Get(%q) and Fields differ", key)
		}
		keys = append(keys, key)
	}
	if got, want := strings.Join(keys, " "), "resourceType active n nil name key empty"; got != want {
		t.Errorf("keys: got %q; want %q", got, want)
	}
	if root.Len() != 7 {
		t.Errorf("the root has %d members; want 7", root.Len())
	}
}

func TestTextUnescapes(t *testing.T) {
	for written, want := range map[string]string{
		`"\"\\\/\b\f\n\r\t"`: "\"\\/\b\f\n\r\t", `"\u0000\u00e9\u00C9\u20ac"`: "\x00éÉ€", `"\ud83d\ude00"`: "😀", `"\ud83d"`: "\ufffd", `"\ude00\ud83d"`: "\ufffd\ufffd",
		`"\ud83d\ud83d\ude00x"`: "\ufffd😀x", `"\ud83dde00"`: "\ufffdde00", `"\ud83d\n"`: "\ufffd\n", `""`: "",
	} {
		if got := mustParse(t, written).Root().Text(); got != want {
			t.Errorf("%s: got %q; want %q", written, got, want)
		}
	}
}

func TestADocumentBeyondTheLimitIsTooLarge(t *testing.T) {
	// The bytes are never touched: the operating system gives no memory for them.
	if _, err := Parse(make([]byte, MaxBytes+1)); events.KindOf(err) != events.TooLarge {
		t.Errorf("got %v; want too large", err)
	}
}

func TestFieldsStopWhenAsked(t *testing.T) {
	n := 0
	for range mustParse(t, `{"a":1,"b":2,"c":3}`).Root().Fields() {
		if n++; n == 2 {
			break
		}
	}
	if n != 2 {
		t.Errorf("%d fields; want 2", n)
	}
}

func TestASingletonIsItsOwnItem(t *testing.T) {
	n := mustParse(t, `{"a":{"b":1}}`).Root().Get("a")
	count := 0
	for item := range n.Items() {
		count++
		if item != n {
			t.Errorf("the item is %q", item.Raw())
		}
	}
	if count != 1 {
		t.Errorf("%d items; want 1", count)
	}
}

func TestTheZeroNodeIsSafe(t *testing.T) {
	var n Node
	if n.Exists() || n.Kind() != None || n.Get("a").Exists() || n.Len() != 0 || n.Text() != "" || n.Raw() != nil ||
		n.Path() != "" || n.Document() != nil {
		t.Error("the zero Node is something")
	}
	if start, end := n.Span(); start != 0 || end != 0 {
		t.Errorf("Span is %d, %d", start, end)
	}
	for range n.Items() {
		t.Error("the zero Node has an item")
	}
	for range n.Fields() {
		t.Error("the zero Node has a field")
	}
	if new(Document).Root().Exists() {
		t.Error("the zero Document has a root")
	}
}

func TestADocumentIsEmptyAfterAFailedReset(t *testing.T) {
	d := mustParse(t, `{"a":1}`)
	if err := d.Reset([]byte(`{"a":`)); err == nil {
		t.Fatal("accepted")
	}
	if d.Root().Exists() || d.Bytes() != nil {
		t.Error("something is left of a document that was refused")
	}
	if err := d.Reset([]byte(`{"b":2}`)); err != nil || d.Root().Get("b").Text() != "2" {
		t.Errorf("the next one: %v, %q", err, d.Root().Raw())
	}
}

func TestReadingAllocatesNothing(t *testing.T) {
	d := mustParse(t, `{"resourceType":"Patient","name":[{"given":["A","B"]}],"x":1}`)
	if n := testing.AllocsPerRun(100, func() {
		for name := range d.Root().Get("name").Items() {
			for key, value := range name.Fields() {
				for g := range value.Items() {
					if key == "" || g.Text() == "" || len(g.Raw()) == 0 {
						panic("empty")
					}
				}
			}
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// samples returns the real resources in testdata.
func samples(t testing.TB) map[string][]byte {
	t.Helper()
	files, err := filepath.Glob("testdata/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("no samples in testdata: %v", err)
	}
	all := map[string][]byte{}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all[strings.TrimSuffix(filepath.Base(file), ".json")] = data
	}
	return all
}

func TestRealResourcesReadLikeEncodingJSONReadsThem(t *testing.T) {
	for name, data := range samples(t) {
		var want any
		if err := json.Unmarshal(data, &want); err != nil {
			t.Fatal(err)
		}
		compare(t, mustParse(t, string(data)).Root(), want, name)
	}
}

// compare checks a node against what encoding/json made of the same bytes.
func compare(t *testing.T, n Node, want any, where string) {
	t.Helper()
	switch want := want.(type) {
	case nil:
		if n.Kind() != Null {
			t.Errorf("%s: got kind %d; want null", where, n.Kind())
		}
	case bool:
		if n.Kind() != Bool || (n.Text() == "true") != want {
			t.Errorf("%s: got %q; want %v", where, n.Raw(), want)
		}
	case float64, json.Number:
		if n.Kind() != Number {
			t.Errorf("%s: got kind %d; want a number", where, n.Kind())
		}
	case string:
		if n.Kind() != String || n.Text() != want {
			t.Errorf("%s: got %q; want %q", where, n.Text(), want)
		}
	case []any:
		if n.Kind() != Array || n.Len() != len(want) {
			t.Fatalf("%s: got kind %d with %d values; want %d", where, n.Kind(), n.Len(), len(want))
		}
		i := 0
		for item := range n.Items() {
			compare(t, item, want[i], item.Path())
			i++
		}
	case map[string]any:
		if n.Kind() != Object || n.Len() != len(want) {
			t.Fatalf("%s: got kind %d with %d members; want %d", where, n.Kind(), n.Len(), len(want))
		}
		for key, value := range want {
			compare(t, n.Get(key), value, where+"."+key)
		}
	}
}

func BenchmarkParse(b *testing.B) {
	for name, data := range samples(b) {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Parse(data); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
