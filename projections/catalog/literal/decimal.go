package literal

import (
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
)

// MaxDigits bounds the digits of a number in a query.
const MaxDigits = 100

// decimal is a number as a query writes it: the number, and the range that its precision covers, both ends included.
type decimal struct {
	Value, Low, High float64
}

// ParseDecimal reads a number with its precision (FHIR R4, section 3.1.1.4.9): half a unit of the last digit on both
// sides, so 100 is [99.5, 100.5) and 100.00 is [99.995, 100.005), and so is 1.00e2 the same as 100. Of a number with an
// exponent and no fraction the unit is ten times finer: the specification has [95, 105) for 1e2. Ends are rounded to
// the nearest float64; the upper one, which is excluded, to the one below.
func ParseDecimal(s string) (decimal, error) {
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
	if len(whole)+len(fraction) > MaxDigits {
		return decimal{}, fmt.Errorf("%.40q has more than %d digits", s, MaxDigits)
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
	d := decimal{Value: scaled(0), Low: scaled(-5), High: scaled(5)}
	if math.IsInf(d.Low, 0) || math.IsInf(d.High, 0) {
		return decimal{}, fmt.Errorf("%.40q is beyond the numbers that can be searched (a float64)", s)
	}
	d.High = max(d.Value, math.Nextafter(d.High, math.Inf(-1)))
	d.Low = min(d.Value, d.Low)
	return d, nil
}

// Around widens a number by a tenth of itself to both sides, for ap; never to less than its precision.
func (d decimal) Around() (low, high float64) {
	delta := math.Abs(d.Value) / 10
	return min(d.Low, d.Value-delta), max(d.High, d.Value+delta)
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
