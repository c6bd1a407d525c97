package projections

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/cespare/xxhash/v2"
	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// OrderBytes is how much of a string or of a code takes part in an order.
const OrderBytes = 128

// Fold is the form in which strings are searched and sorted: white space at the ends removed, case and accents folded
// (FHIR R4 search, 3.1.1.4.8). Case is folded in full, as Unicode has it (section 3.13, and CaseFolding.txt): the final
// sigma is a sigma, and a sharp s is two. Bytes that are not UTF-8 stay as they are.
func Fold(s string) string {
	s = strings.TrimSpace(s)
	if isASCII(s) {
		return strings.ToLower(s)
	}
	folded := foldCase(norm.NFD.AppendString(nil, s), false)
	return string(bytes.TrimSpace(folded)) // marks may have stood before the white space at an end
}

// FoldCase is the form in which tokens are compared whose case doesn't count: case is folded in full, and nothing else.
func FoldCase(s string) string {
	if isASCII(s) {
		return strings.ToLower(s)
	}
	return string(foldCase([]byte(s), true))
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// foldCase folds the case of each character. Nonspacing marks are left out, unless they count.
func foldCase(text []byte, marks bool) []byte {
	folded := make([]byte, 0, len(text)+maxFolded)
	lower := make([]byte, 0, utf8.UTFMax)
	for len(text) > 0 {
		r, size := utf8.DecodeRune(text)
		switch {
		case r < utf8.RuneSelf:
			folded = append(folded, byte(unicode.ToLower(r)))
		case r == utf8.RuneError && size == 1:
			folded = append(folded, text[0])
		case !marks && unicode.Is(unicode.Mn, r):
		default:
			folded = slices.Grow(folded, maxFolded)
			// the folder of x/text swaps both cases of Cherokee
			lower = utf8.AppendRune(lower[:0], unicode.ToLower(r))
			// one character always fits
			n, _, _ := folder.Transform(folded[len(folded):len(folded)+maxFolded], lower, true)
			folded = folded[:len(folded)+n]
		}
		text = text[size:]
	}
	return folded
}

// folder folds case in full. It has no state, unlike other Casers, and so may be shared.
var folder = cases.Fold()

// maxFolded is how many bytes the fold of one character takes at the most: three characters.
const maxFolded = 3 * utf8.UTFMax

// IsBlank tells whether a text has nothing that could be searched for: it is empty, or white space and combining marks
// alone. As the beginning of a text it would stand for every text that there is.
func IsBlank(s string) bool { return Fold(s) == "" }

// OrderString is what a string is sorted by: the first OrderBytes bytes of its [Fold].
func OrderString(s string) string {
	s = Fold(s)
	return s[:min(len(s), OrderBytes)]
}

// OrderCode is what a code or a system is sorted by, and what an index keeps of it: the code itself, or when it is
// longer than OrderBytes its beginning and a hash of the whole.
func OrderCode(s string) string {
	if len(s) <= OrderBytes {
		return s
	}
	return string(binary.BigEndian.AppendUint64([]byte(s[:OrderBytes-8]), xxhash.Sum64String(s)))
}
