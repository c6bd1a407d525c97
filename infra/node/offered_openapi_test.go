package node

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"binnacle/events/fhir/rest"
	"binnacle/projections/fhir"
	"binnacle/readapi"
)

// openAPISchema is the schema of documents of OpenAPI 3.1, https://spec.openapis.org/oas/3.1/schema/2022-10-07.
//
//go:embed testdata/openapi-3.1-schema.json
var openAPISchema []byte

// described is an OpenAPI document, as far as the test reads it.
type described struct {
	Paths      map[string]map[string]json.RawMessage
	Components struct {
		Parameters map[string]describedParameter
	}
}

// describedOperation is one operation of it.
type describedOperation struct {
	OperationID string
	Parameters  []describedParameter
	Responses   map[string]any
}

// describedParameter is a parameter, or the reference to one.
type describedParameter struct {
	Ref      string `json:"$ref"`
	Name, In string
}

// mostOpenAPI is how large the document may be, bytes: browsers have to show it.
const mostOpenAPI = 1 << 20

func TestTheOpenAPIDocumentTellsWhatIsOfferedAndNothingElse(t *testing.T) {
	p, limits := openVariant(t, "memory")
	s := serve(t, p, limits)
	table := s.meaning.Load().handler.(*readapi.Server).Table()
	body := s.ask(http.StatusOK, "GET", "/fhir/openapi.json", "", "Accept: application/json")
	if len(body) > mostOpenAPI {
		t.Errorf("the document has %d bytes, and %d are allowed", len(body), mostOpenAPI)
	}
	holdOpenAPI(t, body)
	var doc described
	if err := json.Unmarshal([]byte(body), &doc); err != nil {
		t.Fatal(err)
	}
	operations := map[string]describedOperation{} // by method and path
	ids := map[string]bool{}
	for path, members := range doc.Paths {
		doc.holdNames(t, path)
		for method, raw := range members {
			if method == "parameters" {
				continue
			}
			var one describedOperation
			if err := json.Unmarshal(raw, &one); err != nil || ids[one.OperationID] {
				t.Errorf("%s %s: its id %q is another's, too (%v)", method, path, one.OperationID, err)
			}
			ids[one.OperationID] = true
			operations[strings.ToUpper(method)+" "+path] = one
		}
	}
	types := map[string]bool{} // that some row is told of
	told := map[string]bool{}
	for _, row := range table.Rows() {
		if row.Instead != "" {
			continue
		}
		for _, path := range pathsOf(row, fhir.CatalogOf(p.Dialects).Types()) {
			one, found := operations[row.Method+" "+path]
			if !found {
				t.Errorf("%s %s is offered and not told", row.Method, path)
			}
			told[row.Method+" "+path] = true
			types[path] = true
			for _, status := range row.About.Statuses {
				if _, found := one.Responses[strconv.Itoa(status)]; !found {
					t.Errorf("%s %s: that it may answer %d is not told", row.Method, path, status)
				}
			}
		}
	}
	for key := range operations {
		if !told[key] {
			t.Errorf("%s is told and not offered", key)
		}
	}
	if len(types) < 100 {
		t.Errorf("%d paths were held, want those of each type", len(types))
	}
	s.holdTheSameParameters(operations)
}

// holdNames holds that no operation of a path has two parameters of one name.
func (d *described) holdNames(t *testing.T, path string) {
	t.Helper()
	var shared []describedParameter
	if err := json.Unmarshal(d.Paths[path]["parameters"], &shared); err != nil {
		t.Errorf("%s: %v", path, err)
	}
	for method, raw := range d.Paths[path] {
		var one describedOperation
		if method == "parameters" || json.Unmarshal(raw, &one) != nil {
			continue
		}
		seen := map[string]bool{}
		for _, of := range slices.Concat(shared, one.Parameters) {
			if of.Ref != "" {
				of = d.Components.Parameters[strings.TrimPrefix(of.Ref, "#/components/parameters/")]
			}
			if name := of.In + " " + of.Name; seen[name] {
				t.Errorf("%s %s has the parameter in the %s twice", method, path, name)
			} else {
				seen[name] = true
			}
		}
	}
}

// pathsOf are the paths of a row, one of each type where a path is a type alone.
func pathsOf(row rest.Row, types []string) (paths []string) {
	if row.Path != "/:type" {
		path := row.Path
		for _, name := range []string{"type", "id", "version", "inside"} {
			path = strings.ReplaceAll(path, ":"+name, "{"+name+"}")
		}
		return []string{"/" + strings.TrimPrefix(path, "/")}
	}
	for _, name := range types {
		if row.Types == nil || slices.Contains(row.Types, name) {
			paths = append(paths, "/"+name)
		}
	}
	return paths
}

// holdOpenAPI holds a document against the schema of OpenAPI, and that each reference in it leads to something.
func holdOpenAPI(t *testing.T, body string) {
	t.Helper()
	schema, err := jsonschema.UnmarshalJSON(bytes.NewReader(openAPISchema))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	const name = "https://spec.openapis.org/oas/3.1/schema/2022-10-07"
	if err := compiler.AddResource(name, schema); err != nil {
		t.Fatal(err)
	}
	compiled, err := compiler.Compile(name)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if err := compiled.Validate(doc); err != nil {
		t.Errorf("it is no document of OpenAPI 3.1: %v", err)
	}
	refs := 0
	var walk func(at any)
	walk = func(at any) {
		switch at := at.(type) {
		case []any:
			for _, item := range at {
				walk(item)
			}
		case map[string]any:
			if ref, is := at["$ref"].(string); is {
				refs++
				target, found := doc, strings.HasPrefix(ref, "#/")
				for step := range strings.SplitSeq(strings.TrimPrefix(ref, "#/"), "/") {
					object, _ := target.(map[string]any)
					target = object[step]
				}
				if !found || target == nil {
					t.Errorf("%s leads to nothing", ref)
				}
			}
			if in, is := at["in"].(string); is && (in == "query" || in == "header") {
				if text, _ := at["description"].(string); text == "" {
					t.Errorf("the parameter %v in the %s is not told about", at["name"], in)
				}
			}
			if text, is := at["description"].(string); is && text == "" {
				t.Errorf("something has an empty description: %v", at)
			}
			for _, member := range at {
				walk(member)
			}
		}
	}
	walk(doc)
	if refs == 0 {
		t.Error("no reference was seen: the test looks in the wrong place")
	}
}

// holdTheSameParameters holds that the document and the capability statement tell of the same search parameters.
func (s *served) holdTheSameParameters(operations map[string]describedOperation) {
	s.Helper()
	var statement struct {
		Rest []struct {
			Resource []struct {
				Type        string
				SearchParam []struct{ Name string }
			}
		}
	}
	if err := json.Unmarshal([]byte(s.ask(http.StatusOK, "GET", "/fhir/metadata", "")), &statement); err != nil {
		s.Fatal(err)
	}
	for _, resource := range statement.Rest[0].Resource {
		one := operations["GET /"+resource.Type]
		for _, param := range resource.SearchParam {
			if !slices.ContainsFunc(one.Parameters, func(of describedParameter) bool {
				name, _ := strings.CutPrefix(of.Ref, "#/components/parameters/")
				return strings.HasPrefix(name, param.Name+"-")
			}) {
				s.Errorf("the parameter %s of %s is not told", param.Name, resource.Type)
			}
		}
	}
}
