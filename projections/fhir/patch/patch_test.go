package patch_test

import (
	"bytes"
	"encoding/json"
	"os"
	"reflect"
	"strings"
	"testing"

	"binnacle/events"
	"binnacle/projections/catalog/r4"
	"binnacle/projections/fhir/patch"
)

func model(t testing.TB) *r4.Model {
	t.Helper()
	m, err := r4.Load()
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// apply reads a patch for resources of a type and applies it.
func apply(m *r4.Model, typ, text, before string) (string, error) {
	p, err := patch.Parse(m, typ, []byte(text))
	if err != nil {
		return "", err
	}
	after, err := p.Apply([]byte(before))
	return string(after), err
}

// same tells whether two texts are the same JSON.
func same(t testing.TB, a, b []byte) bool {
	t.Helper()
	var x, y any
	for text, to := range map[*[]byte]*any{&a: &x, &b: &y} {
		decoder := json.NewDecoder(bytes.NewReader(*text))
		decoder.UseNumber()
		if err := decoder.Decode(to); err != nil {
			t.Fatalf("%s: %v", *text, err)
		}
	}
	return reflect.DeepEqual(x, y)
}

// TestHL7sTestsOfFHIRPathPatchPass: fhir-patch-tests.xml of fhir-test-cases, with the resources as JSON.
func TestHL7sTestsOfFHIRPathPatchPass(t *testing.T) {
	var cases []struct {
		Name                string
		Input, Diff, Output json.RawMessage
		Error               string
	}
	load(t, "testdata/fhir-patch-tests.json", &cases)
	m := model(t)
	for _, c := range cases {
		got, err := apply(m, "Patient", string(c.Diff), string(c.Input))
		switch {
		case c.Error != "" && events.KindOf(err) != events.Unprocessable:
			t.Errorf("%s: got %s, %v; want an error of kind %s: %s", c.Name, got, err, events.Unprocessable, c.Error)
		case c.Error == "" && err != nil:
			t.Errorf("%s: %v", c.Name, err)
		case c.Error == "" && !same(t, []byte(got), c.Output):
			t.Errorf("%s: got\n%s\nwant\n%s", c.Name, got, c.Output)
		}
	}
}

// TestHL7sTestsOfJSONPatchPass: json-patch-tests.json of fhir-test-cases, which are the examples of RFC 6902.
func TestHL7sTestsOfJSONPatchPass(t *testing.T) {
	var cases []struct {
		Comment              string
		Doc, Patch, Expected json.RawMessage
		Error                string
	}
	load(t, "testdata/json-patch-tests.json", &cases)
	for _, c := range cases {
		got, err := apply(nil, "", string(c.Patch), string(c.Doc))
		switch {
		case c.Error != "" && events.KindOf(err) != events.Unprocessable:
			t.Errorf("%s: got %s, %v; want an error: %s", c.Comment, got, err, c.Error)
		case c.Error == "" && err != nil:
			t.Errorf("%s: %v", c.Comment, err)
		case c.Error == "" && !same(t, []byte(got), c.Expected):
			t.Errorf("%s: got\n%s\nwant\n%s", c.Comment, got, c.Expected)
		}
	}
}

func load(t *testing.T, file string, to any) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, to); err != nil {
		t.Fatal(err)
	}
}

