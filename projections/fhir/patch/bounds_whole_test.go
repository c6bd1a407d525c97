//go:build whole

package patch_test

import (
	"strings"
	"testing"

	"binnacle/events"
	"binnacle/projections/fhir/patch"
)

// TestPatchesHaveBoundedParts: what is read of a patch is bounded, too.
func TestPatchesHaveBoundedParts(t *testing.T) {
	m := model(t)
	many := func(one string, n int) string { return strings.TrimSuffix(strings.Repeat(one+",", n), ",") }
	for name, text := range map[string]string{
		"operations of a JSON Patch": "[" + many(`{"op":"remove","path":"/a"}`, 200_001) + "]",
		"parts": parameters(`{"name":"operation","part":[{"name":"type","valueCode":"add"},{"name":"value","part":[` +
			many(`{"name":"a","valueCode":"b"}`, 200_001) + `]},{"name":"path","valueString":"a"},{"name":"name","valueString":"b"}]}`),
		"paths": parameters(many(op("delete", "a"+strings.Repeat(".a", 30_000)), 20)),
	} {
		if _, err := patch.Parse(m, "Patient", []byte(text)); events.KindOf(err) != events.TooLarge {
			t.Errorf("%s: got %.200v", name, err)
		}
	}
}

// TestAPathTakesItsTimeWithinBounds: what a path may look at is bounded.
func TestAPathTakesItsTimeWithinBounds(t *testing.T) {
	m := model(t)
	many := `{"resourceType":"Patient","name":[` + strings.TrimSuffix(strings.Repeat(`{"text":"a"},`, 5_000), ",") + `]}`
	for name, path := range map[string]string{
		"criteria in criteria":  "Patient.name.where(%resource.name.where(%resource.name.exists()).exists())",
		"unions without end":    "(" + strings.Repeat("Patient.name | ", 3000) + "Patient.active)",
		"types again and again": "Patient.name" + strings.Repeat(".ofType(HumanName)", 3500),
	} {
		if _, err := apply(m, "Patient", parameters(op("delete", path)), many); events.KindOf(err) != events.TooCostly {
			t.Errorf("%s: got %.200v", name, err)
		}
	}
}
