package readapi_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"binnacle/projections/fhir/form"
	"binnacle/readapi"
)

type statement struct {
	ResourceType, FhirVersion, Kind, Status, Date string
	Format                                        []string
	Software                                      struct{ Name, Version string }
	Implementation                                struct{ URL string }
	Rest                                          []struct {
		Mode        string
		Interaction []struct{ Code string }
		Compartment []string
		SearchParam []struct{ Name string }
		Resource    []struct {
			Type                                 string
			Interaction                          []struct{ Code string }
			Versioning, ConditionalDelete        string
			ReadHistory, UpdateCreate            bool
			ConditionalCreate, ConditionalUpdate bool
			ConditionalRead                      string
			ReferencePolicy                      []string
			SearchInclude, SearchRevInclude      []string
			SearchParam                          []struct{ Name, Definition, Type, Documentation string }
		}
	}
}

func statementOf(t *testing.T, handler http.Handler) statement {
	t.Helper()
	w := get(handler, "/fhir/metadata")
	var s statement
	if err := json.Unmarshal(w.Body.Bytes(), &s); err != nil || w.Code != http.StatusOK {
		t.Fatalf("got %d %.200s (%v)", w.Code, w.Body, err)
	}
	return s
}

func TestTheCapabilityStatementIsTrue(t *testing.T) {
	s := newStore(t)
	s.put("Patient", "1", patient)
	server := s.server(withWrite, func(c *readapi.Config) { c.PublicURL = "https://example.org/fhir" })
	told := statementOf(t, server)
	if told.ResourceType != "CapabilityStatement" || told.FhirVersion != "4.0.1" || told.Kind != "instance" ||
		told.Status != "active" || told.Date == "" ||
		told.Software.Name != "Binnacle" || told.Software.Version != "1.2.3" ||
		told.Implementation.URL != "https://example.org/fhir" {
		t.Errorf("got %+v", told)
	}
	rest := told.Rest[0]
	var system []string
	for _, interaction := range rest.Interaction {
		system = append(system, interaction.Code)
	}
	if !slices.Equal(system, []string{"history-system", "search-system", "transaction", "batch"}) {
		t.Errorf("of the system: %v, want history-system, search-system, transaction and batch", system)
	}
	var types []string
	for _, resource := range rest.Resource {
		types = append(types, resource.Type)
	}
	if want := r4Catalog(t).Types(); !slices.Equal(types, want) {
		t.Errorf("%d types, want %d", len(types), len(want))
	}
	for _, dangling := range []bool{false, true} {
		for _, resource := range statementOf(t, s.server(withWrite,
			func(c *readapi.Config) { c.Dangling = dangling })).Rest[0].Resource {
			want := []string{"literal", "logical", "enforced"}
			if dangling || resource.Type == "Bundle" {
				want = want[:2]
			}
			if !slices.Equal(resource.ReferencePolicy, want) {
				t.Errorf("dangling %v: the policy of %s is %v, want %v", dangling, resource.Type,
					resource.ReferencePolicy, want)
			}
		}
	}
	if slices.Contains(types, "Parameters") {
		t.Error("Parameters is told, which has no endpoint")
	}
	places := map[string]request{
		"read": {method: "GET", target: "/fhir/Patient/1"}, "vread": {method: "GET",
			target: "/fhir/Patient/1/_history/1"},
		"history-instance": {method: "GET", target: "/fhir/Patient/1/_history"}, "search-type": {method: "GET",
			target: "/fhir/Patient"},
		"create": {method: "POST", target: "/fhir/Patient"}, "update": {method: "PUT",
			target: "/fhir/Patient/1"}, "delete": {method: "DELETE", target: "/fhir/Patient/1"},
		"history-type": {method: "GET", target: "/fhir/Patient/_history"}, "patch": {method: "PATCH",
			target: "/fhir/Patient/1"},
	}
	for _, resource := range rest.Resource {
		if resource.Type != "Patient" {
			continue
		}
		offered := map[string]bool{}
		for _, interaction := range resource.Interaction {
			offered[interaction.Code] = true
		}
		for code, place := range places {
			if works := place.do(server).Code < 300; works != offered[code] {
				t.Errorf("%s: told %v, and it works: %v", code, offered[code], works)
			}
		}
	}
}

// valueOf is a value that a parameter of a type can be searched with.
func valueOf(kind string) string {
	return map[string]string{"token": "true", "reference": "Patient/1", "string": "a", "date": "2020", "number": "1",
		"quantity": "1", "uri": "http://a"}[kind]
}

