package catalog

import (
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	"binnacle/events"
	"binnacle/projections"
	"binnacle/projections/catalog/extract"
)

// Limits of a query; beyond them it is refused as too costly.
const (
	MaxClauses  = 100   // parameters that filter
	MaxValues   = 1_000 // alternatives of one parameter, unless [Options] has another number
	MaxSortKeys = 8     // of _sort
	MaxIncludes = 50    // _include and _revinclude
	MaxHops     = 32    // references that one parameter follows, one after the other
	MaxTargets  = 2_000 // types that are tried at the ends of the references that one parameter follows
)

// Counts that stand when [Options] has none.
const (
	DefaultCount = 50
	MaxCount     = 1_000
)

// Options is what a query is read with.
type Options struct {
	Tenant, Type string
	Compartment  Compartment      // what is found must be in it; the zero Compartment restricts nothing
	Lenient      bool             // what is not known is left out, with an [Issue], and not refused (Prefer: handling)
	DefaultCount int              // page size without _count; 0: [DefaultCount]
	MaxCount     int              // a larger _count becomes this; 0: [MaxCount]
	MaxValues    int              // alternatives of one parameter; 0: [MaxValues]
	BaseURL      string           // the server's own, without a slash at the end: references under it are made relative
	Own          []string         // parameters that the door reads by itself: passed over, and not in Used
	Now          func() time.Time // for the prefix ap on dates; nil: ap on dates is refused
}

// Issue is a parameter that was dropped, and why. The client must be told, because the result may be wider than what
// was asked for.
type Issue struct {
	Param string      // as written
	Kind  events.Kind // Invalid: not known; Unsupported: known and not offered, of what shapes the answer
	Text  string
}

// KeyValue is a parameter as decoded from the query.
type KeyValue struct{ Key, Value string }

// Parsed is a query that has been read.
type Parsed struct {
	Query    projections.Query   // without After and Snapshot
	Types    []projections.Query // of [Catalog.ParseSystem]: the query of each type, in the order of their names
	Issues   []Issue
	Used     []KeyValue // the parameters that took effect, in their order, for the self link
	Includes []Include  // _include and _revinclude, in their order
	Summary  Summary    // which part of each resource is wanted, or none
	Elements []string   // _elements; nil: all
	AsOf     string     // _asOf: the position as of which the search is; "": now
}

// Summary is a value of _summary (FHIR R4 search, 3.1.1.5.8).
type Summary string

// The summaries; "false" is WholeResource.
const (
	WholeResource  Summary = ""
	SummaryTrue    Summary = "true"  // the elements that the definitions mark as summary
	SummaryText    Summary = "text"  // id, meta, text and mandatory elements
	SummaryData    Summary = "data"  // everything but text
	SummaryOfCount Summary = "count" // no resources, the total alone
)

// ParseQuery reads the parameters of a search on one type, as application/x-www-form-urlencoded. Clauses and values
// stand in the order of the query; the clause of the compartment comes first.
//
// Errors name the parameter. Kind Invalid: it is malformed, has a modifier that its kind doesn't have, or is not known
// (unless lenient). Kind Unsupported: it is known and not offered. Kind NotFound: there is no such type. Kind
// TooCostly: a limit is passed.
func (c *Catalog) ParseQuery(raw string, o Options) (Parsed, error) {
	p, err := c.newQueryParser(o)
	if err != nil {
		return Parsed{}, err
	}
	if o.Compartment != (Compartment{}) {
		if err := p.enter(o.Compartment); err != nil {
			return Parsed{}, err
		}
	}
	if err := each(raw, p.param); err != nil {
		return Parsed{}, err
	}
	return p.finish()
}

