package r4

import "testing"

func TestRootElementsAreKnownByTheirNameAndByTheKeysOfAChoice(t *testing.T) {
	m, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"valueQuantity": "value", "valueShade": "",
		"referenceRange": "referenceRange"} {
		if got := m.RootElement("Observation", name); got != want {
			t.Errorf("%s is the element %q of an Observation, want %q", name, got, want)
		}
	}
}
