package catalog

import (
	"strings"
	"testing"

	"binnacle/events"
	"binnacle/projections/catalog/literal"
)

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
		{"value-quantity=" + strings.Repeat("1", literal.MaxDigits+1), invalid, invalid, "more than 100 digits"},
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
	if _, err := c.ParseQuery("derived-from=http://x|",
		Options{Type: "Library"}); events.KindOf(err) != events.Invalid {
		t.Errorf("a canonical without its version: %v", err)
	}
}
