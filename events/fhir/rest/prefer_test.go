package rest

import (
	"net/http"
	"testing"
)

func TestOfAPreferenceTheFirstCounts(t *testing.T) {
	for _, c := range []struct {
		name  string
		lines []string
		want  Preferences
	}{
		{"none", nil, Preferences{}},
		{"one", []string{"return=minimal"}, Preferences{Return: Minimal}},
		{"several", []string{"respond-async, return=representation; handling=strict"}, Preferences{Return: Representation, Handling: Strict, Async: true}},
		{"one twice", []string{"return=minimal, return=representation", "return=OperationOutcome"}, Preferences{Return: Minimal}},
		{"another twice", []string{"handling=lenient", "handling=strict"}, Preferences{Handling: Lenient}},
		{"quoted, and in another case", []string{`Return="operationoutcome", HANDLING = Lenient`}, Preferences{Return: Outcome, Handling: Lenient}},
		{"what nobody knows", []string{"wait=10, return=everything, handling, =minimal"}, Preferences{}},
	} {
		if got := PreferencesOf(http.Header{"Prefer": c.lines}); got != c.want {
			t.Errorf("%s: got %+v, want %+v", c.name, got, c.want)
		}
	}
}
