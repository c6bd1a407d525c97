package functions_test

import (
	"testing"

	"binnacle/functions"
)

func TestWhatWasSetLastIsRemembered(t *testing.T) {
	const least = 10
	r := functions.Recent[int, int]{Least: least}
	for n := range 100 {
		r.Set(n, -n)
		kept := 0
		for i := range n + 1 {
			value, remembered := r.Get(i)
			if remembered && value != -i {
				t.Fatalf("%d is %d", i, value)
			}
			if remembered {
				kept++
			}
			if !remembered && i > n-least {
				t.Fatalf("%d is forgotten after %d", i, n)
			}
		}
		if kept > 2*least {
			t.Fatalf("%d values are kept", kept)
		}
	}
	r.Set(99, 1)
	if value, _ := r.Get(99); value != 1 {
		t.Errorf("99 is %d, set to 1 last", value)
	}
	r.Delete(99)
	if _, remembered := r.Get(99); remembered {
		t.Error("99 was deleted and is remembered")
	}
	r.Clear()
	if _, remembered := r.Get(98); remembered {
		t.Error("all was forgotten, and 98 is remembered")
	}
}
