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
		s += " " + map[projections.Modifier]string{projections.Not: ":not", projections.Missing: fmt.Sprintf(":missing=%t", c.Missing), projections.Exact: ":exact", projections.Contains: ":contains",
			projections.Below: ":below", projections.Above: ":above", projections.IdentifierModifier: ":identifier"}[c.Modifier]
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
		return prefix + showTime(v.Start) + " " + showTime(v.End)
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
		{"Observation", "code:missing=true&subject:missing=false", "code token :missing=true; subject reference :missing=false"},
		{"Patient", "gender=male,http://hl7.org/fhir/administrative-gender|female", "gender token [|male] [|female]"},
		{"Patient", "gender=http://wrong|male", "gender token [http://wrong|male]"},
		{"Patient", "gender:not=http://wrong|male", "gender token :not [http://wrong|male]"},
		{"Patient", "gender=http://hl7.org/fhir/administrative-gender|", "gender token [*|*]"},
		{"Patient", "gender=http://wrong|", "gender token [http://wrong|*]"},
		{"DocumentReference", "language=http://any|de", "language token [|de]"},
		{"Task", "intent=http://hl7.org/fhir/task-intent|unknown,http://hl7.org/fhir/request-intent|order,http://wrong|order", "intent token [|unknown] [|order] [http://wrong|order]"},
		{"DocumentReference", "relationship=DocumentReference/1$http://wrong|replaces", "relationship composite [reference DocumentReference|1 $ token http://wrong|replaces]"},
		{"DocumentReference", "relationship=DocumentReference/1$http://hl7.org/fhir/document-relationship-type|replaces", "relationship composite [reference DocumentReference|1 $ token |replaces]"},
		{"Patient", "active=true,http://hl7.org/fhir/special-values|false", "active token [|true] [|false]"},
		{"Patient", "deceased=false", "deceased token [|false]"},
		{"Patient", "_id=1,2", "_id token [*|1] [*|2]"},
		{"Patient", "phone=555", "phone token [|555]"},

		{"Observation", "subject=1", "subject reference [*|1]"},
		{"Observation", "patient=1", "patient reference [Patient|1]"},
		{"Patient", "organization=1", "organization reference [Organization|1]"},
		{"Observation", "subject=Patient/1", "subject reference [Patient|1]"},
		{"Observation", "subject:Patient=1,Patient/2", "subject reference [Patient|1] [Patient|2]"},
		{"Observation", "subject=http://here/fhir/Patient/1", "subject reference [Patient|1] [|http://here/fhir/Patient/1]"},
		{"Observation", "subject:Patient=http://here/fhir/Patient/1", "subject reference [Patient|1] [|http://here/fhir/Patient/1]"},
		{"Observation", "subject=http://here/fhirs/Patient/1", "subject reference [|http://here/fhirs/Patient/1]"},
		{"Observation", "subject=urn:uuid:1", "subject reference [|urn:uuid:1]"},
		{"Observation", "subject:identifier=s|v", "subject reference :identifier [s|v]"},
		{"Observation", "subject:not=Patient/1", "subject reference :not [Patient|1]"},
		{"Library", "derived-from=http://x/L", "derived-from reference [*|http://x/L]"},
		{"Library", "derived-from=http://x/L|2", "derived-from reference [2|http://x/L]"},
		{"QuestionnaireResponse", "questionnaire=http://here/fhir/Questionnaire/1", "questionnaire reference [Questionnaire|1] [*|http://here/fhir/Questionnaire/1]"},
		{"QuestionnaireResponse", "questionnaire=http://here/fhir/Questionnaire/1|2", "questionnaire reference [2|http://here/fhir/Questionnaire/1]"},
		{"QuestionnaireResponse", "questionnaire=http://here/fhir/other", "questionnaire reference [*|http://here/fhir/other]"},
		{"DocumentReference", "relationship=http://here/fhir/DocumentReference/1$replaces", "relationship composite [reference DocumentReference|1 $ token |replaces] [reference |http://here/fhir/DocumentReference/1 $ token |replaces]"},
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

		{"Observation", "code-value-quantity=http://loinc.org|8480-6$gt120", "code-value-quantity composite [token http://loinc.org|8480-6 $ quantity gt 120 120 *|* ]"},
		{"Observation", `code-value-quantity=a\$b$lt5||mg,c$6`, "code-value-quantity composite [token *|a$b $ quantity lt 5 5 *|mg mg] [token *|c $ quantity 5.5 " + below(6.5) + " *|* ]"},
		{"Observation", "code-value-date:missing=true", "code-value-date composite :missing=true"},
		{"Observation", "combo-code-value-concept=a$s|b", "combo-code-value-concept composite [token *|a $ token s|b]"},
		{"Group", "characteristic-value=gender$mixed", "characteristic-value composite [token *|gender $ token *|mixed]"},
		{"DocumentReference", "relationship=DocumentReference/1$replaces", "relationship composite [reference DocumentReference|1 $ token |replaces]"},

		{"Observation", "patient.name=peter", "patient -> Patient(name string [peter])"},
		{"Observation", "subject:Patient.name:exact=Peter,Paul", "subject -> Patient(name string :exact [Peter] [Paul])"},
		{"Observation", "subject.name=peter", "subject -> Patient(name string [peter]) or Location(name string [peter])"},
		{"Observation", "subject._id=1", "subject -> Group(_id token [*|1]) or Device(_id token [*|1]) or Patient(_id token [*|1]) or Location(_id token [*|1])"},
		{"Observation", "patient.organization.name=x", "patient -> Patient(organization -> Organization(name string [x]))"},
		{"Observation", "subject.organization:Organization.partof.name:missing=false", "subject -> Device(organization -> Organization(partof -> Organization(name string :missing=false))) or Patient(organization -> Organization(partof -> Organization(name string :missing=false))) or Location(organization -> Organization(partof -> Organization(name string :missing=false)))"},
		{"DiagnosticReport", "result.code-value-quantity=a$gt5", "result -> Observation(code-value-quantity composite [token *|a $ quantity gt 5 5 *|* ])"},
		{"Observation", "patient._has:Condition:patient:code=a", "patient -> Patient(patient <- Condition(code token [*|a]))"},
		{"Patient", "_has:Observation:patient:code=1234-5", "patient <- Observation(code token [*|1234-5])"},
		{"Patient", "_has:Observation:patient:code:not=a", "patient <- Observation(code token :not [*|a])"},
		{"Patient", "_has:Observation:patient:_has:AuditEvent:entity:agent=MyUserId", "patient <- Observation(entity <- AuditEvent(agent reference [*|MyUserId]))"},
		{"Patient", "_has:Observation:patient:performer:Practitioner.name=x", "patient <- Observation(performer -> Practitioner(name string [x]))"},
		{"Patient", "_list=42,43", "item <- List(_id token [*|42] [*|43])"},

		{"Observation", "date=2024", "date date [2024-01-01T00:00:00 2025-01-01T00:00:00]"},
		{"Observation", "date=ge2024-01&date=lt2024-02-03", "date date [ge 2024-01-01T00:00:00 2024-02-01T00:00:00]; date date [lt 2024-02-03T00:00:00 2024-02-04T00:00:00]"},
		{"Observation", "date=eq2024-01-01T10:20", "date date [2024-01-01T10:20:00 2024-01-01T10:21:00]"},
		{"Observation", "date=sa2024-01-01T00:00:00%2B14:00", "date date [sa 2023-12-31T10:00:00 2023-12-31T10:00:01]"},
		{"Observation", "date=eb2024-01-01T00:00:00+14:00", "date date [eb 2023-12-31T10:00:00 2023-12-31T10:00:01]"},
		{"Observation", "date=ap2024-01-01", "date date [ap 2023-12-31T02:24:00 2024-01-02T21:36:00]"},
		{"Observation", "date=ap2024-01-11", "date date [ap 2024-01-11T00:00:00 2024-01-12T00:00:00]"},
		{"Observation", "_lastUpdated=gt2024-01-01T00:00:00Z", "_lastUpdated date [gt 2024-01-01T00:00:00 2024-01-01T00:00:01]"},

		{"RiskAssessment", "probability=100", "probability number [99.5 " + below(100.5) + "]"},
		{"RiskAssessment", "probability=100.00", "probability number [99.995 " + below(100.005) + "]"},
		{"RiskAssessment", "probability=1e2", "probability number [95 " + below(105) + "]"},
		{"RiskAssessment", "probability=1.0E2", "probability number [95 " + below(105) + "]"},
		{"RiskAssessment", "probability=1.00e2", "probability number [99.5 " + below(100.5) + "]"},
		{"RiskAssessment", "probability=-1.00e2", "probability number [-100.5 " + below(-99.5) + "]"},
		{"RiskAssessment", "probability=2e-1", "probability number [0.195 " + below(0.205) + "]"},
		{"Observation", "value-quantity=5.40e-3|http://unitsofmeasure.org|g", "value-quantity quantity [0.005395 " + below(0.005405) + " http://unitsofmeasure.org|g ]"},
		{"RiskAssessment", "probability=0.5", "probability number [0.45 " + below(0.55) + "]"},
		{"RiskAssessment", "probability=-1", "probability number [-1.5 " + below(-0.5) + "]"},
		{"RiskAssessment", "probability=ne5", "probability number [ne 4.5 " + below(5.5) + "]"},
		{"RiskAssessment", "probability=gt5&probability=le5.0", "probability number [gt 5 5]; probability number [le 5 5]"},
		{"RiskAssessment", "probability=ap100", "probability number [ap 90 110]"},
		{"RiskAssessment", "probability=ap1", "probability number [ap 0.5 " + below(1.5) + "]"},
		{"RiskAssessment", "probability=0.12345678901234567890123", "probability number [0.12345678901234568 0.12345678901234568]"},
		{"Observation", "value-quantity=5.4", "value-quantity quantity [5.35 " + below(5.45) + " *|* ]"},
		{"Observation", "value-quantity=ge5.4|http://u|mg", "value-quantity quantity [ge 5.4 5.4 http://u|mg ]"},
		{"Observation", "value-quantity=gt5.4||mg", "value-quantity quantity [gt 5.4 5.4 *|mg mg]"},
		{"Observation", "value-quantity=gt5.4|http://u|", "value-quantity quantity [gt 5.4 5.4 http://u|* ]"},
	} {
		p, err := c.ParseQuery(test.query, Options{Type: test.typ, Tenant: "t", BaseURL: "http://here/fhir", Now: func() time.Time { return testNow }})
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

func TestRefusals(t *testing.T) {
	c := defaultCatalog(t)
	const invalid, unsupported, costly = events.Invalid, events.Unsupported, events.TooCostly
	for _, test := range []struct {
		query   string
		strict  events.Kind // when the handling is strict
		lenient events.Kind // when it is not; 0: dropped with an issue
		text    string
	}{
		{"shade=red", invalid, 0, "shade: Observation has no such search parameter"},
		{"cod=a", invalid, 0, "did you mean code?"},
		{"Date=2024", invalid, 0, "did you mean date?"},
		{"=x", invalid, 0, "a parameter without a name"},
		{"code", invalid, 0, "the value is empty"},
		{"code=", invalid, 0, "the value is empty"},
		{"_sort=", invalid, 0, "the value is empty"},
		{"_sort=shade", invalid, 0, `no search parameter "shade" to sort by`},
		{"_sort=subject", unsupported, 0, "sorting by subject, a reference parameter"},
		{"_sort=-date,value-quantity", unsupported, 0, "sorting by value-quantity"},
		{"_sort=_score", unsupported, 0, "_score"},
		{"_text=x", unsupported, unsupported, "not offered"},
		{"_content=x", unsupported, unsupported, "not offered"},
		{"_query=x", unsupported, unsupported, "not offered"},
		{"_filter=x", unsupported, unsupported, "not offered"},
		{"_list=$current-problems", unsupported, unsupported, "functional list"},
		{"_elements=shade", invalid, 0, `no element "shade"`},
		{"_elements=id,,code", invalid, 0, "is empty"},
		{"_elements=", invalid, 0, "is empty"},
		{"_type=Patient", invalid, 0, "this search is on Observation alone"},
		{"subject.shade=a", invalid, 0, `(Group, Device, Patient, Location) has a search parameter "shade"`},
		{"patient.shade=a", invalid, 0, `(Patient) has a search parameter "shade"`},
		{"patient.nam=a", invalid, 0, "did you mean name"},
		{"subject:Patient.organization.shade=a", invalid, 0, `(Organization) has a search parameter "shade"`},
		{"subject.code:text=a", unsupported, unsupported, ":text is not offered"},
		{"patient._has:Observation:has-member:code=a", invalid, invalid, "never refers to Patient"},
		{"_has:Observation:shade:code=a", invalid, 0, `Observation has no search parameter "shade"`},
		{"_has:Observation:has-member:shade=a", invalid, 0, `Observation has no search parameter "shade"`},
		{"code:text=a", unsupported, unsupported, "the modifier :text is not offered"},
		{"code:in=http://x", unsupported, unsupported, ":in is not offered"},
		{"code:below=a", unsupported, unsupported, ":below is not offered"},
		{"identifier:of-type=s|c|v", unsupported, unsupported, ":of-type is not offered"},
		{"subject:below=a", unsupported, unsupported, ":below is not offered"},
		{"_has:DocumentReference:related:language=http://x|", unsupported, unsupported, "write the codes"},
		{"subject=Patient/1/_history/2", unsupported, unsupported, "references to a version are not offered"},
		{"subject=Patient/1%23part", unsupported, unsupported, "references to a part are not offered"},
		{"_id:missing=true", unsupported, unsupported, "every resource has _id"},

		{"code:not-in=http://x", unsupported, unsupported, ":not-in is not offered"},
		{"code:above=a", unsupported, unsupported, ":above is not offered"},
		{"encounter:above=a", unsupported, unsupported, ":above is not offered"},
		{"_in=x", unsupported, unsupported, "_in is not offered"},
		{"patient._text=x", unsupported, unsupported, "_text is not offered"},
		{"_has:DiagnosticReport:result:code:in=http://x", unsupported, unsupported, ":in is not offered"},
		{"_has:DiagnosticReport:result:_filter=x", unsupported, unsupported, "_filter is not offered"},
		{"code:not=%20", invalid, invalid, "nothing would be left out"},
		{"code=,", invalid, invalid, "is empty"},
		{"code-value-string:exact=a$b", invalid, invalid, `no modifier ":exact"`},

		{"_contained=true", unsupported, unsupported, "contained resources are not found by themselves"},
		{"_contained=both", unsupported, unsupported, "contained resources are not found by themselves"},
		{"_containedType=contained", unsupported, unsupported, "contained resources are not found by themselves"},
		{"_summary=text&_include=Observation:subject", invalid, invalid, "can not be mixed"},
		{"_summary=true&_elements=code", invalid, invalid, "leave one of them out"},
		{"code.name=a", invalid, invalid, "a token parameter, which can not be chained"},
		{"subject.=a", invalid, invalid, "ends with a dot"},
		{"subject:Nonsense.name=a", invalid, invalid, `"Nonsense" is not a resource type`},
		{"subject:Account.name=a", invalid, invalid, "subject never refers to Account"},
		{"subject:.name=a", invalid, invalid, `"" is not a resource type`},
		{"patient.birthdate=yesterday", invalid, invalid, "begins with no prefix"},
		{"_has=a", invalid, invalid, "_has names a type"},
		{"_has:Observation=a", invalid, invalid, "_has names a type"},
		{"_has:Observation:patient=a", invalid, invalid, "_has names a type"},
		{"_has:Observation:patient:=a", invalid, invalid, "_has names a type"},
		{"_has:Nonsense:patient:code=a", invalid, invalid, `"Nonsense" is not a resource type`},
		{"_has:Observation:code:code=a", invalid, invalid, "_has needs a reference"},
		{"_has:Observation:patient:code=a", invalid, invalid, "never refers to Observation; it refers to Patient"},
		{"_list=a/b", invalid, invalid, "not an id"},
		{"_list:x=a", invalid, invalid, "_list has no modifiers"},
		{"code-value-quantity=a", invalid, invalid, "has 1 parts; write code$value-quantity"},
		{"code-value-quantity=a$5$6", invalid, invalid, "has 3 parts"},
		{"code-value-quantity=$5", invalid, invalid, "the part for code"},
		{"code-value-quantity=a$five", invalid, invalid, "begins with no prefix"},
		{"code-value-quantity:not=a$5", invalid, invalid, `a composite parameter has no modifier ":not"`},
		{"code:exact=a", invalid, invalid, `a token parameter has no modifier ":exact"`},
		{"date:not=2024", invalid, invalid, `a date parameter has no modifier ":not"`},
		{"subject:Account=1", invalid, invalid, "subject never refers to Account"},
		{"patient:Group=1", invalid, invalid, "patient never refers to Group; it refers to Patient"},
		{"subject:Nonsense=1", invalid, invalid, `no modifier ":Nonsense"`},
		{"subject:=1", invalid, invalid, `no modifier ":"`},
		{"subject:Patient=Group/1", invalid, invalid, "the modifier asks for Patient"},
		{"subject:Patient=a_b", invalid, invalid, `"a_b" is not an id`},
		{"subject=Nonsense/1", invalid, invalid, `"Nonsense" is not a resource type`},
		{"subject=a_b", invalid, invalid, "is no reference"},
		{"subject=a|b", invalid, invalid, "has a |"},
		{"subject=Patient?name=x", invalid, invalid, "holds a query"},
		{"code=|", invalid, invalid, "neither a system nor a code"},
		{"code=a|b|c", invalid, invalid, "more than one |"},
		{"code:missing=maybe", invalid, invalid, "must be true or false"},
		{"_id=s|1", invalid, invalid, "an id has no system"},
		{"date=yesterday", invalid, invalid, "begins with no prefix"},
		{"date=xx2024", invalid, invalid, "begins with no prefix"},
		{"date=2024-13", invalid, invalid, "the month must be 01 to 12"},
		{"date=2024-01-01T25:00", invalid, invalid, "00:00 to 23:59"},
		{"date=ap2024", invalid, invalid, "depends on the clock"},
		{"value-quantity=five", invalid, invalid, "begins with no prefix"},
		{"value-quantity=5|mg", invalid, invalid, "is no quantity"},
		{"value-quantity=5e99999", invalid, invalid, "is no number"},
		{"value-quantity=1e400", invalid, invalid, "beyond the numbers"},
		{"value-quantity=5.", invalid, invalid, "is no number"},
		{"value-quantity=.5", invalid, invalid, "is no number"},
		{"value-quantity=--5", invalid, invalid, "is no number"},
		{"value-quantity=" + strings.Repeat("1", maxDigits+1), invalid, invalid, "more than 100 digits"},
		{"_count=-1", invalid, invalid, "whole number"},
		{"_count=a", invalid, invalid, "whole number"},
		{"_count=", invalid, invalid, "whole number"},
		{"_count=1&_count=2", invalid, invalid, "stands twice"},
		{"_count:x=1", invalid, invalid, "no modifiers"},
		{"_total=some", invalid, invalid, "not none, estimate or accurate"},
		{"_summary=some", invalid, invalid, "is not true, text, data, count or false"},
		{"_explain=1", invalid, invalid, "must be true or false"},
		{"_sort:desc=date", invalid, invalid, "_sort has no modifiers"},
		{"code=%zz", invalid, invalid, "invalid URL escape"},
		{"co%zze=a", invalid, invalid, "invalid URL escape"},
		{"code=%ff", invalid, invalid, "not UTF-8"},
		{"code=" + strings.Repeat("a,", MaxValues) + "b", costly, costly, "1001 alternatives"},
		{strings.Repeat("code=a&", MaxClauses+1), costly, costly, "more than 100 parameters"},
		{"_sort=" + strings.Repeat("date,", MaxSortKeys) + "date", costly, costly, "keys to sort by"},
	} {
		_, err := c.ParseQuery(test.query, Options{Type: "Observation"})
		if events.KindOf(err) != test.strict || !strings.Contains(err.Error(), test.text) {
			t.Errorf("%.80s when strict: %v; want %v with %q", test.query, err, test.strict, test.text)
		}
		p, err := c.ParseQuery(test.query+"&_count=7", Options{Type: "Observation", Lenient: true})
		switch {
		case test.lenient != 0:
			if events.KindOf(err) != test.lenient || err == nil {
				t.Errorf("%.80s when lenient: %v; want %v", test.query, err, test.lenient)
			}
		case err != nil:
			t.Errorf("%.80s when lenient: %v", test.query, err)
		case len(p.Issues) != 1 || p.Issues[0].Kind != test.strict || !strings.Contains(p.Issues[0].Text, test.text):
			t.Errorf("%.80s when lenient has the issues %+v; want one with %q", test.query, p.Issues, test.text)
		case len(p.Query.Clauses) != 0 || len(p.Query.Sort) != 0 || len(p.Used) != 1 || p.Query.Limit != 7:
			t.Errorf("%.80s when lenient is used: %+v", test.query, p)
		}
	}
	if _, err := c.ParseQuery("", Options{Type: "Nonsense"}); events.KindOf(err) != events.NotFound {
		t.Errorf("a search on a type that is none: %v", err)
	}
	if _, err := c.ParseQuery("active=maybe", Options{Type: "Patient"}); events.KindOf(err) != events.Invalid {
		t.Errorf("active=maybe: %v", err)
	}
	if _, err := c.ParseQuery("near=1|2|3|km", Options{Type: "Location"}); events.KindOf(err) != events.Unsupported {
		t.Errorf("near: %v", err)
	}
	if _, err := c.ParseQuery("derived-from=http://x|", Options{Type: "Library"}); events.KindOf(err) != events.Invalid {
		t.Errorf("a canonical without its version: %v", err)
	}
}

func TestResultParameters(t *testing.T) {
	c := defaultCatalog(t)
	parse := func(query string) Parsed {
		t.Helper()
		p, err := c.ParseQuery(query, Options{Type: "Observation", DefaultCount: 20, MaxCount: 30, Own: []string{"_page"}})
		if err != nil {
			t.Fatalf("%s: %v", query, err)
		}
		return p
	}
	for query, want := range map[string]int{"": 20, "_count=5": 5, "_count=30": 30, "_count=31": 30, "_count=99999999999999999999": 30, "_count=0": 0, "_summary=count": 0, "_summary=count&_count=5": 0, "_summary=false": 20} {
		if got := parse(query).Query.Limit; got != want {
			t.Errorf("%q gives the limit %d; want %d", query, got, want)
		}
	}
	for query, want := range map[string]projections.Total{"": projections.TotalCheap, "_total=none": projections.TotalNone, "_total=estimate": projections.TotalEstimate, "_total=accurate": projections.TotalAccurate,
		"_count=0": projections.TotalAccurate, "_count=0&_total=none": projections.TotalAccurate, "_summary=count&_total=estimate": projections.TotalEstimate} {
		if got := parse(query).Query.Total; got != want {
			t.Errorf("%q gives the total %d; want %d", query, got, want)
		}
	}
	p := parse("_sort=-date,code,_id&_format=json&code=a%20b&_page=x&_explain=true&_sort=-_lastUpdated&_pretty=true&")
	if got, want := fmt.Sprint(p.Query.Sort), "[{date date true [] true} {code token false [] false} {_id token false [] false} {_lastUpdated date true [] false}]"; got != want {
		t.Errorf("the order is %s; want %s", got, want)
	}
	if got, want := fmt.Sprint(p.Used), "[{_sort -date,code,_id} {_format json} {code a b} {_explain true} {_sort -_lastUpdated} {_pretty true}]"; got != want {
		t.Errorf("used are %s; want %s", got, want)
	}
	if !p.Query.Explain || p.Summary != "" || parse("_summary=count").Summary != "count" || parse("_explain=false").Query.Explain {
		t.Errorf("%+v", p)
	}
	if _, err := c.ParseQuery("code=a,b,c", Options{Type: "Observation", MaxValues: 2}); events.KindOf(err) != events.TooCostly {
		t.Errorf("three alternatives where two are the most: %v", err)
	}
	if p, err := c.ParseQuery("code="+strings.Repeat("a,", 2*MaxValues), Options{Type: "Observation", MaxValues: 3 * MaxValues}); err != nil || len(p.Query.Clauses[0].Values) != 2*MaxValues {
		t.Errorf("more alternatives than by default: %v", err)
	}
	if zero := (Options{Type: "Observation"}); true {
		if p, err := c.ParseQuery("", zero); err != nil || p.Query.Limit != DefaultCount {
			t.Errorf("without options the limit is %d, %v", p.Query.Limit, err)
		}
		if p, err := c.ParseQuery("_count=5000", zero); err != nil || p.Query.Limit != MaxCount {
			t.Errorf("without options the largest limit is %d, %v", p.Query.Limit, err)
		}
	}
}

func TestConditionsAreStrictAndNeverEmpty(t *testing.T) {
	c := defaultCatalog(t)
	q, err := c.ParseCondition("t", "Patient", "identifier=s|1&birthdate=1970")
	if err != nil || q.Tenant != "t" || q.Type != "Patient" || len(q.Clauses) != 2 || q.Limit != 2 || q.Total != projections.TotalNone {
		t.Errorf("%+v, %v", q, err)
	}
	for raw, want := range map[string]events.Kind{"": events.Invalid, "&": events.Invalid, "shade=red": events.Invalid, "identifier=": events.Invalid, "_count=1": events.Invalid, "identifier=1&_sort=birthdate": events.Invalid,
		"family=%20": events.Invalid, "family=%CC%81": events.Invalid, "family=a,%20": events.Invalid, "family:exact=%20": events.Invalid, "family:contains=%C2%A0": events.Invalid, "identifier=%20": events.Invalid,
		"identifier=s|%20": events.Invalid, "identifier=%20|1": events.Invalid, "_id=%20": events.Invalid, "_id=a,": events.Invalid, "identifier=1,,2": events.Invalid, "gender:not=%20": events.Invalid, "_profile=%20": events.Invalid,
		"general-practitioner:identifier=%20": events.Invalid, "identifier=1&family=%20": events.Invalid,
		"_text=x": events.Unsupported, "_content=x": events.Unsupported, "_filter=x": events.Unsupported, "_query=x": events.Unsupported, "_in=x": events.Unsupported, "language:in=http://x": events.Unsupported,
		"language:not-in=http://x": events.Unsupported, "language:text=x": events.Unsupported, "identifier:of-type=s|c|v": events.Unsupported,
		"_format=json&identifier=1": events.Invalid, "birthdate=ap1970": events.Invalid, "organization.name=x": events.Unsupported, "_has:Observation:patient:code=a": events.Unsupported, "_list=1": events.Unsupported} {
		if _, err := c.ParseCondition("t", "Patient", raw); err == nil || events.KindOf(err) != want {
			t.Errorf("%q: %v; want %v", raw, err, want)
		}
	}
	if _, err := c.ParseCondition("t", "Location", "near=1|2|3|km"); events.KindOf(err) != events.Unsupported || !strings.Contains(err.Error(), "a condition can not use near") {
		t.Errorf("near: %v", err)
	}
	if _, err := c.ParseCondition("t", "Nonsense", "x=1"); events.KindOf(err) != events.NotFound {
		t.Errorf("a condition on a type that is none: %v", err)
	}
}

// TestWhatAQueryAsksForIsFoundByWhatIsExtracted ties both halves together by what the contract says a query means.
func TestWhatAQueryAsksForIsFoundByWhatIsExtracted(t *testing.T) {
	c := defaultCatalog(t)
	const observation = `{"resourceType":"Observation","status":"final","code":{"coding":[{"system":"http://loinc.org","code":"8480-6"}]},"subject":{"reference":"Patient/1"},
		"effectiveDateTime":"2024-02-29T10:00:00+01:00","valueQuantity":{"value":120.0,"unit":"mm[Hg]","system":"http://unitsofmeasure.org","code":"mm[Hg]"}}`
	const patient = `{"resourceType":"Patient","active":true,"name":[{"family":"Åström","given":["Eva Maria"]}],"code":{"text":"x"},"meta":{"profile":["http://x/p|2"]},"maritalStatus":{"text":"unknown"},"telecom":[{"system":"email","value":"Ann@Example.org"},{"system":"phone"}],"identifier":[{"system":"urn:empty"}],"managingOrganization":{"display":"x","identifier":{"system":"urn:orgs"}},"generalPractitioner":[{"type":"Practitioner"}]}`
	const valueSet = `{"resourceType":"ValueSet","url":"http://x/v","version":"1.2.3"}`
	const coded = `{"resourceType":"Observation","status":"final","code":{"coding":[{"system":"http://s","display":"no code"}]}}`
	const displayed = `{"resourceType":"Observation","status":"final","code":{"coding":[{"display":"display alone"}]},"subject":{"display":"somebody"},"contained":[{"resourceType":"Practitioner","id":"p"}],
		"performer":[{"reference":"#p"}],"valueQuantity":{"unit":"mg"},"effectivePeriod":{}}`
	const condition = `{"resourceType":"Condition","code":{"text":"a cough"}}`
	for _, test := range []struct {
		doc, query string
		want       bool
	}{
		{observation, "code=8480-6", true},
		{observation, "code=http://loinc.org|", true},
		{observation, "code=|8480-6", false},
		{observation, "code:not=8480-6", false},
		{observation, "status=http://hl7.org/fhir/observation-status|final", true},
		{observation, "status=http://hl7.org/fhir/observation-status|", true},
		{observation, "status=http://wrong|final", false},
		{observation, "status=http://wrong|", false},
		{observation, "status:not=http://wrong|final", true},
		{observation, "subject=1", true},
		{observation, "patient=Patient/1", true},
		{observation, "patient:missing=false&performer:missing=true", true},
		{observation, "subject:Group=1", false},
		{observation, "date=2024-02-29", true},
		{observation, "date=2024-02-29T09:00Z", true},
		{observation, "date=ge2024-02-29T09:00:00Z&date=le2024-02-29T09:00:00Z", true},
		{observation, "date=gt2024-02-29", false},
		{observation, "date=sa2024-02-28&date=eb2024-03", true},
		{observation, "value-quantity=120", true},
		{observation, "value-quantity=120.4", false},
		{observation, "value-quantity=1.2e2", true},
		{observation, "value-quantity=gt119.9||mm[Hg]", true},
		{observation, "value-quantity=gt120", false},
		{observation, "value-quantity=120|http://unitsofmeasure.org|kPa", false},
		{patient, "name=astrom", true},
		{patient, "name=maria", false},
		{patient, "name:contains=maria", true},
		{patient, "family:exact=Åström", true},
		{patient, "family:exact=astrom", false},
		{patient, "active=true&deceased=false", true},
		{patient, "_profile=http://x/p", true},
		{patient, "_profile=http://x/p|2", true},
		{patient, "_profile=http://x/p|1", false},
		{patient, "_profile:below=http://x", true},
		{patient, "email=ann@EXAMPLE.org", true},
		{patient, "identifier=urn:empty|", true},
		{patient, "identifier:missing=true", false},
		{patient, "telecom:missing=true", false},
		{patient, "address:missing=true", true},
		{patient, "organization:missing=true", false},
		{patient, "organization:identifier=urn:orgs|", true},
		{patient, "organization:identifier=urn:orgs|1", false},
		{patient, "general-practitioner:missing=true", false},
		{patient, "link:missing=true", true},
		{valueSet, "url=http://x/v", true},
		{valueSet, "url=http://x/v|1.2.3", true},
		{valueSet, "url=http://x/v|1.2", false},
		{valueSet, "url:below=http://x/v|1.2", true},
		{valueSet, "url:below=http://x/v|1", true},
		{valueSet, "url:below=http://x", true},
		{valueSet, "version=1.2.3", true},
		{coded, "code=http://s|", true},
		{coded, "code=http://s|x", false},
		{coded, "code:missing=true", false},
		{displayed, "code:missing=true", false},
		{displayed, "code=http://s|", false},
		{displayed, "subject:missing=true&patient:missing=true", false},
		{displayed, "patient:missing=true", true},
		{displayed, "performer:missing=true", false},
		{displayed, "value-quantity:missing=true", false},
		{displayed, "code-value-quantity:missing=true", true},
		{displayed, "date:missing=true", false},
		{displayed, "date=gt1000", false},
		{condition, "code:missing=true", false},
		{condition, "code=a", false},
		{condition, "code:not=a", true},
	} {
		doc := parse(t, test.doc)
		e, err := c.Extract(doc)
		if err != nil {
			t.Fatal(err)
		}
		p, err := c.ParseQuery(test.query, Options{Type: doc.Root().Get("resourceType").Text()})
		if err != nil {
			t.Errorf("%s: %v", test.query, err)
			continue
		}
		if got := projections.Matches(p.Query, projections.Version{}, e.Terms); got != test.want {
			t.Errorf("%s finds %s: %v; want %v", test.query, test.doc, got, test.want)
		}
	}
}

func FuzzParseQuery(f *testing.F) {
	c := defaultCatalog(f)
	for _, seed := range []string{"code=http://loinc.org|8480-6&date=ge2020&_sort=-date", "value-quantity=ap5.4||mg&subject:Patient=1", `code=a\,b,c\|d&_count=0`, "%", "code:missing=true&x.y:z=1", "_has:a:b:c=d&subject=http://h/Patient/1", "subject:Patient.organization.name:exact=x,y&patient.general-practitioner.name=z", `code-value-quantity=a\$$gt5||mg,b$6`,
		"_has:Observation:has-member:_has:Provenance:target:agent.name=x", "subject._has:Observation:subject:code=a", "_include:iterate=Observation:subject:Patient&_revinclude=*&_elements=code,value[x]", "_list=1&_contained=false",
		"value-quantity=1e-9999", "date=ap9999-12-31T23:59:60.123+14:00", "_total=none&_summary=count&_explain=true"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		for _, strict := range []bool{true, false} {
			var p Parsed
			var err error
			eventstest.Allocates(t, len(raw), 256<<10, 512, func() {
				p, err = c.ParseQuery(raw, Options{Type: "Observation", Lenient: !strict, BaseURL: "http://h", Now: func() time.Time { return testNow }})
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

func TestConditionsNameNoServer(t *testing.T) {
	c := defaultCatalog(t)
	const base = "http://h/fhir"
	for _, test := range []struct{ typ, raw, want string }{
		{"Observation", "subject=http://h/fhir/Patient/1&code=a|b", "subject=Patient%2F1&code=a|b"},
		{"Observation", "code=a&subject:Patient=http%3A%2F%2Fh%2Ffhir%2FPatient%2F1,Patient/2", "code=a&subject:Patient=Patient%2F1%2CPatient%2F2"},
		{"Observation", `subject=http://h/fhir/Patient/1,http://x/a\,b`, "subject=Patient%2F1%2Chttp%3A%2F%2Fx%2Fa%5C%2Cb"},
		{"DocumentReference", "relationship=http://h/fhir/DocumentReference/1$replaces", "relationship=DocumentReference%2F1%24replaces"},
		{"Observation", "subject=HTTP://H:80/fhir/Patient/1", "subject=Patient%2F1"},
		{"Observation", "subject=http://h/fhirs/Patient/1", "subject=http://h/fhirs/Patient/1"},
		{"Observation", "subject=http://h/fhir/Patient/1/x", "subject=http://h/fhir/Patient/1/x"},
		{"QuestionnaireResponse", "questionnaire=http://h/fhir/Questionnaire/1", "questionnaire=http://h/fhir/Questionnaire/1"},
		{"ValueSet", "url=http://h/fhir/ValueSet/1", "url=http://h/fhir/ValueSet/1"},
		{"Observation", "subject=%zz&%zz=http://h/fhir/Patient/1&shade=http://h/fhir/Patient/1", "subject=%zz&%zz=http://h/fhir/Patient/1&shade=http://h/fhir/Patient/1"},
		{"Nonsense", "subject=http://h/fhir/Patient/1", "subject=http://h/fhir/Patient/1"},
	} {
		if got := c.Relative(test.typ, test.raw, base); got != test.want {
			t.Errorf("%s becomes %s, want %s", test.raw, got, test.want)
		}
	}
}
