package rest

import (
	"net/http"
	"slices"
	"strings"

	"binnacle/events"
)

// Row is an interaction or operation at one shape of path: a line of the table of what a node offers. Routes,
// refusals, Allow and the capability statement are made of these lines.
type Row struct {
	Name string // of the interaction, as metrics have it
	// of the interaction in the capability statement (FHIR R4, value sets type- and system-restful-interaction)
	Codes  []string
	Method string // GET stands for HEAD, too
	// below the FHIR root, of names and of parameters: /:type/:id/_history/:version, and of a compartment
	// /:type/:id/:inside
	Path       string
	Types      []string // those that :type may be; nil: all that have an endpoint
	Definition string   // of an operation, whose Path ends with its name: /:type/:id/$everything
	Instead    string   // of an interaction of FHIR that is not offered: which one it is, and what to do instead
	About      About    // "": that of FHIR's interaction of the name
	Serve      func(w http.ResponseWriter, r *http.Request, ask *Ask) error
	Read       Read // of a GET: the same answer for an entry of a bundle
	// Check refuses what Read would refuse by the form of what is asked, and reads nothing; nil: any form will do.
	Check func(ask *Ask) error
	// Many: what is asked by criteria may be done to all that fits them.
	Many bool
	// Long: the answer may take long, so that a client may prefer to fetch it later. Serve heeds [Ask.FormOnly] unless
	// there is a Check.
	Long bool
}

// Form refuses what Serve would refuse by the form of a request: nothing that is stored can make it right. It reads the
// body, and changes nothing. The refusal is an error, or is written, as Serve does it. The row is Long.
func (row *Row) Form(w http.ResponseWriter, request *http.Request, ask *Ask) error {
	formal := *ask
	formal.FormOnly = true
	if row.Check == nil {
		return row.Serve(w, request, &formal)
	}
	if err := formal.readHeaders(request.Header); err != nil {
		return err
	}
	return row.Check(&formal)
}

// Place is what a path names.
type Place struct {
	Type    string
	ID      string
	Version string
	Inside  string // of a compartment: a type, or * for all
}

// Table is what a node offers.
type Table struct {
	rows  []offer
	known func(name string) bool
	names map[string]bool // that stand in paths: those that begin with _ are no ids
}

type offer struct {
	Row
	steps []string
}

// NewTable makes a table. known tells whether a type has an endpoint. Of rows that fit a request the first one counts.
func NewTable(known func(name string) bool, rows ...Row) *Table {
	t := &Table{known: known, names: map[string]bool{}}
	for _, row := range rows {
		steps := split(nil, row.Path)
		for _, step := range steps {
			if step[0] != ':' {
				t.names[step] = true
			}
		}
		t.rows = append(t.rows, offer{row.told(), steps})
	}
	return t
}

// Rows are the lines of the table, those of what is not offered too.
func (t *Table) Rows() []Row {
	rows := make([]Row, len(t.rows))
	for i := range t.rows {
		rows[i] = t.rows[i].Row
	}
	return rows
}

// Has tells whether there is an interaction of a name.
func (t *Table) Has(name string) bool {
	return slices.ContainsFunc(t.rows, func(o offer) bool { return o.Name == name && o.Instead == "" })
}

// Many tells whether an interaction with a name takes many, where its criteria fit many.
func (t *Table) Many(name string) bool {
	return slices.ContainsFunc(t.rows, func(o offer) bool { return o.Name == name && o.Instead == "" && o.Row.Many })
}

// Methods are those that something in the table takes, as a header lists them.
func (t *Table) Methods() string { return allowed(t.rows) }

// Fits tells whether a place, read from a path of the row's shape, is one where the row answers.
func (t *Table) Fits(row *Row, at Place) bool {
	if at.Type == "" {
		return true
	}
	return t.isType(row, at.Type) && !t.isName(at.ID) && (at.Inside == "" || at.Inside == "*" || t.known(at.Inside)) &&
		!strings.HasPrefix(at.Version, "$")
}

func (t *Table) isType(row *Row, name string) bool {
	return t.known(name) && (row.Types == nil || slices.Contains(row.Types, name))
}

// isName tells whether a step of a path is a name of FHIR's, and no id.
func (t *Table) isName(step string) bool {
	return step != "" && (step[0] == '$' || step[0] == '_' && t.names[step])
}

const opTable = "rest.Table"

