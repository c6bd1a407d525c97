package catalog

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"binnacle/events"
	"binnacle/projections"
)

// Limits of a query; beyond them it is refused as too costly.
const (
	MaxClauses  = 100   // parameters that filter
	MaxValues   = 1_000 // alternatives of one parameter
	MaxSortKeys = 8
)

// Counts that stand when [Options] has none.
const (
	DefaultCount = 50
	MaxCount     = 1_000
)

// Options is what a query is read with.
type Options struct {
	Tenant, Type string
	Strict       bool             // refuse what is not known or not offered, in place of dropping it with an [Issue] (Prefer: handling)
	DefaultCount int              // page size without _count; 0: [DefaultCount]
	MaxCount     int              // a larger _count becomes this; 0: [MaxCount]
	BaseURL      string           // the server's own, without a slash at the end: absolute references under it are made relative
	Own          []string         // parameters that the door reads by itself: passed over, and not in Used
	Now          func() time.Time // for the prefix ap on dates; nil: ap on dates is refused
}

// Issue is a parameter that was dropped, and why. The result may be wider than what was asked for: the client must be told.
type Issue struct {
	Param string      // as written
	Kind  events.Kind // Invalid: not known; Unsupported: known and not offered
	Text  string
}

// KeyValue is a parameter as decoded from the query.
type KeyValue struct{ Key, Value string }

// Parsed is a query that has been read.
type Parsed struct {
	Query   projections.Query // without After and Snapshot
	Issues  []Issue
	Used    []KeyValue // the parameters that took effect, in their order, for the self link
	Summary string     // "count" when _summary=count asks for the total alone; else ""
	Explain bool       // _explain=true
}

// ParseQuery reads the parameters of a search on one type: application/x-www-form-urlencoded, their order kept. Clauses and values stand in
// the order of the query. Errors are of kind Invalid (malformed; a modifier that the parameter's kind doesn't have; not known and strict),
// Unsupported (known, not offered, and strict), NotFound (no such type) or TooCostly, and name the parameter.
func (c *Catalog) ParseQuery(raw string, o Options) (Parsed, error) {
	p, err := c.newQueryParser(o)
	if err != nil {
		return Parsed{}, err
	}
	if err := p.parse(raw); err != nil {
		return Parsed{}, err
	}
	return p.finish(), nil
}

// ParseCondition reads the search of a conditional create, update, delete or reference. It is always strict, takes no result parameters, needs at least
// one clause, and means the same whenever and wherever it is read: ap on dates, which depends on the clock, is refused. The query's Limit is 2: one match,
// or several.
func (c *Catalog) ParseCondition(tenant, typ, raw string) (projections.Query, error) {
	p, err := c.newQueryParser(Options{Tenant: tenant, Type: typ, Strict: true})
	if err != nil {
		return projections.Query{}, err
	}
	p.condition = true
	if err := p.parse(raw); err != nil {
		return projections.Query{}, err
	}
	if len(p.query.Clauses) == 0 {
		return projections.Query{}, events.Errorf(events.Invalid, "catalog.ParseCondition", "the condition on %s has no search parameter; it would match everything", typ)
	}
	p.query.Limit, p.query.Total = 2, projections.TotalNone
	return p.query, nil
}

// queryParser is one query being read.
type queryParser struct {
	catalog   *Catalog
	options   Options
	condition bool
	params    map[string]*Param
	query     projections.Query
	issues    []Issue
	used      []KeyValue
	seen      map[string]bool // result parameters that may stand once
	count     int             // -1: none given
	summary   string
	explain   bool
}

func (c *Catalog) newQueryParser(o Options) (*queryParser, error) {
	t := c.types[o.Type]
	if t == nil {
		return nil, events.Errorf(events.NotFound, "catalog.ParseQuery", "%.64q is not a resource type of FHIR R4", o.Type)
	}
	if o.DefaultCount <= 0 {
		o.DefaultCount = DefaultCount
	}
	if o.MaxCount <= 0 {
		o.MaxCount = MaxCount
	}
	p := &queryParser{catalog: c, options: o, params: t.params, seen: map[string]bool{}, count: -1}
	p.query = projections.Query{Tenant: o.Tenant, Type: o.Type}
	return p, nil
}