func TestEveryParameterThatIsToldIsAnsweredAndNoOther(t *testing.T) {
	s := newStore(t)
	server := s.server()
	strict := "Prefer: handling=strict"
	modifiers := []string{"missing", "not", "exact", "contains", "above", "below", "identifier", "text", "in", "not-in",
		"of-type"}
	checked := map[string]bool{} // modifiers were tried on this kind of parameter
	for _, resource := range statementOf(t, server).Rest[0].Resource {
		told := map[string]bool{}
		for _, param := range resource.SearchParam {
			told[param.Name] = true
			value := valueOf(param.Type)
			if param.Type == "composite" {
				known, _ := r4Catalog(t).Param(resource.Type, param.Name)
				var parts []string
				for _, part := range known.Components {
					parts = append(parts, valueOf(part.Kind.String()))
				}
				value = strings.Join(parts, "$")
			}
			if value == "" || param.Definition == "" {
				t.Errorf("%s.%s: of the type %q, defined by %q", resource.Type, param.Name, param.Type,
					param.Definition)
			}
			if w := get(server, "/fhir/"+resource.Type+"?"+url.Values{param.Name: {value}}.Encode(),
				strict); w.Code != http.StatusOK {
				t.Errorf("%s?%s=%s: got %d, want 200: %.200s", resource.Type, param.Name, value, w.Code, w.Body)
			}
			if checked[param.Type] || strings.HasPrefix(param.Name, "_") {
				continue
			}
			checked[param.Type] = true
			list, _, _ := strings.Cut(strings.TrimPrefix(param.Documentation, "Modifiers: "), ".")
			for _, modifier := range modifiers {
				given := value
				switch modifier {
				case "missing":
					given = "true"
				case "identifier":
					given = "http://a|b"
				}
				works := get(server,
					"/fhir/"+resource.Type+"?"+url.Values{param.Name + ":" + modifier: {given}}.Encode(),
					strict).Code == http.StatusOK
				if says := slices.Contains(strings.Split(list, ", "), modifier); says != works {
					t.Errorf("%s?%s:%s: told %v, and it works: %v", resource.Type, param.Name, modifier, says, works)
				}
			}
		}
		for _, param := range r4Catalog(t).Params(resource.Type) {
			if told[param.Code] {
				continue
			}
			if w := get(server, "/fhir/"+resource.Type+"?"+url.Values{param.Code: {"a"}}.Encode(),
				strict); w.Code != http.StatusBadRequest {
				t.Errorf("%s?%s is not told; got %d, want 400", resource.Type, param.Code, w.Code)
			}
		}
	}
	if len(checked) < 8 {
		t.Errorf("modifiers were tried on %v only", checked)
	}
}

func TestTheCapabilityStatementSaysWhatTheNodeIs(t *testing.T) {
	s := newStore(t)
	reads := statementOf(t, s.server()).Rest[0]
	if len(reads.Interaction) != 2 || reads.Resource[0].ConditionalCreate || reads.Resource[0].UpdateCreate ||
		len(reads.Resource[0].Interaction) != 5 {
		t.Errorf("a reading node tells of writes: %+v", reads.Resource[0])
	}
	writes := statementOf(t, s.server(withWrite, func(c *readapi.Config) { c.Reader, c.Blobs = nil, nil })).Rest[0]
	if len(writes.Interaction) != 2 || len(writes.Resource[0].SearchParam) != 0 ||
		len(writes.Resource[0].Interaction) != 3 || writes.Resource[0].ReadHistory {
		t.Errorf("a writing node tells of reads: %+v", writes.Resource[0])
	}
}

func TestTheCapabilityStatementIsNotSentTwice(t *testing.T) {
	s := newStore(t)
	one, two := s.server(), s.server()
	w := get(one, "/fhir/metadata")
	etag := w.Header().Get("ETag")
	if etag == "" || get(one, "/fhir/metadata", "If-None-Match: "+etag).Code != http.StatusNotModified {
		t.Errorf("with its ETag %q: want 304", etag)
	}
	if got := get(two, "/fhir/metadata").Header().Get("ETag"); got != etag {
		t.Errorf("another node of the same configuration has the ETag %q, want %q", got, etag)
	}
	if w := get(one, "/fhir/metadata?mode=terminology"); w.Code != http.StatusBadRequest {
		t.Errorf("mode=terminology: got %d, want 400", w.Code)
	}
	for query, want := range map[string]string{"mode=normative": "400", "mode=full": "200 rest",
		"_elements=fhirVersion,resourceType": "200 fhirVersion", "_summary=text": "200 fhirVersion",
		"_elements=shade": "400", "_pretty=true": "200 \n  \"rest\": [\n"} {
		w := get(one, "/fhir/metadata?"+query, "Prefer: handling=strict")
		status, holds, _ := strings.Cut(want, " ")
		rest := strings.Contains(w.Body.String(), `"rest"`)
		if strconv.Itoa(w.Code) != status || !strings.Contains(w.Body.String(), holds) ||
			rest != strings.Contains(holds, "rest") {
			t.Errorf("%s: got %d %.300s, want %s", query, w.Code, w.Body, want)
		}
	}
}

