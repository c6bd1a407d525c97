package extract

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"binnacle/projections"
)

// insideOf shows the terms of what a document contains.
func insideOf(t *testing.T, doc string) []string {
	t.Helper()
	e, err := compiled(t).Extract(parse(t, doc))
	if err != nil {
		t.Fatalf("%s: %v", doc, err)
	}
	var shown []string
	for _, term := range e.Terms {
		if strings.Contains(term.Param, ":") {
			shown = append(shown, strings.TrimSpace(term.Param+" "+show(term)))
		}
	}
	slices.Sort(shown)
	return shown
}

func TestWhatIsContainedHasTermsUnderTheReferencesThatLeadThere(t *testing.T) {
	const acme = `{"resourceType":"Organization","id":"o","name":"Acme"}`
	for _, test := range []struct {
		name, doc string
		want      []string
	}{
		{"nothing refers to it",
			`{"resourceType":"MedicationRequest","contained":[{"resourceType":"Medication","id":"m","status":"active"}]}`, nil},
		{"a reference leads to it",
			`{"resourceType":"MedicationRequest","contained":[{"resourceType":"Medication","id":"m","status":"active"},{"resourceType":"Medication","id":"n"}],"medicationReference":{"reference":"#m"}}`,
			[]string{"medication:Medication._id |m", "medication:Medication.status |active"}},
		{"one of two parameters has it, where one shares the references of the other",
			`{"resourceType":"MedicationRequest","contained":[{"resourceType":"Patient","id":"p","gender":"male"}],"subject":{"reference":"#p"}}`,
			[]string{"subject:Patient._id |p", "subject:Patient.deceased |false", "subject:Patient.gender |male"}},
		{"step by step",
			`{"resourceType":"MedicationRequest","contained":[{"resourceType":"Medication","id":"m","manufacturer":{"reference":"#o"}},` + acme + `],"medicationReference":{"reference":"#m"}}`,
			[]string{"medication:Medication._id |m", "medication:Medication.manufacturer",
				"medication:Medication.manufacturer:Organization._id |o",
				"medication:Medication.manufacturer:Organization.name Acme",
				"medication:Medication.manufacturer:Organization.phonetic Acme"}},
		{"and out again",
			`{"resourceType":"MedicationRequest","contained":[{"resourceType":"Medication","id":"m","manufacturer":{"reference":"Organization/5"}}],"medicationReference":{"reference":"#m"}}`,
			[]string{"medication:Medication._id |m", "medication:Medication.manufacturer Organization|5"}},
		{"several are told apart by tokens, references and what there is",
			`{"resourceType":"Medication","contained":[{"resourceType":"Substance","id":"a","status":"active"},{"resourceType":"Substance","id":"b","instance":[{"quantity":{"value":1}}]}],"ingredient":[{"itemReference":{"reference":"#a"}},{"itemReference":{"reference":"#b"}},{"itemReference":{"reference":"#a"}}]}`,
			[]string{"ingredient:Substance#1._id |a", "ingredient:Substance#1.status |active",
				"ingredient:Substance#2._id |b", "ingredient:Substance#2.quantity", "ingredient:Substance._id |a",
				"ingredient:Substance._id |b", "ingredient:Substance.quantity 1 1 |",
				"ingredient:Substance.status |active"}},
		{"the container itself is nobody's content",
			`{"resourceType":"Provenance","id":"p","target":[{"reference":"#"}]}`, nil},
		{"what has no id, no type or an unknown one is not read",
			`{"resourceType":"List","contained":[{"resourceType":"Patient"},{"id":"a"},{"resourceType":"Nothing","id":"b"},7,{"resourceType":"Parameters","id":"c"}],"subject":{"reference":"#a"},"source":{"reference":"#b"},"encounter":{"reference":"#c"}}`, nil},
		{"nor is what can not be read as its type",
			`{"resourceType":"List","contained":[{"resourceType":"Patient","id":"p","birthDate":"soon"}],"subject":{"reference":"#p"}}`, nil},
		{"the first of an id counts",
			`{"resourceType":"MedicationRequest","contained":[{"resourceType":"Medication","id":"m"},{"resourceType":"Patient","id":"m"}],"medicationReference":{"reference":"#m"},"subject":{"reference":"#m"}}`,
			[]string{"medication:Medication._id |m", "subject:Medication._id |m"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := insideOf(t, test.doc); !slices.Equal(got, test.want) {
				t.Errorf("it has\n%q, want\n%q", got, test.want)
			}
		})
	}
}