func (p *queryParser) finish() Parsed {
	q := p.query
	q.Limit = min(p.options.DefaultCount, p.options.MaxCount)
	if p.count >= 0 {
		q.Limit = min(p.count, p.options.MaxCount)
	}
	if p.summary == "count" {
		q.Limit = 0
	}
	if q.Limit == 0 && (q.Total == projections.TotalCheap || q.Total == projections.TotalNone) {
		q.Total = projections.TotalAccurate
	}
	return Parsed{Query: q, Issues: p.issues, Used: p.used, Summary: p.summary, Explain: p.explain}
}

// invalid makes the error of a parameter that is refused whatever the handling.
func invalid(param, format string, args ...any) *events.Error {
	return events.Errorf(events.Invalid, "catalog.ParseQuery", "%.100s: %s", param, fmt.Sprintf(format, args...))
}

func tooCostly(param, format string, args ...any) *events.Error {
	e := invalid(param, format, args...)
	e.Kind = events.TooCostly
	return e
}

// drop refuses a parameter when the handling is strict, and notes that it was dropped otherwise.
func (p *queryParser) drop(kind events.Kind, param, format string, args ...any) *events.Error {
	e := invalid(param, format, args...)
	e.Kind = kind
	if p.options.Strict {
		return e
	}
	p.issues = append(p.issues, Issue{Param: param, Kind: kind, Text: e.Text + " (the parameter was ignored)"})
	return nil
}

func (p *queryParser) use(key, value string) { p.used = append(p.used, KeyValue{key, value}) }

func (p *queryParser) parse(raw string) error {
	for pair := range strings.SplitSeq(raw, "&") {
		if pair == "" {
			continue
		}
		key, value, _ := strings.Cut(pair, "=")
		key, err := url.QueryUnescape(key)
		if err != nil {
			return events.Errorf(events.Invalid, "catalog.ParseQuery", "a parameter's name: %v", err)
		}
		if value, err = url.QueryUnescape(value); err != nil {
			return invalid(key, "%v", err)
		}
		if !utf8.ValidString(key) || !utf8.ValidString(value) {
			return events.Errorf(events.Invalid, "catalog.ParseQuery", "%.100q: the parameter is not UTF-8", key)
		}
		if err := p.parameter(key, value); err != nil {
			return err
		}
	}
	return nil
}

func (p *queryParser) parameter(key, value string) *events.Error {
	if slices.Contains(p.options.Own, key) {
		return nil
	}
	code, modifier, chain := splitKey(key)
	if control := controls[code]; control != nil {
		if p.condition {
			return invalid(key, "a condition takes no parameters but those that select resources")
		}
		return control(p, key, value)
	}
	if code == "_has" {
		return p.drop(events.Unsupported, key, "reverse chaining is not offered")
	}
	param := p.params[code]
	switch {
	case key == "":
		return p.drop(events.Invalid, key, "a parameter without a name")
	case param == nil && notOffered[code]:
		return p.drop(events.Unsupported, key, "the parameter is not offered")
	case param == nil:
		return p.drop(events.Invalid, key, "%s has no such search parameter%s", p.options.Type, p.hint(code))
	case chain:
		if param.Kind != projections.Reference {
			return invalid(key, "a %s parameter can not be chained; only a reference can", param.Kind)
		}
		return p.drop(events.Unsupported, key, "chained parameters are not offered")
	case !param.Searchable():
		return p.drop(events.Unsupported, key, "%s parameters of this kind (%s) are not offered", p.options.Type, param.Kind)
	}
	return p.clause(param, key, modifier, value)
}

// splitKey splits "code:modifier", "code.chain" and "code:Type.chain".
func splitKey(key string) (code, modifier string, chain bool) {
	i := strings.IndexAny(key, ":.")
	if i < 0 {
		return key, "", false
	}
	if key[i] == '.' {
		return key[:i], "", true
	}
	modifier, _, chain = strings.Cut(key[i+1:], ".")
	return key[:i], modifier, chain
}

