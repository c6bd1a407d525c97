package catalog

import "testing"

func TestRootElementsAreKnownByTheirNameAndByTheKeysOfAChoice(t *testing.T) {
	m, err := loadModel()
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"valueQuantity": "value", "valueShade": "", "referenceRange": "referenceRange"} {
		if got := m.rootElement("Observation", name); got != want {
			t.Errorf("%s is the element %q of an Observation, want %q", name, got, want)
		}
	}
}