// unread takes an answer and keeps no body.
type unread struct{ *httptest.ResponseRecorder }

func (unread) Write(data []byte) (int, error) { return len(data), nil }

func TestTheCapabilityStatementIsMappedToXMLOnce(t *testing.T) {
	server := newStore(t).server()
	inJSON, inXML := get(server, "/fhir/metadata"), get(server, "/fhir/metadata", "Accept: application/fhir+xml")
	want, err := form.XML(inJSON.Body.Bytes())
	if err != nil || !bytes.Equal(inXML.Body.Bytes(), want) || inXML.Header().Get("ETag") != inJSON.Header().Get("ETag") ||
		!strings.HasPrefix(inXML.Header().Get("Content-Type"), "application/fhir+xml") {
		t.Errorf("got %v %.300s, %v", inXML.Header(), inXML.Body, err)
	}
	r := httptest.NewRequest(http.MethodGet, "/fhir/metadata", nil)
	r.Header.Set("Accept", "application/fhir+xml")
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	server.ServeHTTP(unread{httptest.NewRecorder()}, r)
	runtime.ReadMemStats(&after)
	if took := after.TotalAlloc - before.TotalAlloc; took > uint64(len(want)/2) {
		t.Errorf("once more it takes %d bytes of memory, and the statement has %d", took, len(want))
	}
	if w := get(server, "/fhir/metadata?_elements=fhirVersion", "Accept: application/fhir+xml"); w.Code != http.StatusOK ||
		!strings.Contains(w.Body.String(), `<fhirVersion value="4.0.1"/>`) || strings.Contains(w.Body.String(), "<rest>") {
		t.Errorf("a part of it: got %d %.300s", w.Code, w.Body)
	}
}

func TestEveryIncludeAndCompartmentThatIsToldIsAnswered(t *testing.T) {
	s := newStore(t)
	s.put("Patient", "1", patient)
	server := s.server()
	strict := "Prefer: handling=strict"
	rest := statementOf(t, server).Rest[0]
	for _, resource := range rest.Resource {
		told := map[string]bool{}
		for _, include := range resource.SearchInclude {
			told[include] = true
			if w := get(server, "/fhir/"+resource.Type+"?_include="+include, strict); w.Code != http.StatusOK {
				t.Errorf("%s?_include=%s: got %d, want 200: %.200s", resource.Type, include, w.Code, w.Body)
			}
		}
		for _, param := range resource.SearchParam {
			if include := resource.Type + ":" + param.Name; !told[include] {
				if w := get(server, "/fhir/"+resource.Type+"?_include="+include,
					strict); w.Code != http.StatusBadRequest && w.Code != http.StatusUnprocessableEntity {
					t.Errorf("%s?_include=%s is not told; got %d, want 400 or 422", resource.Type, include, w.Code)
				}
			}
		}
		for i, include := range resource.SearchRevInclude {
			if resource.Type != "Patient" && i%10 != 0 {
				continue
			}
			if w := get(server, "/fhir/"+resource.Type+"?_revinclude="+include, strict); w.Code != http.StatusOK {
				t.Errorf("%s?_revinclude=%s: got %d, want 200: %.200s", resource.Type, include, w.Code, w.Body)
			}
		}
	}
	if len(rest.Compartment) != 5 {
		t.Errorf("compartments: %v, want 5", rest.Compartment)
	}
	for _, resource := range rest.Resource {
		told := slices.Contains(rest.Compartment,
			"http://hl7.org/fhir/CompartmentDefinition/"+strings.ToLower(resource.Type[:1])+resource.Type[1:])
		if works := get(server, "/fhir/"+resource.Type+"/1/Observation", strict).Code == http.StatusOK; works != told {
			t.Errorf("the compartment of a %s: told %v, and it works: %v", resource.Type, told, works)
		}
	}
	if len(rest.SearchParam) < 5 {
		t.Errorf("of the system: %v, want those of every resource", rest.SearchParam)
	}
	for _, param := range rest.SearchParam {
		if w := get(server, "/fhir?"+param.Name+"=2020", strict); w.Code != http.StatusOK {
			t.Errorf("/fhir?%s: got %d, want 200: %.200s", param.Name, w.Code, w.Body)
		}
	}
}