// clause reads a parameter that filters.
func (p *queryParser) clause(param *Param, key, modifier, value string) *events.Error {
	if len(p.query.Clauses) == MaxClauses {
		return tooCostly(key, "more than %d parameters; ask in several queries", MaxClauses)
	}
	if value == "" {
		return p.drop(events.Invalid, key, "the value is empty")
	}
	clause := projections.Clause{Param: param.Code, Kind: param.Kind}
	hasModifier := strings.Contains(key, ":")
	var targetType string
	if hasModifier {
		var offered bool
		var err *events.Error
		if clause.Modifier, targetType, offered, err = p.modifier(param, key, modifier); err != nil || !offered {
			return err
		}
	}
	if clause.Modifier == projections.Missing {
		if value != "true" && value != "false" {
			return invalid(key, "the value must be true or false, not %.40q", value)
		}
		clause.Missing = value == "true"
	} else {
		texts := splitUnescaped(value, ',')
		if len(texts) > MaxValues {
			return tooCostly(key, "%d alternatives; the most is %d", len(texts), MaxValues)
		}
		for _, text := range texts {
			if text == "" {
				return invalid(key, "one of the alternatives in %.80q is empty; write a comma that belongs to a value as \\,", value)
			}
			v, err := p.value(param, clause.Modifier, targetType, key, text)
			if err != nil {
				return err
			}
			if v != nil {
				clause.Values = append(clause.Values, *v)
			}
		}
		if len(clause.Values) < len(texts) {
			return nil // dropped, and said so
		}
	}
	p.query.Clauses = append(p.query.Clauses, clause)
	p.use(key, value)
	return nil
}

// modifiers that an index answers, by kind; :missing and :Type stand in the code.
var modifiers = map[projections.Kind]map[string]projections.Modifier{
	projections.Token:     {"not": projections.Not},
	projections.Reference: {"not": projections.Not, "identifier": projections.IdentifierModifier},
	projections.String:    {"exact": projections.Exact, "contains": projections.Contains},
	projections.URI:       {"below": projections.Below, "above": projections.Above},
}

// knownModifiers are those that FHIR R4 has for a kind and that are not offered (section 3.1.1.4.3).
var knownModifiers = map[projections.Kind][]string{
	projections.Token:     {"text", "in", "not-in", "above", "below", "of-type"},
	projections.Reference: {"above", "below"},
}

func (p *queryParser) modifier(param *Param, key, name string) (m projections.Modifier, targetType string, offered bool, err *events.Error) {
	if name == "missing" {
		if indexKnows(param.Code) {
			return 0, "", false, p.drop(events.Unsupported, key, "every resource has %s, so :missing is not offered", param.Code)
		}
		return projections.Missing, "", true, nil
	}
	if m, ok := modifiers[param.Kind][name]; ok {
		return m, "", true, nil
	}
	if slices.Contains(knownModifiers[param.Kind], name) {
		return 0, "", false, p.drop(events.Unsupported, key, "the modifier :%s is not offered", name)
	}
	if param.Kind == projections.Reference && p.catalog.Known(name) {
		if !slices.Contains(param.Targets, name) {
			return 0, "", false, invalid(key, "%s never refers to %s; it refers to %s", param.Code, name, strings.Join(param.Targets, ", "))
		}
		return projections.NoModifier, name, true, nil
	}
	return 0, "", false, invalid(key, "a %s parameter has no modifier %.40q", param.Kind, ":"+name)
}

// hint names parameters that are spelled like an unknown one.
func (p *queryParser) hint(code string) string {
	type candidate struct {
		code     string
		distance int
	}
	var near []candidate
	for other, param := range p.params {
		if len(code) > 64 || !param.Searchable() {
			continue
		}
		if d := distance(strings.ToLower(code), other); d <= max(1, len(other)/3) {
			near = append(near, candidate{other, d})
		}
	}
	if len(near) == 0 {
		return ""
	}
	slices.SortFunc(near, func(a, b candidate) int {
		if a.distance != b.distance {
			return a.distance - b.distance
		}
		return strings.Compare(a.code, b.code)
	})
	var names []string
	for _, n := range near[:min(3, len(near))] {
		names = append(names, n.code)
	}
	return "; did you mean " + strings.Join(names, " or ") + "?"
}

// distance counts the bytes to insert, delete or replace that make b of a (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}
