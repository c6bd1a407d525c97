package fhir_test

import (
	"strings"
	"testing"

	"binnacle/events/eventstest"
	"binnacle/events/fhir"
)

func FuzzParsingTakesMemoryInProportion(f *testing.F) {
	f.Add([]byte(`{"resourceType":"Patient","name":[{"family":"x","given":["y","z"]}]}`))
	f.Add([]byte(strings.Repeat("[", 99) + strings.Repeat("]", 99)))
	f.Add([]byte("{" + strings.Repeat(`"":1,`, 400) + `"a":1}`))
	f.Add([]byte(strings.Repeat(",", 4000)))
	f.Fuzz(func(t *testing.T, data []byte) {
		eventstest.Allocates(t, len(data), 64<<10, 64, func() { _, _ = fhir.Parse(data) })
	})
}
