package projections

import (
	"encoding/binary"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/cespare/xxhash/v2"
	"golang.org/x/text/unicode/norm"
)

// OrderBytes is how much of a string or of a code takes part in an order.
const OrderBytes = 128

// Fold is the form in which strings are searched and sorted: white space at the ends removed, case and accents folded (FHIR R4
// search, 3.1.1.4.8). Bytes that are not UTF-8 stay as they are.
func Fold(s string) string {
	s = strings.TrimSpace(s)
	plain := true
	for i := range len(s) {
		if c := s[i]; c >= utf8.RuneSelf || 'A' <= c && c <= 'Z' {
			plain = plain && c < utf8.RuneSelf
			if !plain {
				break
			}
		}
	}
	if plain {
		return strings.ToLower(s)
	}
	decomposed := norm.NFD.String(s)
	folded := make([]byte, 0, len(decomposed))
	for i := 0; i < len(decomposed); {
		r, size := utf8.DecodeRuneInString(decomposed[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			folded = append(folded, decomposed[i])
		case unicode.Is(unicode.Mn, r):
		default:
			folded = utf8.AppendRune(folded, unicode.ToLower(r))
		}
		i += size
	}
	return string(folded)
}

// OrderString is what a string is sorted by: the first OrderBytes bytes of its [Fold].
func OrderString(s string) string {
	s = Fold(s)
	return s[:min(len(s), OrderBytes)]
}

// OrderCode is what a code or a system is sorted by, and what an index keeps of it: the code itself, or when it is longer than
// OrderBytes its beginning and a hash of the whole.
func OrderCode(s string) string {
	if len(s) <= OrderBytes {
		return s
	}
	return string(binary.BigEndian.AppendUint64([]byte(s[:OrderBytes-8]), xxhash.Sum64String(s)))
}
