package catalog

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"binnacle/events"
	"binnacle/events/eventstest"
	"binnacle/projections"
)

// showClause writes a clause so that a table can hold it.
func showClause(c projections.Clause) string {
	if c.Any != nil {
		var any []string
		for _, one := range c.Any {
			any = append(any, showClause(one))
		}
		return "any(" + strings.Join(any, " or ") + ")"
	}
	if c.Follow != nil {
		s := c.Param + " -> "
		if c.Follow.Reverse {
			s = c.Param + " <- "
		}
		for i, target := range c.Follow.Targets {
			if i > 0 {
				s += " or "
			}
			s += target.Type + "("
			for _, inner := range target.Clauses {
				s += showClause(inner)
			}
			s += ")"
		}
		return s
	}
	s := c.Param + " " + c.Kind.String()
	if c.Modifier != projections.NoModifier {
		s += " " + map[projections.Modifier]string{projections.Not: ":not", projections.Missing: fmt.Sprintf(
			":missing=%t", c.Missing), projections.Exact: ":exact", projections.Contains: ":contains",
			projections.Below: ":below", projections.Above: ":above",
			projections.IdentifierModifier: ":identifier"}[c.Modifier]
	}
	for _, v := range c.Values {
		s += " [" + showValue(c.Kind, v)
		for i, part := range v.Parts {
			if i > 0 {
				s += " $ "
			}
			s += c.Components[i].String() + " " + showValue(c.Components[i], part)
		}
		s += "]"
	}
	return s
}

func showValue(kind projections.Kind, v projections.Value) string {
	prefix := []string{"", "ne ", "gt ", "lt ", "ge ", "le ", "sa ", "eb ", "ap "}[v.Prefix]
	system, code := v.System, v.Code
	if v.AnySystem {
		system += "*"
	}
	if v.AnyCode {
		code += "*"
	}
	switch kind {
	case projections.Date:
		return prefix + showMicros(v.Start) + " " + showMicros(v.End)
	case projections.Number:
		return prefix + fmt.Sprintf("%g %g", v.Low, v.High)
	case projections.Quantity:
		return prefix + fmt.Sprintf("%g %g %s|%s %s", v.Low, v.High, system, code, v.Text)
	case projections.Token, projections.Reference:
		return system + "|" + code
	}
	return v.Text
}

// below is the float64 just under f, which is where an excluded end comes to lie.
// showMicros writes an end of a range of dates.
func showMicros(micros int64) string {
	switch micros {
	case projections.MinTime:
		return "open"
	case projections.MaxTime:
		return "open"
	}
	return time.UnixMicro(micros).UTC().Format("2006-01-02T15:04:05.999999")
}

func below(f float64) string { return fmt.Sprintf("%g", math.Nextafter(f, math.Inf(-1))) }

var testNow = time.Date(2024, 1, 11, 0, 0, 0, 0, time.UTC)

