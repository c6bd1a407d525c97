package rows

import "testing"

func TestAShapeNamesWholeParameters(t *testing.T) {
	shape := shapeParams([]string{"birthdate", "code-value"})
	for code, want := range map[string]bool{"birthdate": true, "code-value": true, "birth": false, "date": false,
		"code": false, "value": false, "": false} {
		if HasParam(shape, code) != want {
			t.Errorf("hasParam(%q) = %t", code, !want)
		}
	}
	if HasParam(shapeParams(nil), "code") {
		t.Error("the empty shape has a parameter")
	}
}

// allTerms are places where every key has its term row.
type allTerms struct{}

func (allTerms) RefersOnRow(string) bool { return false }

func (allTerms) URIsOnRow() bool { return false }
