package catalog

import (
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
)

// maxDigits bounds the digits of a number in a query.
const maxDigits = 100

// decimal is a number as a query writes it: the number, and the range that its precision covers, both ends included.
type decimal struct {
	value, low, high float64
}

// parseDecimal reads a number with its precision (FHIR R4, section 3.1.1.4.9): half a unit of the last digit on both sides, so 100 is
// [99.5, 100.5) and 100.00 is [99.995, 100.005), and so is 1.00e2 the same as 100. Of a number with an exponent and no fraction the unit
// is ten times finer: the specification has [95, 105) for 1e2. Ends are rounded to the nearest float64; the upper one, which is excluded, to the one below.
func parseDecimal(s string) (decimal, error) {
	bad := func() (decimal, error) { return decimal{}, fmt.Errorf("%.40q is no number", s) }
	mantissa, exponentText, hasExponent := cutAny(s, "eE")
	digits := strings.TrimLeft(mantissa, "+-")
	if len(mantissa)-len(digits) > 1 {
		return bad()
	}
	whole, fraction, point := strings.Cut(digits, ".")
	if !onlyDigits(whole) || point && !onlyDigits(fraction) {
		return bad()
	}
	if len(whole)+len(fraction) > maxDigits {
		return decimal{}, fmt.Errorf("%.40q has more than %d digits", s, maxDigits)
	}
	exponent := 0
	if hasExponent {
		e, err := strconv.Atoi(exponentText)
		if err != nil || e > 9999 || e < -9999 {
			return bad()
		}
		exponent = e
	}
	finer := hasExponent && !point
	if finer {
		exponent--
	}
	// In units of a tenth of the last digit's unit, the number is 10 × all digits, and half a unit is 5.
	n, _ := new(big.Int).SetString(whole+fraction, 10)
	n.Mul(n, big.NewInt(10))
	if mantissa[0] == '-' {
		n.Neg(n)
	}
	unit := exponent - len(fraction) - 1
	if finer { // the digits themselves stand one place higher than the finer unit
		n.Mul(n, big.NewInt(10))
	}
	scaled := func(offset int64) float64 {
		f, _ := strconv.ParseFloat(new(big.Int).Add(n, big.NewInt(offset)).String()+"e"+strconv.Itoa(unit), 64)
		return f
	}
	d := decimal{value: scaled(0), low: scaled(-5), high: scaled(5)}
	if math.IsInf(d.low, 0) || math.IsInf(d.high, 0) {
		return decimal{}, fmt.Errorf("%.40q is beyond the numbers that can be searched (a float64)", s)
	}
	d.high = max(d.value, math.Nextafter(d.high, math.Inf(-1)))
	d.low = min(d.value, d.low)
	return d, nil
}

// around widens a number by a tenth of itself to both sides, for ap; never to less than its precision.
func (d decimal) around() (low, high float64) {
	delta := math.Abs(d.value) / 10
	return min(d.low, d.value-delta), max(d.high, d.value+delta)
}

func cutAny(s, chars string) (before, after string, found bool) {
	if i := strings.IndexAny(s, chars); i >= 0 {
		return s[:i], s[i+1:], true
	}
	return s, "", false
}

func onlyDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}