func TestQueriesBecomeClauses(t *testing.T) {
	c := defaultCatalog(t)
	for _, test := range []struct{ typ, query, want string }{
		{"Observation", "code=a", "code token [*|a]"},
		{"Observation", "code=s%7Ca", "code token [s|a]"},
		{"Observation", "code=|a", "code token [|a]"},
		{"Observation", "code=s|", "code token [s|*]"},
		{"Observation", "code=a,s|b,|c", "code token [*|a] [s|b] [|c]"},
		{"Observation", "code=a&code=b", "code token [*|a]; code token [*|b]"},
		{"Observation", `code=a\,b,c\|d|e\$f,g\\h\i`, `code token [*|a,b] [c|d|e$f] [*|g\h\i]`},
		{"Observation", "code:not=a", "code token :not [*|a]"},
		{"Observation", "code:missing=true&subject:missing=false",
			"code token :missing=true; subject reference :missing=false"},
		{"Patient", "gender=male,http://hl7.org/fhir/administrative-gender|female", "gender token [|male] [|female]"},
		{"Patient", "gender=http://wrong|male", "gender token [http://wrong|male]"},
		{"Patient", "gender:not=http://wrong|male", "gender token :not [http://wrong|male]"},
		{"Patient", "gender=http://hl7.org/fhir/administrative-gender|", "gender token [*|*]"},
		{"Patient", "gender=http://wrong|", "gender token [http://wrong|*]"},
		{"DocumentReference", "language=http://any|de", "language token [|de]"},
		{"Task", "intent=http://hl7.org/fhir/task-intent|unknown,http://hl7.org/fhir/request-intent|order,http://wrong|order", "intent token [|unknown] [|order] [http://wrong|order]"},
		{"DocumentReference", "relationship=DocumentReference/1$http://wrong|replaces",
			"relationship composite [reference DocumentReference|1 $ token http://wrong|replaces]"},
		{"DocumentReference",
			"relationship=DocumentReference/1$http://hl7.org/fhir/document-relationship-type|replaces",
			"relationship composite [reference DocumentReference|1 $ token |replaces]"},
		{"Patient", "active=true,http://hl7.org/fhir/special-values|false", "active token [|true] [|false]"},
		{"Patient", "deceased=false", "deceased token [|false]"},
		{"Patient", "_id=1,2", "_id token [*|1] [*|2]"},
		{"Patient", "phone=555", "phone token [|555]"},

		{"Observation", "subject=1", "subject reference [*|1]"},
		{"Observation", "patient=1", "patient reference [Patient|1]"},
		{"Patient", "organization=1", "organization reference [Organization|1]"},
		{"Observation", "subject=Patient/1", "subject reference [Patient|1]"},
		{"Observation", "subject:Patient=1,Patient/2", "subject reference [Patient|1] [Patient|2]"},
		{"Observation", "subject=http://here/fhir/Patient/1",
			"subject reference [Patient|1] [|http://here/fhir/Patient/1]"},
		{"Observation", "subject:Patient=http://here/fhir/Patient/1",
			"subject reference [Patient|1] [|http://here/fhir/Patient/1]"},
		{"Observation", "subject=http://here/fhirs/Patient/1", "subject reference [|http://here/fhirs/Patient/1]"},
		{"Observation", "subject=urn:uuid:1", "subject reference [|urn:uuid:1]"},
		{"Observation", "subject:identifier=s|v", "subject reference :identifier [s|v]"},
		{"Observation", "subject:not=Patient/1", "subject reference :not [Patient|1]"},
		{"Library", "derived-from=http://x/L", "derived-from reference [*|http://x/L]"},
		{"Library", "derived-from=http://x/L|2", "derived-from reference [2|http://x/L]"},
		{"QuestionnaireResponse", "questionnaire=http://here/fhir/Questionnaire/1",
			"questionnaire reference [Questionnaire|1] [*|http://here/fhir/Questionnaire/1]"},
		{"QuestionnaireResponse", "questionnaire=http://here/fhir/Questionnaire/1|2",
			"questionnaire reference [2|http://here/fhir/Questionnaire/1]"},
		{"QuestionnaireResponse", "questionnaire=http://here/fhir/other",
			"questionnaire reference [*|http://here/fhir/other]"},
		{"DocumentReference", "relationship=http://here/fhir/DocumentReference/1$replaces", "relationship composite " +
			"[reference DocumentReference|1 $ token |replaces] [reference |http://here/fhir/DocumentReference/1 $ " +
			"token |replaces]"},
		{"Patient", "email=Ann@Example.org&phone=|X", "email token [|ann@example.org]; phone token [|x]"},
		{"ValueSet", "version=V1-Beta", "version token [|v1-beta]"},
		{"Library", "derived-from=Library/1", "derived-from reference [Library|1]"},

		{"Patient", `name=a\,b,c`, "name string [a,b] [c]"},
		{"Patient", "name:exact=A+B", "name string :exact [A B]"},
		{"Patient", "name:contains=%C3%A9", "name string :contains [é]"},
		{"Patient", "_profile=http://x|1", "_profile uri [http://x|1]"},
		{"ValueSet", "url:below=http://x&url:above=http://y", "url uri :below [http://x]; url uri :above [http://y]"},

		{"Observation", "code=a,,b,", "code token [*|a] [*|b]"},
		{"Observation", "_id=a,b,", "_id token [*|a] [*|b]"},
		{"Patient", "_list=42,", "item <- List(_id token [*|42])"},
		{"Patient", "family=Nothing,%20", "family string [Nothing]"},
		{"Patient", "family=%20", "_id token [*|]"},
		{"Patient", "family=%CC%81,%C2%A0", "_id token [*|]"},
		{"Patient", "family:contains=%20", "_id token [*|]"},
		{"Patient", "family:exact=%20", "_id token [*|]"},
		{"Patient", "identifier=%20", "_id token [*|]"},
		{"Patient", "identifier=s|%20,%20|v,s|v", "identifier token [s|v]"},
		{"Patient", "gender:not=%20,male", "gender token :not [|male]"},
		{"Patient", "_id=%20", "_id token [*|]"},
		{"Patient", "_profile=%20", "_id token [*|]"},
		{"ValueSet", "url:below=%20", "_id token [*|]"},
		{"Observation", "subject:identifier=%20", "_id token [*|]"},
		{"Observation", "value-quantity=5||%20", "_id token [*|]"},
		{"Observation", "code-value-quantity=%20$5", "_id token [*|]"},
		{"Observation", "code-value-string=a$%CC%81,a$b", "code-value-string composite [token *|a $ string b]"},
		{"Observation", "patient.name=%20", "patient -> Patient(_id token [*|])"},
		{"Patient", "_has:Observation:patient:code=%20", "patient <- Observation(_id token [*|])"},

		{"Observation", "code-value-quantity=http://loinc.org|8480-6$gt120",
			"code-value-quantity composite [token http://loinc.org|8480-6 $ quantity gt 120 120 *|* ]"},
		{"Observation", `code-value-quantity=a\$b$lt5||mg,c$6`,
			"code-value-quantity composite [token *|a$b $ quantity lt 5 5 *|mg mg] [token *|c $ quantity 5.5 " +
				below(6.5) + " *|* ]"},
		{"Observation", "code-value-date:missing=true", "code-value-date composite :missing=true"},
		{"Observation", "combo-code-value-concept=a$s|b", "combo-code-value-concept composite [token *|a $ token s|b]"},
		{"Group", "characteristic-value=gender$mixed",
			"characteristic-value composite [token *|gender $ token *|mixed]"},
		{"DocumentReference", "relationship=DocumentReference/1$replaces",
			"relationship composite [reference DocumentReference|1 $ token |replaces]"},

		{"Observation", "patient.name=peter", "patient -> Patient(name string [peter])"},
		{"Observation", "subject:Patient.name:exact=Peter,Paul",
			"subject -> Patient(name string :exact [Peter] [Paul])"},
		{"Observation", "subject.name=peter",
			"subject -> Patient(name string [peter]) or Location(name string [peter])"},
		{"Observation", "subject._id=1", "subject -> Group(_id token [*|1]) or Device(_id token [*|1]) or " +
			"Patient(_id token [*|1]) or Location(_id token [*|1])"},
		{"Observation", "patient.organization.name=x", "patient -> Patient(organization -> Organization(name " +
			"string [x]))"},
		{"Observation", "subject.organization:Organization.partof.name:missing=false",
			"subject -> Device(organization -> Organization(partof -> Organization(name string :missing=false))) or " +
				"Patient(organization -> Organization(partof -> Organization(name string :missing=false))) or " +
				"Location(organization -> Organization(partof -> Organization(name string :missing=false)))"},
		{"DiagnosticReport", "result.code-value-quantity=a$gt5",
			"result -> Observation(code-value-quantity composite [token *|a $ quantity gt 5 5 *|* ])"},
		{"Observation", "patient._has:Condition:patient:code=a",
			"patient -> Patient(patient <- Condition(code token [*|a]))"},
		{"Patient", "_has:Observation:patient:code=1234-5", "patient <- Observation(code token [*|1234-5])"},
		{"Patient", "_has:Observation:patient:code:not=a", "patient <- Observation(code token :not [*|a])"},
		{"Patient", "_has:Observation:patient:_has:AuditEvent:entity:agent=MyUserId",
			"patient <- Observation(entity <- AuditEvent(agent reference [*|MyUserId]))"},
		{"Patient", "_has:Observation:patient:performer:Practitioner.name=x",
			"patient <- Observation(performer -> Practitioner(name string [x]))"},
		{"Patient", "_list=42,43", "item <- List(_id token [*|42] [*|43])"},

		{"Observation", "date=2024", "date date [2024-01-01T00:00:00 2025-01-01T00:00:00]"},
		{"Observation", "date=ge2024-01&date=lt2024-02-03", "date date [ge 2024-01-01T00:00:00 2024-02-01T00:00:00]; " +
			"date date [lt 2024-02-03T00:00:00 2024-02-04T00:00:00]"},
		{"Observation", "date=eq2024-01-01T10:20", "date date [2024-01-01T10:20:00 2024-01-01T10:21:00]"},
		{"Observation", "date=sa2024-01-01T00:00:00%2B14:00", "date date [sa 2023-12-31T10:00:00 2023-12-31T10:00:01]"},
		{"Observation", "date=eb2024-01-01T00:00:00+14:00", "date date [eb 2023-12-31T10:00:00 2023-12-31T10:00:01]"},
		{"Observation", "date=ap2024-01-01", "date date [ap 2023-12-31T02:24:00 2024-01-02T21:36:00]"},
		{"Observation", "date=ap2024-01-11", "date date [ap 2024-01-11T00:00:00 2024-01-12T00:00:00]"},
		{"Observation", "_lastUpdated=gt2024-01-01T00:00:00Z",
			"_lastUpdated date [gt 2024-01-01T00:00:00 2024-01-01T00:00:01]"},

		{"RiskAssessment", "probability=100", "probability number [99.5 " + below(100.5) + "]"},
		{"RiskAssessment", "probability=100.00", "probability number [99.995 " + below(100.005) + "]"},
		{"RiskAssessment", "probability=1e2", "probability number [95 " + below(105) + "]"},
		{"RiskAssessment", "probability=1.0E2", "probability number [95 " + below(105) + "]"},
		{"RiskAssessment", "probability=1.00e2", "probability number [99.5 " + below(100.5) + "]"},
		{"RiskAssessment", "probability=-1.00e2", "probability number [-100.5 " + below(-99.5) + "]"},
		{"RiskAssessment", "probability=2e-1", "probability number [0.195 " + below(0.205) + "]"},
		{"Observation", "value-quantity=5.40e-3|http://unitsofmeasure.org|g",
			"value-quantity quantity [0.005395 " + below(0.005405) + " http://unitsofmeasure.org|g ]"},
		{"RiskAssessment", "probability=0.5", "probability number [0.45 " + below(0.55) + "]"},
		{"RiskAssessment", "probability=-1", "probability number [-1.5 " + below(-0.5) + "]"},
		{"RiskAssessment", "probability=ne5", "probability number [ne 4.5 " + below(5.5) + "]"},
		{"RiskAssessment", "probability=gt5&probability=le5.0",
			"probability number [gt 5 5]; probability number [le 5 5]"},
		{"RiskAssessment", "probability=ap100", "probability number [ap 90 110]"},
		{"RiskAssessment", "probability=ap1", "probability number [ap 0.5 " + below(1.5) + "]"},
		{"RiskAssessment", "probability=0.12345678901234567890123",
			"probability number [0.12345678901234568 0.12345678901234568]"},
		{"Observation", "value-quantity=5.4", "value-quantity quantity [5.35 " + below(5.45) + " *|* ]"},
		{"Observation", "value-quantity=ge5.4|http://u|mg", "value-quantity quantity [ge 5.4 5.4 http://u|mg ]"},
		{"Observation", "value-quantity=gt5.4||mg", "value-quantity quantity [gt 5.4 5.4 *|mg mg]"},
		{"Observation", "value-quantity=gt5.4|http://u|", "value-quantity quantity [gt 5.4 5.4 http://u|* ]"},
	} {
		p, err := c.ParseQuery(test.query, Options{Type: test.typ, Tenant: "t", BaseURL: "http://here/fhir",
			Now: func() time.Time { return testNow }})
		if err != nil {
			t.Errorf("%s: %v", test.query, err)
			continue
		}
		var got []string
		for _, clause := range p.Query.Clauses {
			got = append(got, showClause(clause))
		}
		if s := strings.Join(got, "; "); s != test.want {
			t.Errorf("%s becomes\n%s\nwant\n%s", test.query, s, test.want)
		}
		if p.Query.Tenant != "t" || p.Query.Type != test.typ || p.Query.Limit != DefaultCount || len(p.Issues) != 0 {
			t.Errorf("%s: %+v", test.query, p)
		}
	}
}

