package patch

import (
	"strconv"
	"strings"

	"binnacle/events"
	"binnacle/events/fhir"
)

// equal tells whether two values are the same (RFC 6902, section 4.6): strings by their characters, numbers by what
// they count, arrays item by item, objects member by member in any order.
func (t *tree) equal(v *value, want fhir.Node) (bool, *events.Error) {
	if v.kind() != want.Kind() {
		return false, nil
	}
	if want.Kind() < fhir.Array {
		return sameScalar(v.node, want), nil
	}
	c, err := t.into(v)
	if err != nil || len(c.items) != want.Len() {
		return false, err
	}
	next := -1
	if c.kind == fhir.Array {
		for one := range want.Items() {
			next++
			if same, err := t.equal(&c.items[next].value, one); err != nil || !same {
				return false, err
			}
		}
		return true, nil
	}
	for key, one := range want.Fields() {
		next++
		at := next // most often the order is the same
		if c.items[at].key != key {
			if at, err = t.find(c, key); err != nil || at < 0 {
				return false, err
			}
		}
		if same, err := t.equal(&c.items[at].value, one); err != nil || !same {
			return false, err
		}
	}
	return true, nil
}

func sameScalar(a, b fhir.Node) bool {
	if a.Kind() == fhir.Number {
		return sameNumber(a.Text(), b.Text())
	}
	return a.Kind() == b.Kind() && a.Text() == b.Text()
}

// sameNumber compares two numbers of JSON exactly, of whatever length.
func sameNumber(a, b string) bool { return a == b || decimalOf(a) == decimalOf(b) }

// decimal is a number: digits without zeros at their ends, and the power of ten of the last one.
type decimal struct {
	negative bool
	digits   string
	power    string // a whole number as text: exponents have any length
}

// maxPower bounds the exponents that are counted with. Numbers beyond it are the same when they are written alike.
const maxPower = 1 << 40

func decimalOf(text string) decimal {
	var d decimal
	rest, negative := strings.CutPrefix(text, "-")
	power := 0
	if at := strings.IndexAny(rest, "eE"); at >= 0 {
		sign, digits := 1, rest[at+1:]
		if digits[0] == '-' {
			sign = -1
		}
		digits = strings.TrimLeft(strings.TrimLeft(digits, "+-"), "0")
		for _, c := range digits {
			if power = power*10 + int(c-'0'); power > maxPower {
				return decimal{digits: text, power: "beyond"}
			}
		}
		power, rest = sign*power, rest[:at]
	}
	whole, fraction, _ := strings.Cut(rest, ".")
	d.digits, d.negative = whole+fraction, negative
	power -= len(fraction)
	trimmed := strings.TrimRight(d.digits, "0")
	power += len(d.digits) - len(trimmed)
	if d.digits = strings.TrimLeft(trimmed, "0"); d.digits == "" {
		return decimal{} // zero
	}
	d.power = strconv.Itoa(power)
	return d
}