// TestWhatAJSONPatchDoesNotTouchStays: bytes, not values.
func TestWhatAJSONPatchDoesNotTouchStays(t *testing.T) {
	for _, c := range []struct{ name, before, patch, after string }{
		{"decimals, escapes and white space", "\n{ \"b\" : 1.50e+2,\t\"\\u0061\":\"\\u00e9\", \"c\":[ ] } ",
			`[{"op":"add","path":"/d","value": 1.0}]`,
			"\n{ \"b\" : 1.50e+2,\t\"\\u0061\":\"\\u00e9\", \"c\":[ ], \"d\":1.0 } "},
		{"a key is known by what its escapes mean", `{"\u0061":1, "b":2}`, `[{"op":"remove","path":"/a"}]`, `{"b":2}`},
		{"a new member stands as those beside it", "{\n  \"a\": 1,\n  \"b\": 2\n}",
			`[{"op":"add","path":"/c","value":[1]}]`, "{\n  \"a\": 1,\n  \"b\": 2,\n  \"c\": [1]\n}"},
		{"the last one goes", "{\n  \"a\": 1,\n  \"b\": 2\n}", `[{"op":"remove","path":"/b"}]`, "{\n  \"a\": 1\n}"},
		{"the first one goes", "{\n  \"a\": 1,\n  \"b\": 2\n}", `[{"op":"remove","path":"/a"}]`, "{\n  \"b\": 2\n}"},
		{"the first item of a pretty array goes", "[\n  1,\n  2\n]", `[{"op":"remove","path":"/0"}]`, "[\n  2\n]"},
		{"an item before others", "[\n  1,\n  2\n]", `[{"op":"add","path":"/0","value":0}]`, "[\n  0,\n  1,\n  2\n]"},
		{"an item before the only one", `[1]`, `[{"op":"add","path":"/0","value":0}]`, `[0,1]`},
		{"an item behind the last one", `[1, 2]`, `[{"op":"add","path":"/-","value":3}]`, `[1, 2, 3]`},
		{"an item behind the last one, by its index", `[1, 2]`, `[{"op":"add","path":"/2","value":3}]`, `[1, 2, 3]`},
		{"an item of an empty array", `[ ]`, `[{"op":"add","path":"/0","value":3}]`, `[3 ]`},
		{"add replaces a member", `{"a": 1.0, "b": 2}`, `[{"op":"add","path":"/a","value":3.00}]`,
			`{"a": 3.00, "b": 2}`},
		{"replace keeps the place", `{"a": 1.0, "b": 2}`, `[{"op":"replace","path":"/a","value":null}]`,
			`{"a": null, "b": 2}`},
		{"a test changes nothing", `{"a": {"x":[1.0, {"y" : "z"}]}}`,
			`[{"op":"test","path":"/a","value":{"x":[10e-1,{"y":"\u007a"}]}}]`, `{"a": {"x":[1.0, {"y" : "z"}]}}`},
		{"objects are the same in any order", `{"a":1,"b":{"c":2,"d":3}}`,
			`[{"op":"test","path":"","value":{"b":{"d":3,"c":2},"a":1}}]`, `{"a":1,"b":{"c":2,"d":3}}`},
		{"numbers of any length", `{"a":123456789012345678901234567890.10}`,
			`[{"op":"test","path":"/a","value":1234567890123456789012345678901e-1}]`,
			`{"a":123456789012345678901234567890.10}`},
		{"zero is zero", `{"a":-0.0}`, `[{"op":"test","path":"/a","value":0e5}]`, `{"a":-0.0}`},
		{"the copy is apart from what it was made of", `{"a":[1]}`,
			`[{"op":"add","path":"/a/-","value":2},{"op":"copy","from":"/a","path":"/b"},{"op":"add","path":"/b/-","value":3}]`,
			`{"a":[1,2],"b":[1,2,3]}`},
		{"a value that is added twice is two", `{}`,
			`[{"op":"add","path":"/a","value":[1]},{"op":"copy","from":"/a","path":"/b"},{"op":"remove","path":"/a/0"},{"op":"add","path":"/a/-","value":5}]`,
			`{"a":[5],"b":[1]}`},
		{"a move to its own place", `{"a":1}`, `[{"op":"move","from":"/a","path":"/a"}]`, `{"a":1}`},
		{"a move within an array", `[1,2,3]`, `[{"op":"move","from":"/0","path":"/2"}]`, `[2,3,1]`},
		{"the whole document is replaced", ` {"a":1} `, `[{"op":"replace","path":"","value":{"b":2}}]`, ` {"b":2} `},
		{"keys with a slash, a tilde, and none", `{"a/b":1,"c~d":2,"":3}`,
			`[{"op":"remove","path":"/a~1b"},{"op":"remove","path":"/c~0d"},{"op":"test","path":"/","value":3}]`,
			`{"":3}`},
		{"what is emptied goes", `{"x":1,"name":[{"given":["a"]}]}`, `[{"op":"remove","path":"/name/0/given/0"}]`,
			`{"x":1}`},
		{"what is emptied and filled again stays", `{"x":1,"name":[{"given":["a"]}]}`,
			`[{"op":"remove","path":"/name/0/given/0"},{"op":"add","path":"/name/0/given/0","value":"b"}]`,
			`{"x":1,"name":[{"given":["b"]}]}`},
		{"a twin that is emptied leaves its place", `{"given":["a","b"],"_given":[{"id":"1"},{"id":"2"}]}`,
			`[{"op":"remove","path":"/_given/0/id"}]`, `{"given":["a","b"],"_given":[null,{"id":"2"}]}`},
		{"what was empty before, and what is added empty, stays", `{"a":[],"b":{"c":1}}`,
			`[{"op":"add","path":"/b/d","value":{}},{"op":"test","path":"/a","value":[]}]`,
			`{"a":[],"b":{"c":1,"d":{}}}`},
	} {
		got, err := apply(nil, "", c.patch, c.before)
		if err != nil || got != c.after {
			t.Errorf("%s:\ngot  %q, %v\nwant %q", c.name, got, err, c.after)
		}
	}
}