func FuzzParseQuery(f *testing.F) {
	c := defaultCatalog(f)
	for _, seed := range []string{"code=http://loinc.org|8480-6&date=ge2020&_sort=-date",
		"value-quantity=ap5.4||mg&subject:Patient=1", `code=a\,b,c\|d&_count=0`, "%", "code:missing=true&x.y:z=1",
		"_has:a:b:c=d&subject=http://h/Patient/1",
		"subject:Patient.organization.name:exact=x,y&patient.general-practitioner.name=z",
		`code-value-quantity=a\$$gt5||mg,b$6`,
		"_has:Observation:has-member:_has:Provenance:target:agent.name=x", "subject._has:Observation:subject:code=a",
		"_include:iterate=Observation:subject:Patient&_revinclude=*&_elements=code,value[x]",
		"_list=1&_contained=false",
		"value-quantity=1e-9999", "date=ap9999-12-31T23:59:60.123+14:00", "_total=none&_summary=count&_explain=true"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		for _, strict := range []bool{true, false} {
			var p Parsed
			var err error
			eventstest.Allocates(t, len(raw), 256<<10, 512, func() {
				p, err = c.ParseQuery(raw, Options{Type: "Observation", Lenient: !strict, BaseURL: "http://h",
					Now: func() time.Time { return testNow }})
			})
			if err != nil {
				switch events.KindOf(err) {
				case events.Invalid, events.Unsupported, events.TooCostly:
				default:
					t.Errorf("%q: %v", raw, err)
				}
				continue
			}
			if strict && len(p.Issues) > 0 {
				t.Errorf("%q has issues when strict: %v", raw, p.Issues)
			}
			for _, clause := range p.Query.Clauses {
				if len(clause.Values) == 0 && clause.Modifier != projections.Missing && clause.Follow == nil {
					t.Errorf("%q has a clause without values: %+v", raw, clause)
				}
				for _, v := range clause.Values {
					if v.Start > v.End || v.Low > v.High || math.IsNaN(v.Low) {
						t.Errorf("%q has the value %+v", raw, v)
					}
				}
			}
			if !slices.ContainsFunc(p.Query.Clauses, func(c projections.Clause) bool { return c.Follow != nil }) {
				projections.Matches(p.Query, projections.Version{}, nil)
			}
		}
		if q, err := c.ParseCondition("t", "Observation", raw); err == nil && len(q.Clauses) == 0 {
			t.Errorf("the condition %q matches everything", raw)
		}
	})
}

func BenchmarkParseQuery(b *testing.B) {
	c := defaultCatalog(b)
	for name, query := range map[string]string{
		"Codes and a date":  "code=http://loinc.org|8480-6,http://loinc.org|8462-4&date=ge2020&_sort=-date&_count=20",
		"A reference":       "subject=Patient/1&category=vital-signs&_include=Observation:subject",
		"A chain":           "subject:Patient.organization.name=x&value-quantity=gt5.4||mg",
		"Two, by composite": "code-value-quantity=http://loinc.org|8480-6$gt120&status=final",
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := c.ParseQuery(query, Options{Type: "Observation"}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("A condition", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := c.ParseCondition("main", "Patient", "identifier=urn:x|1&birthdate=1970"); err != nil {
				b.Fatal(err)
			}
		}
	})
}
