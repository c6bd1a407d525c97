package fhir

import (
	"errors"
	"testing"

	"binnacle/events"
)

func TestWhatIsContainedIsFoundByItsID(t *testing.T) {
	list := new(Shape)
	list.Set("contained", &Shape{Resource: true}, Form{JSON: Object, Many: true})
	shapes := func(typ string) *Shape {
		return map[string]*Shape{"List": list, "Bundle": {Opaque: true}}[typ]
	}
	for text, place := range map[string]string{ // the place where it is wrong; "": nowhere
		`"subject":{"reference":"#x"}`: "List.subject.reference",
		`"subject":{"reference":"#x"},"contained":{"resourceType":"Patient","id":"x"}`:             "List.subject.reference",
		`"subject":{"reference":"#x"},"contained":[{"resourceType":"Patient","id":"x"}]`:           "",
		`"contained":[{"resourceType":"Patient","id":"\u0078"}],"subject":{"reference":"\u0023x"}`: "",
		`"subject":{"reference":"#x"},"contained":[{"resourceType":"Patient","id":"X"}]`:           "List.subject.reference",
		`"subject":{"reference":"#x"},"contained":[{"resourceType":"Patient","id":"#x"}]`:          "List.subject.reference",
		`"subject":{"reference":"#x/y"},"contained":[{"resourceType":"Patient","id":"x"}]`:         "List.subject.reference",
		`"subject":{"reference":"#"}`:                                                                                              "List.subject.reference",
		`"subject":{"reference":"#"},"contained":[{"resourceType":"Patient"}]`:                                                     "List.subject.reference",
		`"contained":[{"resourceType":"Patient"}],"subject":{"reference":"#"}`:                                                     "List.subject.reference",
		`"contained":[{"resourceType":"Provenance","target":[{"reference":"#"}]}]`:                                                 "",
		`"contained":[{"resourceType":"List","id":"a","source":{"reference":"#b"}},{"resourceType":"Device","id":"b"}]`:            "",
		`"contained":[{"resourceType":"List","id":"a","source":{"reference":"#c"}},{"resourceType":"Device","id":"b"}]`:            "List.contained[0].source.reference",
		`"contained":[{"resourceType":"List","id":"a"},{"resourceType":"List"},{"resourceType":"List"},{"resourceType":"B"}]`:      "",
		`"contained":[{"resourceType":"List","id":"a"},{"resourceType":"List","id":"b"},{"resourceType":"Device","id":"\u0061"}]`:  "List.contained[2].id",
		`"contained":[{"resourceType":"Bundle","entry":[{"resource":{"resourceType":"List","subject":{"reference":"#none"}}}]}]`:   "",
		`"contained":[{"resourceType":"Patient","id":"x","extension":[{"url":"u","valueReference":{"reference":"#y"}}]}]`:          "List.contained[0].extension[0].valueReference.reference",
		`"contained":[{"resourceType":"Patient","id":"x"}],"extension":[{"url":"u","valueReference":{"reference":"#x"}}]`:          "",
		`"contained":[{"resourceType":"Patient","id":"x"}],"extension":[{"url":"u","valueReference":{"reference":"Patient/1#y"}}]`: "",
	} {
		doc, err := Parse([]byte(`{"resourceType":"List",` + text + `}`))
		if err != nil {
			t.Fatal(err)
		}
		contained, err := ContainedOf(doc.Root())
		for place := range References(doc.Root(), shapes) {
			if r := ParseReference(place.Value); err == nil && r.Kind == ContainedReference {
				err = contained.Check(place, r.Fragment)
			}
		}
		var told *events.Error
		if place == "" && err != nil || place != "" &&
			(!errors.As(err, &told) || told.Kind != events.Invalid || told.Expression != place) {
			t.Errorf("%s: got %v, want it refused at %q", text, err, place)
		}
	}
}
