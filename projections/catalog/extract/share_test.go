package extract

import (
	"fmt"
	"slices"
	"testing"

	"binnacle/events/fhir"
	"binnacle/projections"
)

func TestParametersThatRepeatOthersAreKnown(t *testing.T) {
	c := compiled(t)
	for name, want := range map[[2]string]string{
		{"Observation", "patient"}:                   "[{subject [Patient]}]",
		{"Observation", "subject"}:                   "[]",
		{"Observation", "code"}:                      "[]",
		{"Observation", "combo-code"}:                "[{component-code []} {code []}]",
		{"Observation", "combo-code-value-quantity"}: "[{component-code-value-quantity []} {code-value-quantity []}]",
		{"Observation", "combo-value-quantity"}:      "[{value-quantity []} {component-value-quantity []}]",
		{"Encounter", "practitioner"}:                "[{participant [Practitioner]}]",
		{"Patient", "phonetic"}:                      "[{name []}]",
		{"Patient", "telecom"}:                       "[]", // email and phone are parts of it, and it has more
		{"Provenance", "patient"}:                    "[{target [Patient]}]",
		{"Patient", "_id"}:                           "[]",
	} {
		p := c.Of(name[0]).Params[name[1]]
		if p == nil {
			t.Fatalf("%v is not known", name)
		}
		if got := fmt.Sprint(p.Shares); got != want {
			t.Errorf("%s of %s shares %s, want %s", name[1], name[0], got, want)
		}
		if got := fmt.Sprint(p.Clause().Shares); got != want {
			t.Errorf("a clause of %s of %s shares %s, want %s", name[1], name[0], got, want)
		}
	}
}

func TestAnOwnParameterInPlaceOfOneThatRepeatsStandsForItself(t *testing.T) {
	c := compiled(t, `{"resourceType":"SearchParameter","url":"http://a.org/patient","name":"patient","status":"active","description":"d","code":"patient",
		"base":["Observation"],"type":"reference","expression":"Observation.performer.where(resolve() is Patient)","target":["Patient"]}`)
	p := c.Of("Observation").Params["patient"]
	if got := fmt.Sprint(p.Shares); got != "[{performer [Patient]}]" {
		t.Errorf("patient shares %s, want those of performer that are patients", got)
	}
}

// What a parameter shares is, in every document, what those have that it shares it with, and nothing else.
func TestSharedTermsAreThoseOfTheOthers(t *testing.T) {
	c := compiled(t)
	documents := []*fhir.Document{
		parse(t, `{"resourceType":"Observation","subject":{"reference":"http://far.org/Patient/1"}}`),
		parse(t, `{"resourceType":"Observation","subject":{"reference":"Group/1","type":"Patient"}}`),
		parse(t, `{"resourceType":"Observation","subject":{"reference":"Patient/1","type":"Group"}}`),
		parse(t, `{"resourceType":"Observation","subject":{"type":"Patient","identifier":{"system":"s","value":"1"}}}`),
		parse(t, `{"resourceType":"Observation","subject":{"type":"Group","identifier":{"system":"Patient","value":"1"}}}`),
		parse(t, `{"resourceType":"Observation","subject":{"reference":"Patient/1/_history/2","identifier":{"system":"Patient","value":"1"}}}`),
		parse(t, `{"resourceType":"Observation","contained":[{"resourceType":"Patient","id":"p"}],"subject":{"reference":"#p"}}`),
		parse(t, `{"resourceType":"Patient","name":[{"family":"A","given":["B","B"]}]}`),
	}
	files := smallFiles(t)
	for _, file := range files[:min(4, len(files))] {
		more, err := bundleResources(file)
		if err != nil {
			t.Fatal(err)
		}
		documents = append(documents, more...)
	}
	shared := 0
	for _, doc := range documents {
		extracted, err := c.Extract(doc)
		if err != nil {
			t.Fatal(err)
		}
		typ := doc.Root().Get("resourceType").Text()
		for _, p := range c.Of(typ).Sorted {
			own := written(extracted.Terms, p.Code, func(t *projections.Term) bool { return t.Shared })
			shared += len(own)
			var others []string
			for _, share := range p.Shares {
				others = append(others, written(extracted.Terms, share.Param, func(t *projections.Term) bool {
					return share.Types == nil || !t.Identifier && fhir.IsID(t.Code) &&
						slices.Contains(share.Types, t.System)
				})...)
			}
			slices.Sort(others)
			if !slices.Equal(own, slices.Compact(others)) {
				t.Errorf("%s\n%s shares %q; %v have %q", doc.Bytes(), p.Code, own, p.Shares, others)
			}
			if rest := written(extracted.Terms, p.Code, func(t *projections.Term) bool { return !t.Shared }); len(
				rest) > 0 && p.Shares != nil && p.Shares[0].Types == nil {
				t.Errorf("%s\n%s keeps %q, although %v have all of it", doc.Bytes(), p.Code, rest, p.Shares)
			}
		}
	}
	if shared < 1_000 {
		t.Errorf("only %d terms are shared; the sample should have thousands", shared)
	}
}

// written are the terms of a parameter that ok takes, each once, sorted.
func written(terms []projections.Term, param string, ok func(*projections.Term) bool) []string {
	var texts []string
	for i := range terms {
		if t := &terms[i]; t.Param == param && ok(t) {
			texts = append(texts, fmt.Sprint(show(*t), t.Identifier))
		}
	}
	slices.Sort(texts)
	return slices.Compact(texts)
}
