package fhir

import (
	"strings"
	"testing"

	"binnacle/events"
)

func TestReferencesAreToldApart(t *testing.T) {
	long := strings.Repeat("a", 65)
	for value, want := range map[string]Reference{
		"Patient/1":            {Kind: RelativeReference, Type: "Patient", ID: "1"},
		"Patient/1/_history/2": {Kind: RelativeReference, Type: "Patient", ID: "1", Version: "2"},
		"Patient/1#p":          {Kind: RelativeReference, Type: "Patient", ID: "1", Fragment: "p"},
		"Patient/1/_history/2#p": {Kind: RelativeReference, Type: "Patient", ID: "1", Version: "2",
			Fragment: "p"},
		"https://h/fhir/Patient/1": {Kind: AbsoluteReference, Base: "https://h/fhir", Type: "Patient",
			ID: "1"},
		"http://h/Patient/1/_history/a.b-c#x": {Kind: AbsoluteReference, Base: "http://h", Type: "Patient", ID: "1",
			Version: "a.b-c", Fragment: "x"},
		"http://Patient/1":              {Kind: AbsoluteReference},
		"http://Patient":                {Kind: AbsoluteReference},
		"http://":                       {Kind: AbsoluteReference},
		"http://h/patient/1":            {Kind: AbsoluteReference},
		"http://h/ValueSet/a|2.0":       {Kind: AbsoluteReference},
		"http://h/Patient?identifier=1": {Kind: AbsoluteReference},
		"urn:uuid:0001":                 {Kind: URNReference},
		"urn:oid:1.2.3":                 {Kind: URNReference},
		"#p1":                           {Kind: ContainedReference, Fragment: "p1"},
		"#":                             {Kind: ContainedReference},
		"Patient?identifier=http://x|1#2": {Kind: ConditionalReference, Type: "Patient",
			Query: "identifier=http://x|1#2"},
		"Patient?":               {Kind: ConditionalReference, Type: "Patient"},
		"patient?x=1":            {},
		"patient/1":              {},
		"/Patient/1":             {},
		"x/Patient/1":            {},
		"Patient/1/":             {},
		"Patient/":               {},
		"Patient":                {},
		"Patient/a b":            {},
		"Patient/1/_history/":    {},
		"Patient/1/_history/a/b": {},
		"Patient/" + long:        {},
		"Patient/1?x=y":          {},
		"":                       {},
		"://Patient/1":           {},
		"1a://h/Patient/1":       {},
	} {
		if got := ParseReference(value); got != want {
			t.Errorf("%q: got %+v; want %+v", value, got, want)
		}
	}
}

// observationShapes knows one type, as far as the tests need.
func observationShapes(name string) *Shape {
	of := func(members map[string]*Shape) *Shape {
		shape := new(Shape)
		for key, member := range members {
			shape.Set(key, member, Form{})
		}
		return shape
	}
	reference := of(map[string]*Shape{"reference": {Kind: ReferencePlace}, "display": {}})
	element, extension := new(Shape), of(map[string]*Shape{"url": {}, "valueReference": reference,
		"valueUri": {Kind: URIPlace}, "valueCanonical": {}})
	element.Set("extension", extension, Form{})
	extension.Set(TwinMember, element, Form{})
	switch name {
	case "Bundle":
		return &Shape{Opaque: true}
	case "Observation":
		return of(map[string]*Shape{
			"subject": reference, "extension": extension, "contained": {Resource: true}, TwinMember: element,
			"method": of(map[string]*Shape{"reference": {Kind: URIPlace}}),
			"text":   of(map[string]*Shape{"div": {Kind: NarrativePlace}}),
		})
	}
	return nil
}

