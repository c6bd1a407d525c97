package openapi

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"binnacle/events/fhir/rest"
	"binnacle/projections/catalog"
)

// writer writes one document.
type writer struct {
	Config
	parameters map[string]parameter
	bodies     map[string]requestBody
}

func newWriter(config Config) *writer {
	return &writer{Config: config, parameters: map[string]parameter{}, bodies: map[string]requestBody{}}
}

const (
	anyType   = "Any type"
	theSystem = "System"
	typePath  = "/:type"
)

// tags are the groups of operations: those on one type have its name.
func (w *writer) tags() []tag {
	tags := []tag{{anyType, "On a resource of any type"}, {theSystem, "On all resources"}}
	for _, name := range w.Catalog.Types() {
		tags = append(tags, tag{Name: name})
	}
	return tags
}

// paths has a path for each shape of the rows, and where a path is the type alone one for each type: that is where
// search parameters stand, and each type has its own.
func (w *writer) paths() map[string]path {
	paths := map[string]path{}
	for n := range w.Rows {
		row := &w.Rows[n]
		if row.Instead != "" {
			continue
		}
		if row.Path != typePath {
			w.add(paths, row, "")
			continue
		}
		for _, name := range w.Catalog.Types() {
			if row.Types == nil || slices.Contains(row.Types, name) {
				w.add(paths, row, name)
			}
		}
	}
	return paths
}

// add adds the operation of a row; typ is that of a path which is a type alone.
func (w *writer) add(paths map[string]path, row *rest.Row, typ string) {
	shape, names := pathOf(row.Path)
	if typ != "" {
		shape, names = "/"+typ, nil
	}
	if paths[shape] == nil {
		paths[shape] = path{"parameters": w.ofAll(row, names)}
	}
	method := strings.ToLower(row.Method)
	if _, before := paths[shape][method]; before { // of rows that fit a request the first one counts
		return
	}
	one := operation{ID: idOf(row, typ), Tags: []string{theSystem}, Summary: row.About.Summary,
		Responses: w.answers(row)}
	switch {
	case typ != "":
		one.Tags = []string{typ}
	case slices.Contains(names, "type"):
		one.Tags = []string{anyType}
	}
	form := len(row.About.Takes) > 0 && row.About.Takes[0] == rest.FormType
	for _, name := range row.About.Headers {
		one.Parameters = append(one.Parameters, w.known(name, "header"))
	}
	if !form {
		for _, name := range row.About.Params {
			one.Parameters = append(one.Parameters, w.known(name, "query"))
		}
		if row.About.Selects {
			one.Parameters = append(one.Parameters, w.criteria(row, typ)...)
		}
	}
	if len(row.About.Takes) > 0 {
		one.RequestBody = w.body(row)
	}
	paths[shape][method] = one
}

// ofAll are the parameters of all operations of a path.
func (w *writer) ofAll(row *rest.Row, names []string) (list []any) {
	for _, name := range names {
		list = append(list, w.ofPath(row, name))
	}
	for _, name := range controls {
		list = append(list, w.known(name, "query"))
	}
	return list
}

// controls say what an answer is to be like, and may stand in any query.
var controls = []string{"_format", "_pretty", "_summary", "_elements"}

// pathOf is a row's path as OpenAPI writes it, and the names of its parameters.
func pathOf(shape string) (path string, names []string) {
	if shape == "" {
		return "/", nil
	}
	steps := strings.Split(shape, "/")
	for n, step := range steps {
		if name, is := strings.CutPrefix(step, ":"); is {
			steps[n] = "{" + name + "}"
			names = append(names, name)
		}
	}
	return strings.Join(steps, "/"), names
}

// idOf names an operation: read, searchPatient, searchSystemByForm.
func idOf(row *rest.Row, typ string) string {
	words := strings.Split(strings.TrimPrefix(row.Name, "$"), "-")
	if typ != "" && words[len(words)-1] == "type" {
		words = words[:len(words)-1]
	}
	for n := range words[1:] {
		words[n+1] = strings.ToUpper(words[n+1][:1]) + words[n+1][1:]
	}
	id := strings.Join(words, "") + typ
	if row.Method == http.MethodPost && strings.HasSuffix(row.Path, "/_search") {
		id += "ByForm"
	}
	return id
}

// body is the body that a row takes. Rows that take the same share it.
func (w *writer) body(row *rest.Row) *reference {
	name := idOf(row, "")
	if slices.Equal(row.About.Takes, rest.ResourceTypes) {
		name = row.About.Gives
	}
	body := requestBody{Required: row.About.Takes[0] != rest.FormType, Content: map[string]media{}}
	for _, name := range row.About.Takes {
		body.Content[name] = media{bodySchema(name, row, w.Catalog)}
	}
	w.bodies[name] = body
	return &reference{"#/components/requestBodies/" + name}
}

// bodySchema is what is known of a body of a media type; nil: nothing, it is no JSON.
func bodySchema(name string, row *rest.Row, known *catalog.Catalog) *schema {
	switch {
	case name == rest.FormType:
		properties := schema{}
		for _, name := range row.About.Params {
			properties[name] = text()
		}
		if row.Path != "/_search" {
			return &schema{"type": "object", "properties": properties, "additionalProperties": text()}
		}
		for _, param := range ofAllTypes(known) {
			properties[param.Code] = text()
		}
		return &schema{"type": "object", "properties": properties, "additionalProperties": text()}
	case strings.Contains(name, "json-patch"):
		return of("JSONPatch")
	case !isJSON(name):
		return nil
	case row.Method == http.MethodPatch:
		return of("Parameters")
	case row.About.Gives == "Bundle":
		return of("Bundle")
	}
	return of("Resource")
}

func isJSON(media string) bool { return strings.Contains(media, "json") }

// answers are what a row may answer. What all rows refuse alike is the default.
func (w *writer) answers(row *rest.Row) map[string]answer {
	answers := map[string]answer{"default": {Ref: "#/components/responses/Refusal"}}
	for _, status := range row.About.Statuses {
		name := strconv.Itoa(status)
		switch {
		case status >= http.StatusMultipleChoices:
		case status == http.StatusNoContent, status == http.StatusAccepted:
		case row.About.Gives != "":
			name += row.About.Gives
		default:
			name += "OperationOutcome"
		}
		answers[strconv.Itoa(status)] = answer{Ref: "#/components/responses/" + name}
	}
	return answers
}