func TestAJSONPatchThatCanNotBeReadIsInvalid(t *testing.T) {
	for _, c := range []struct{ patch, text string }{
		{`7`, "a patch is an array"},
		{`[7]`, "operation 0 of the JSON Patch: an operation is an object"},
		{`[{"path":"/a"}]`, "needs the string op"},
		{`[{"op":"test","path":"/a","value":1},{"op":"merge","path":"/a"}]`, `operation 1 of the JSON Patch: op is "merge"`},
		{`[{"op":"remove"}]`, "needs the string path"},
		{`[{"op":"remove","path":"a"}]`, "begins with a slash"},
		{`[{"op":"remove","path":"/a~2"}]`, "~ stands for itself as ~0"},
		{`[{"op":"remove","path":"/a~"}]`, "~ stands for itself as ~0"},
		{`[{"op":"remove","path":"` + strings.Repeat("/a", 101) + `"}]`, "leads deeper"},
		{`[{"op":"add","path":"/a"}]`, "add needs a value"},
		{`[{"op":"test","path":"/a"}]`, "test needs a value"},
		{`[{"op":"move","path":"/a"}]`, "needs the string from"},
		{`[{"op":"move","from":"/a","path":"/a/b"}]`, "into itself"},
		{`[{"op":"move","from":"","path":"/b"}]`, "into itself"},
		{`[{"op":"add","op":"remove","path":"/a","value":1}]`, "duplicate key"},
		{`[{"op":"add","path":"/a","value":1}`, "ends"},
	} {
		_, err := patch.Parse(nil, "", []byte(c.patch))
		if events.KindOf(err) != events.Invalid || !strings.Contains(events.TextOf(err), c.text) {
			t.Errorf("%s: got %v, want %q", c.patch, err, c.text)
		}
	}
}

func TestAJSONPatchThatTheDocumentDoesNotAllowIsUnprocessable(t *testing.T) {
	const before = `{"a":1,"list":[1,2],"o":{"x":{}}}`
	for _, c := range []struct{ patch, text string }{
		{`[{"op":"test","path":"/a","value":1},{"op":"remove","path":"/b"}]`,
			`operation 1 of the JSON Patch (remove "/b"): there is nothing at "/b"`},
		{`[{"op":"replace","path":"/b","value":1}]`, "nothing at"},
		{`[{"op":"add","path":"/b/c","value":1}]`, `there is nothing at "/b"`},
		{`[{"op":"add","path":"/a/c","value":1}]`, `"/a" is a number`},
		{`[{"op":"remove","path":"/list/2"}]`, "has 2 items"},
		{`[{"op":"add","path":"/list/3","value":1}]`, "has 2 items"},
		{`[{"op":"remove","path":"/list/-"}]`, "no index"},
		{`[{"op":"test","path":"/list/-","value":1}]`, "no index"},
		{`[{"op":"remove","path":"/list/01"}]`, "no index"},
		{`[{"op":"remove","path":"/list/+1"}]`, "no index"},
		{`[{"op":"remove","path":"/list/99999999999999999999"}]`, "has 2 items"},
		{`[{"op":"test","path":"/a","value":"1"}]`, "another one"},
		{`[{"op":"test","path":"/a","value":1.0000000000000000001}]`, "another one"},
		{`[{"op":"test","path":"/list","value":[1]}]`, "another one"},
		{`[{"op":"test","path":"/list","value":[2,1]}]`, "another one"},
		{`[{"op":"test","path":"/o","value":{"y":{}}}]`, "another one"},
		{`[{"op":"move","from":"/b","path":"/c"}]`, `nothing at "/b"`},
		{`[{"op":"copy","from":"/list/9","path":"/c"}]`, "has 2 items"},
		{`[{"op":"remove","path":""}]`, "the whole document can't be removed"},
	} {
		got, err := apply(nil, "", c.patch, before)
		if events.KindOf(err) != events.Unprocessable || !strings.Contains(events.TextOf(err), c.text) {
			t.Errorf("%s: got %s, %v, want %q", c.patch, got, err, c.text)
		}
	}
}

// TestAFewBytesCanNotAskForMuch: copies that double, steps without end, and levels without end are refused.
func TestAFewBytesCanNotAskForMuch(t *testing.T) {
	list := func(one string, n int) string { return "[" + strings.TrimSuffix(strings.Repeat(one+",", n), ",") + "]" }
	double := list(`{"op":"copy","from":"/a","path":"/a/-"}`, 100)
	deep := list(`{"op":"add","path":"/b","value":{}},{"op":"move","from":"/a","path":"/b/a"},{"op":"move","from":"/b","path":"/a"}`, 200)
	for _, c := range []struct {
		name, before, patch string
		kind                events.Kind
	}{
		{"copies that double", `{"a":["` + strings.Repeat("x", 1000) + `"]}`, double, events.TooLarge},
		{"steps without end", `{"a":` + list("1", 100_000) + `}`, list(`{"op":"add","path":"/a/0","value":1}`, 1000),
			events.TooCostly},
		{"levels without end", `{"a":{}}`, deep, events.Unprocessable},
		{"items without end", list("1", 1_100_000), `[{"op":"test","path":"/0","value":1}]`, events.TooCostly},
	} {
		if got, err := apply(nil, "", c.patch, c.before); events.KindOf(err) != c.kind {
			t.Errorf("%s: got %.100s, %v, want kind %s", c.name, got, err, c.kind)
		}
	}
}