func TestEveryPlaceThatMayNameAResourceIsFound(t *testing.T) {
	doc := `{"resourceType":"Observation","subject":{"reference":"Patient/1","display":"urn:uuid:d"},"reference":5,
	"contained":[{"resourceType":"Unknown","performer":[{"reference":"urn:uuid:\u0061"},{"reference":"#x"}]},{"resourceType":"Observation","method":{"reference":"urn:uuid:m"}},
		{"resourceType":"Bundle","entry":[{"resource":{"resourceType":"Observation","subject":{"reference":"Patient/9"}}}]}],
	"extension":[{"url":"urn:oid:1.2","valueReference":{"reference":"Patient?identifier=1"}},{"url":"u","valueUri":"urn:uuid:b"},{"valueString":"urn:uuid:s"},{"valueCanonical":"urn:uuid:c"}],
	"_status":{"extension":[{"valueUri":"urn:uuid:t"}]},"method":{"reference":"http://x/Library/1"},"code":"urn:uuid:code",
	"section":[{"text":{"div":"plain"}},{"text":{"div":"about href and src"}},{"text":{"div":"a=b, href="}}],
	"text":{"div":"\u003cdiv><a class='k' href=\"urn:uuid:f\">\ud83d\ude00é\n</a><img\tsrc = 'urn:uuid:\u0067'/><a href=\"#here\"/><a href=\"\"/><a datahref=\"urn:uuid:no\"/><a href=urn:uuid:no> src=\u0022Patient/2\u0022 href='open"}}`
	d := mustParse(t, doc)
	var got []string
	for p := range References(d.Root(), observationShapes) {
		got = append(got, string("?RUN"[p.Kind])+" "+p.Value+" "+doc[p.Start:p.End])
		if p.Node.Kind() != String {
			t.Errorf("%q stands in no string", p.Value)
		}
	}
	want := []string{
		`R Patient/1 Patient/1`, `R urn:uuid:a urn:uuid:\u0061`, `R #x #x`, `U urn:uuid:m urn:uuid:m`, `R Patient?identifier=1 Patient?identifier=1`, `U urn:uuid:b urn:uuid:b`,
		`U urn:uuid:t urn:uuid:t`, `U http://x/Library/1 http://x/Library/1`, `N urn:uuid:f urn:uuid:f`, `N urn:uuid:g urn:uuid:\u0067`, `N Patient/2 Patient/2`,
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestReferencesStopWhenAsked(t *testing.T) {
	d := mustParse(t,
		`{"a":[{"reference":"A/1"},{"reference":"A/2"}],"text":{"div":" href='A/3' href='A/4'"},"b":{"reference":"A/5"}}`)
	for stop := 1; stop <= 5; stop++ {
		n := 0
		for range References(d.Root(), observationShapes) {
			if n++; n == stop {
				break
			}
		}
		if n != stop {
			t.Errorf("%d places; want %d", n, stop)
		}
	}
}

func TestTheHeadOfAPlaceEndsInsideItsEscapes(t *testing.T) {
	doc := `{"resourceType":"Observation","subject":{"reference":"Patient\/\u0031\/_history\/2"},"text":{"div":"<a href=\"\u0050atient/1#\ud83d\ude00\"/>"}}`
	d := mustParse(t, doc)
	var got []string
	for p := range References(d.Root(), observationShapes) {
		end := p.Head(len("Patient/1"))
		got = append(got, doc[p.Start:end]+" "+doc[end:p.End])
	}
	want := []string{`Patient\/\u0031 \/_history\/2`, `\u0050atient/1 #\ud83d\ude00`}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestASpliceChangesItsRangesAlone(t *testing.T) {
	content := []byte("0123456789")
	got, err := Splice(content, []Edit{{0, 1, "a"}, {2, 2, "bc"}, {4, 6, ""}, {9, 10, "z"}})
	if want := "a1bc23678z"; err != nil || string(got) != want || string(content) != "0123456789" {
		t.Errorf("got %q %v; want %q", got, err, want)
	}
	if got, err := Splice(content, nil); err != nil || string(got) != string(content) {
		t.Errorf("without edits: %q %v", got, err)
	}
}

func TestASpliceRefusesEditsOutOfOrder(t *testing.T) {
	for _, edits := range [][]Edit{{{2, 3, ""}, {2, 4, ""}}, {{5, 6, ""}, {1, 2, ""}}, {{3, 2, ""}}, {{-1, 0, ""}},
		{{9, 11, ""}}} {
		if got, err := Splice([]byte("0123456789"), edits); events.KindOf(err) != events.Invalid || err == nil {
			t.Errorf("%v: got %q, %v", edits, got, err)
		}
	}
}

// FuzzReferences checks that the bytes of each place, alone in quotes, read as its value, and that all of them can be
// spliced.
func FuzzReferences(f *testing.F) {
	for _, data := range samples(f) {
		f.Add(data)
	}
	f.Add([]byte(`{"resourceType":"Observation","contained":[{"resourceType":"Bundle","x":{"reference":"A/1"}}],"method":{"reference":"urn:uuid:1"},"_x":[null,{"extension":{}}]}`))
	f.Add([]byte(`{"div":"\u003ca href=\"urn:uuid:\ud83d\ude00\ud800\">\\ src='\n' "}`))
	f.Add([]byte(`{"reference":"\/a","x":[["urn:oid:1","urn:uuid:\"\\"]],"div":" \ud800\u0041 href=\u0027\ud800\ud800\udc00\u0027"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		d, err := Parse(data)
		if err != nil {
			return
		}
		var edits []Edit
		for p := range References(d.Root(), observationShapes) {
			alone, err := Parse([]byte(`"` + string(data[p.Start:p.End]) + `"`))
			if err != nil || alone.Root().Text() != p.Value {
				t.Fatalf("the place %q has the value %q: %v", data[p.Start:p.End], p.Value, err)
			}
			if r := ParseReference(p.Value); r.ID != "" && (!IsID(r.ID) || !isTypeName(r.Type)) {
				t.Errorf("%q has type %q and id %q", p.Value, r.Type, r.ID)
			}
			for n := range len(p.Value) + 1 {
				if end := p.Head(n); end < p.Start || end > p.End || n == len(p.Value) && end != p.End {
					t.Fatalf("the first %d bytes of %q end at %d of %d to %d", n, p.Value, end, p.Start, p.End)
				}
			}
			edits = append(edits, Edit{p.Start, p.End, "Patient/1"})
		}
		spliced, err := Splice(data, edits)
		if err != nil {
			t.Fatal(err)
		}
		again, err := Parse(spliced)
		if err != nil {
			t.Fatalf("%q: %v", spliced, err)
		}
		for p := range References(again.Root(), observationShapes) {
			if p.Kind != URIPlace && p.Value != "Patient/1" {
				t.Errorf("%q is left", p.Value)
			}
		}
	})
}