func TestWhatRefersToEachOtherInACircleIsReadOverThreeSteps(t *testing.T) {
	got := insideOf(t,
		`{"resourceType":"Observation","contained":[{"resourceType":"Observation","id":"a","hasMember":[{"reference":"#b"},{"reference":"#a"}]},{"resourceType":"Observation","id":"b","hasMember":[{"reference":"#a"}]}],"hasMember":[{"reference":"#a"}]}`)
	longest := slices.MaxFunc(got, func(a, b string) int { return strings.Count(a, ":") - strings.Count(b, ":") })
	if n := strings.Count(longest, ":"); n != insideSteps || len(got) > 40 {
		t.Errorf("%d steps, %d terms: %q", n, len(got), got)
	}
}

func TestVeryManyReferencesInsideAreNotFollowed(t *testing.T) {
	const resources = 330 // each of which refers to all
	var contained, refer []string
	for i := range resources {
		refer = append(refer, fmt.Sprintf(`{"reference":"#o%d"}`, i))
	}
	all := strings.Join(refer, ",")
	for i := range resources {
		contained = append(contained, fmt.Sprintf(`{"resourceType":"Observation","id":"o%d","hasMember":[%s]}`, i, all))
	}
	got := insideOf(t, `{"resourceType":"Observation","contained":[`+strings.Join(contained,
		",")+`],"hasMember":[`+all+`]}`)
	if last := got[len(got)-1]; strings.Count(last, ":") != 1 || len(got) < resources {
		t.Errorf("%d terms, the last one %s", len(got), last)
	}
}

func TestWhatIsContainedBeyondTheBoundsIsLeftOutWhole(t *testing.T) {
	var contained, refer []string
	for i := range 500 {
		contained = append(contained,
			fmt.Sprintf(
				`{"resourceType":"Observation","id":"o%d","code":{"coding":[{"code":"a"},{"code":"b"},{"code":"c"}]},"hasMember":[{"reference":"#o%d"}]}`, i, (i+1)%500))
		refer = append(refer, fmt.Sprintf(`{"reference":"#o%d"}`, i))
	}
	got := insideOf(t, `{"resourceType":"Observation","contained":[`+strings.Join(contained,
		",")+`],"hasMember":[`+strings.Join(refer, ",")+`]}`)
	seen := map[string]int{}
	for _, term := range got {
		if name, marks := projections.InsideOf(strings.Fields(term)[0]); marks {
			seen[name]++
		}
	}
	if len(got) > insideTerms || seen["has-member:Observation"] != 500 || seen["has-member:Observation#16"] != 1 ||
		seen["has-member:Observation#17"] != 0 {
		t.Errorf("%d terms, of %v", len(got), seen)
	}
	for name, n := range seen {
		if !strings.Contains(name, "#") && n != 500 {
			t.Errorf("%s has %d of 500", name, n)
		}
	}
	large := `{"resourceType":"Patient","id":"p","name":[{"given":["` + strings.Repeat(`x","`, insideMost) + `"]}]}`
	if got := insideOf(t,
		`{"resourceType":"Observation","contained":[`+large+`],"subject":{"reference":"#p"}}`); got != nil {
		t.Errorf("a patient with very many names has %d terms", len(got))
	}
}