// Find returns the row that answers a method at a path below the root, and what the path names.
//
// Kind NotFound: nothing is there. Kind Unsupported: something of FHIR that is not offered, with status 404 for an
// operation and for a type that has no endpoint, and 405 where other methods are offered.
func (t *Table) Find(method, path string) (*Row, Place, error) {
	var buffer [mostSteps]string
	steps := split(buffer[:0], path)
	if method == http.MethodHead {
		method = http.MethodGet
	}
	for i := range t.rows {
		o := &t.rows[i]
		if o.Method != method || o.Instead != "" {
			continue
		}
		if at, fits := t.match(o.steps, steps); fits && (at.Type == "" || t.isType(&o.Row, at.Type)) {
			return &o.Row, at, nil
		}
	}
	return nil, Place{}, t.refuse(method, path, steps)
}

// refuse tells why no row answers a method at a path.
func (t *Table) refuse(method, path string, steps []string) error {
	var here []offer
	for i := range t.rows {
		if at, fits := t.match(t.rows[i].steps, steps); fits && (at.Type == "" || t.isType(&t.rows[i].Row, at.Type)) {
			here = append(here, t.rows[i])
		}
	}
	for i := range here {
		if here[i].Method == method {
			return events.Errorf(events.Unsupported, opTable, "%s", here[i].Instead)
		}
	}
	switch allow := allowed(here); {
	case allow != "":
		return NotAllowed(method, allow)
	case len(here) > 0:
		return events.Errorf(events.Unsupported, opTable, "%s", here[0].Instead)
	}
	return t.missing(path, steps)
}

// Handler answers what the table has under a base path ("/fhir"), without a router in front.
func (t *Table) Handler(base string) http.Handler {
	address := Address{base: base}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		row, at, err := t.Find(r.Method, strings.TrimPrefix(r.URL.Path, base))
		if err == nil {
			ask := address.Ask(r)
			ask.Place = at
			err = row.Serve(w, r, ask)
		}
		if err != nil {
			Refuse(w, err)
		}
	})
}

// missing tells why nothing is at a path.
func (t *Table) missing(path string, steps []string) error {
	if at := slices.IndexFunc(steps, func(step string) bool { return strings.HasPrefix(step, "$") }); at >= 0 {
		return Refused(http.StatusNotFound, events.Unsupported, opTable,
			"the operation %.64q is not offered here; /metadata lists what there is", steps[at])
	}
	for i := range t.rows {
		if at, fits := t.match(t.rows[i].steps, steps); fits && !t.known(at.Type) {
			return Refused(http.StatusNotFound, events.Unsupported, opTable,
				"%.64q is not a resource type of FHIR R4 that has an endpoint; types are written as in Patient",
				at.Type)
		}
	}
	return events.Errorf(events.NotFound, opTable, "there is nothing at %.200q; /metadata tells what there is", path)
}

// match reads a path by the shape of a row. Whether the type has an endpoint it does not tell.
func (t *Table) match(shape, steps []string) (at Place, fits bool) {
	if len(shape) != len(steps) {
		return Place{}, false
	}
	for i, step := range steps {
		switch shape[i] {
		case ":type":
			at.Type, fits = step, !t.isName(step)
		case ":id":
			at.ID, fits = step, !t.isName(step)
		case ":version":
			at.Version, fits = step, step[0] != '$'
		case ":inside":
			at.Inside, fits = step, step == "*" || t.known(step)
		default:
			fits = shape[i] == step
		}
		if !fits {
			return Place{}, false
		}
	}
	return at, true
}

// mostSteps is how many steps the longest path has that is common: it is taken apart without an allocation.
const mostSteps = 6

// split takes a path apart and appends its steps. Slashes that follow each other are one.
func split(steps []string, path string) []string {
	for path != "" {
		step, behind, _ := strings.Cut(path, "/")
		if step != "" {
			steps = append(steps, step)
		}
		path = behind
	}
	return steps
}

// allowed lists the methods of rows that are offered (RFC 9110, 10.2.1).
func allowed(rows []offer) string {
	var methods []string
	for i := range rows {
		o := &rows[i]
		if o.Instead != "" || slices.Contains(methods, o.Method) {
			continue
		}
		if methods = append(methods, o.Method); o.Method == http.MethodGet {
			methods = append(methods, http.MethodHead)
		}
	}
	return strings.Join(methods, ", ")
}