// ParseCondition reads the search of a conditional create, update, delete or reference. It is always strict, takes no
// parameters that shape a result, and needs at least one clause. A condition means the same whenever and wherever it
// is read. So it refuses ap on dates, which depends on the clock, and chains and _has, because whether a resource
// matches must depend on nothing but the resource. The query's Limit is 2: one match, or several.
func (c *Catalog) ParseCondition(tenant, typ, raw string) (projections.Query, error) {
	p, err := c.newQueryParser(Options{Tenant: tenant, Type: typ})
	if err != nil {
		return projections.Query{}, err
	}
	p.condition = true
	if err := each(raw, p.param); err != nil {
		return projections.Query{}, err
	}
	if len(p.query.Clauses) == 0 {
		return projections.Query{}, events.Errorf(events.Invalid, "catalog.ParseCondition",
			"the condition on %s has no search parameter; it would match everything", typ)
	}
	p.query.Limit, p.query.Total = 2, projections.TotalNone
	return p.query, nil
}

// queryParser is one query being read.
type queryParser struct {
	catalog   *Catalog
	options   Options
	condition bool
	system    []string // a search over several types: all that are searched; nil: one type
	own       *extract.Type
	query     projections.Query
	issues    []Issue
	used      []KeyValue
	includes  []Include
	elements  []string
	seen      map[string]bool // result parameters that may stand once
	count     int             // -1: none given
	summary   Summary
	explain   bool
	asOf      string
	targets   int // types tried for the parameter at hand
}

func (c *Catalog) newQueryParser(o Options) (*queryParser, error) {
	t := c.types.Of(o.Type)
	if t == nil {
		return nil, events.Errorf(events.NotFound, "catalog.ParseQuery", "%.64q is not a resource type of FHIR R4",
			o.Type)
	}
	if o.DefaultCount <= 0 {
		o.DefaultCount = DefaultCount
	}
	if o.MaxCount <= 0 {
		o.MaxCount = MaxCount
	}
	if o.MaxValues <= 0 {
		o.MaxValues = MaxValues
	}
	p := &queryParser{catalog: c, options: o, own: t, seen: map[string]bool{}, count: -1}
	p.query = projections.Query{Tenant: o.Tenant, Type: o.Type}
	return p, nil
}

// finish makes the query, and refuses what only all parameters together show to be wrong.
func (p *queryParser) finish() (Parsed, error) {
	switch {
	case p.summary == SummaryText && len(p.includes) > 0:
		return Parsed{}, invalid("_summary", "_summary=text can not be mixed with _include and _revinclude (FHIR R4 "+
			"search, 3.1.1.5.8); leave one of them out").error()
	case p.summary != WholeResource && p.summary != SummaryOfCount && p.elements != nil:
		return Parsed{}, invalid("_elements", "_elements and _summary=%s each ask for another part of a resource; "+
			"leave one of them out", p.summary).error()
	}
	q := p.query
	q.Explain = p.explain
	q.Limit = min(p.options.DefaultCount, p.options.MaxCount)
	if p.count >= 0 {
		q.Limit = min(p.count, p.options.MaxCount)
	}
	if p.summary == SummaryOfCount {
		q.Limit = 0
	}
	if q.Limit == 0 && (q.Total == projections.TotalCheap || q.Total == projections.TotalNone) {
		q.Total = projections.TotalAccurate
	}
	return Parsed{Query: q, Issues: p.issues, Used: p.used, Includes: p.includes, Summary: p.summary,
		Elements: p.elements, AsOf: p.asOf}, nil
}

func (p *queryParser) use(key, value string) { p.used = append(p.used, KeyValue{key, value}) }

// each decodes parameters and hands them over one by one.
func each(raw string, take func(key, value string) error) error {
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
			return invalid(key, "%v", err).error()
		}
		if !utf8.ValidString(key) || !utf8.ValidString(value) {
			return events.Errorf(events.Invalid, "catalog.ParseQuery", "%.100q: the parameter is not UTF-8", key)
		}
		if err := take(key, value); err != nil {
			return err
		}
	}
	return nil
}

// param reads one parameter. What is dropped becomes an issue.
func (p *queryParser) param(key, value string) error {
	r := p.read(key, value)
	switch {
	case r == nil:
		return nil
	case !r.dropped || !p.options.Lenient || p.condition:
		return r.error()
	}
	p.issues = append(p.issues, Issue{Param: key, Kind: r.kind, Text: r.text + " (the parameter was ignored)"})
	return nil
}
