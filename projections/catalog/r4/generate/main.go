// Command generate trims the FHIR R4 definitions to what the catalog reads. It takes the jar that HAPI FHIR packages
// them in, which Maven fetches:
//
//	mvn dependency:copy -Dartifact=ca.uhn.hapi.fhir:hapi-fhir-validation-resources-r4:8.12.1 -DoutputDirectory=.
//	go run ./projections/catalog/r4/generate hapi-fhir-validation-resources-r4-8.12.1.jar projections/catalog/r4
//
// It writes search-parameters.json.gz (a Bundle of SearchParameters with the elements that the catalog reads),
// model.txt.gz (the elements of all types, a line each: see model.go), parts.txt.gz (which elements are mandatory or
// belong to a summary: see parts.go), code-systems.txt.gz (of elements that are codes the systems: see systems.go) and
// compartments.json. Equal input gives equal bytes.
package main

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sort"
	"strings"
)

const inJar = "org/hl7/fhir/r4/model/"

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: generate definitions.jar folder")
		os.Exit(2)
	}
	if err := generate(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "generate:", err)
		os.Exit(1)
	}
}

func generate(jar, folder string) error {
	archive, err := zip.OpenReader(jar)
	if err != nil {
		return err
	}
	defer archive.Close()

	parameters, err := read(archive, "sp/search-parameters.json")
	if err != nil {
		return err
	}
	trimmed, err := trim(parameters)
	if err != nil {
		return err
	}
	if err := writeCompressed(filepath.Join(folder, "search-parameters.json.gz"), trimmed); err != nil {
		return err
	}

	sets, err := valueSets(archive)
	if err != nil {
		return err
	}
	var model, parts, systems bytes.Buffer
	compartments := map[string]map[string][]string{}
	for _, name := range []string{"profile/profiles-types.xml", "profile/profiles-resources.xml"} {
		data, err := read(archive, name)
		if err != nil {
			return err
		}
		var b bundle
		if err := xml.Unmarshal(data, &b); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		for _, e := range b.Entries {
			if s := e.Structure; s != nil && s.Derivation.Value != "constraint" && s.Kind.Value != "logical" {
				s.write(&model)
				s.writeParts(&parts)
				s.writeSystems(&systems, sets)
			}
			if c := e.Compartment; c != nil {
				compartments[c.Code.Value] = c.members()
			}
		}
	}
	if err := writeCompressed(filepath.Join(folder, "model.txt.gz"), model.Bytes()); err != nil {
		return err
	}
	if err := writeCompressed(filepath.Join(folder, "parts.txt.gz"), parts.Bytes()); err != nil {
		return err
	}
	if err := writeCompressed(filepath.Join(folder, "code-systems.txt.gz"), systems.Bytes()); err != nil {
		return err
	}
	// R4 leaves the patient out of its own compartment, unlike the other four; R5 has put that right.
	compartments["Patient"]["Patient"] = append(compartments["Patient"]["Patient"], "{def}")
	sort.Strings(compartments["Patient"]["Patient"])
	data, err := json.MarshalIndent(compartments, "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(folder, "compartments.json"), append(data, '\n'), 0o644)
}

func read(archive *zip.ReadCloser, name string) ([]byte, error) {
	file, err := archive.Open(inJar + name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return io.ReadAll(file)
}

func writeCompressed(path string, data []byte) error {
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		return err
	}
	if _, err := w.Write(data); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	return os.WriteFile(path, b.Bytes(), 0o644)
}

// errata are corrections of definitions that contradict themselves: id → expressions of the components, in order.
var errata = map[string][]string{
	// The component relatesto is a reference and has the expression "code"; relation is a token and has "target".
	"DocumentReference-relationship": {"target", "code"},
}

// trim keeps the elements of SearchParameters that the catalog reads.
func trim(data []byte) ([]byte, error) {
	var in struct {
		Entry []struct{ Resource map[string]any }
	}
	if err := json.Unmarshal(data, &in); err != nil {
		return nil, err
	}
	entries := make([]any, 0, len(in.Entry))
	for _, e := range in.Entry {
		kept := map[string]any{}
		for _, name := range []string{"resourceType", "id", "url", "code", "base", "type", "expression", "target",
			"component"} {
			if v, ok := e.Resource[name]; ok {
				kept[name] = v
			}
		}
		id, _ := kept["id"].(string)
		for i, expression := range errata[id] {
			kept["component"].([]any)[i].(map[string]any)["expression"] = expression
		}
		entries = append(entries, map[string]any{"resource": kept})
	}
	return json.Marshal(map[string]any{"resourceType": "Bundle", "type": "collection", "entry": entries})
}

type value struct {
	Value string `xml:"value,attr"`
}

type bundle struct {
	Entries []struct {
		Structure   *structure   `xml:"resource>StructureDefinition"`
		Compartment *compartment `xml:"resource>CompartmentDefinition"`
	} `xml:"entry"`
}

type structure struct {
	Type       value     `xml:"type"`
	Kind       value     `xml:"kind"`
	Abstract   value     `xml:"abstract"`
	Derivation value     `xml:"derivation"`
	Base       value     `xml:"baseDefinition"`
	Elements   []element `xml:"snapshot>element"`
}

type element struct {
	Path      value   `xml:"path"`
	Min       value   `xml:"min"`
	Max       value   `xml:"max"`
	Summary   value   `xml:"isSummary"`
	Reference value   `xml:"contentReference"`
	Binding   binding `xml:"binding"`
	Types     []struct {
		Code value `xml:"code"`
		Own  value `xml:"extension>valueUrl"` // FHIR's type, where Code is FHIRPath's
	} `xml:"type"`
}

// write writes the type's line, "name kind parent", and a line "path max types" for each of its elements. Every element
// has an id and extensions, and a primitive is its value: those are not written.
func (s *structure) write(w *bytes.Buffer) {
	kind := s.Kind.Value
	if s.Abstract.Value == "true" {
		kind = "abstract"
	}
	parent := s.Base.Value[strings.LastIndexByte(s.Base.Value, '/')+1:]
	if parent == "" {
		parent = "-"
	}
	fmt.Fprintf(w, "%s %s %s\n", s.Type.Value, kind, parent)
	for _, e := range s.Elements {
		path := e.Path.Value
		name := path[strings.LastIndexByte(path, '.')+1:]
		if name == path || name == "id" || name == "extension" || e.Max.Value == "0" ||
			s.Kind.Value == "primitive-type" {
			continue
		}
		max := "1"
		if e.Max.Value != "1" {
			max = "*"
		}
		types := e.Reference.Value
		if types == "" {
			seen := map[string]bool{}
			var names []string
			for _, t := range e.Types {
				code := t.Code.Value
				if strings.HasPrefix(code, "http:") {
					code = t.Own.Value
				}
				if code != "" && !seen[code] {
					seen[code] = true
					names = append(names, code)
				}
			}
			types = strings.Join(names, ",")
		}
		if types != "" {
			fmt.Fprintf(w, "%s %s %s\n", path, max, types)
		}
	}
}

// writeParts writes a line "path letters" for each element that is in a summary (s) or mandatory (m).
func (s *structure) writeParts(w *bytes.Buffer) {
	for _, e := range s.Elements {
		path := e.Path.Value
		letters := ""
		if e.Summary.Value == "true" {
			letters += "s"
		}
		if e.Min.Value != "0" {
			letters += "m"
		}
		if strings.Contains(path, ".") && e.Max.Value != "0" && s.Kind.Value != "primitive-type" && letters != "" {
			fmt.Fprintf(w, "%s %s\n", path, letters)
		}
	}
}

type compartment struct {
	Code      value `xml:"code"`
	Resources []struct {
		Code   value   `xml:"code"`
		Params []value `xml:"param"`
	} `xml:"resource"`
}

// members maps a type to the parameters that put a resource into the compartment.
func (c *compartment) members() map[string][]string {
	members := map[string][]string{}
	for _, r := range c.Resources {
		var params []string
		for _, p := range r.Params {
			params = append(params, p.Value)
		}
		if params != nil {
			sort.Strings(params)
			members[r.Code.Value] = params
		}
	}
	return members
}
