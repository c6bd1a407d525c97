package functions

import "time"

// Default gives a limit that is not set its default.
func Default[T int | int64 | time.Duration](value *T, standard T) {
	if *value <= 0 {
		*value = standard
	}
}
