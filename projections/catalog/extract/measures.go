package extract

import (
	"math"
	"strconv"

	"binnacle/events/fhir"
	"binnacle/projections"
	"binnacle/projections/catalog/literal"
)

// date makes the term of a range and keeps the earliest start of the main date.
func (w *walk) date(o *output, start, end int64) {
	if o.main {
		w.main = min(w.main, start)
	}
	w.add(projections.Term{Param: o.param, Kind: projections.Date, Start: start, End: end})
}

// moment reads a string that must be a date of a primitive type.
func (w *walk) moment(v fhir.Node, datatype string) (literal.Moment, bool) {
	text := v.Text()
	m, err := literal.ParseMoment(text)
	if err == nil {
		err = m.CheckForm(text, datatype)
	}
	if err != nil {
		w.fail(v, "%s: %v", v.Path(), err)
	}
	return m, err == nil
}

// ends reads a Period. An end that is missing is open; found is false when both are missing. A period that is written
// backwards covers what lies between its ends.
func (w *walk) ends(v fhir.Node) (start, end int64, found bool) {
	start, end = projections.MinTime, projections.MaxTime
	if s := v.Get("start"); w.text(v, "start") != "" {
		if m, ok := w.moment(s, "dateTime"); ok {
			start, found = m.Start, true
		}
	}
	if e := v.Get("end"); w.text(v, "end") != "" {
		if m, ok := w.moment(e, "dateTime"); ok {
			if start >= m.End {
				start, m.End = m.Start, start+1
			}
			end, found = m.End, true
		}
	}
	return start, end, found
}

func readPeriod(w *walk, o *output, v fhir.Node) {
	if start, end, found := w.ends(v); found {
		w.date(o, start, end)
	}
}

// readTiming makes one term of the outer limits of a Timing: its events and the bounds of its repetition (FHIR R4,
// section 3.1.1.4.7).
func readTiming(w *walk, o *output, v fhir.Node) {
	start, end := projections.MaxTime, projections.MinTime
	w.items(v, "event", fhir.String, func(event fhir.Node) {
		if m, ok := w.moment(event, "dateTime"); ok {
			start, end = min(start, m.Start), max(end, m.End)
		}
	})
	if s, e, found := w.ends(w.object(w.object(v, "repeat"), "boundsPeriod")); found {
		start, end = min(start, s), max(end, e)
	}
	if start < end {
		w.date(o, start, end)
	}
}

// number reads a JSON number. One beyond what a float64 holds becomes the largest float64, because infinities stand
// for open ends.
func number(v fhir.Node) float64 {
	f, _ := strconv.ParseFloat(v.Text(), 64)
	return max(-math.MaxFloat64, min(f, math.MaxFloat64))
}

// value reads the member of an object that must be a number, if it is there.
func (w *walk) value(v fhir.Node, key string) (f float64, found bool) {
	m := v.Get(key)
	switch kind := m.Kind(); kind {
	case fhir.None:
		return 0, false
	case fhir.Number:
		return number(m), true
	default:
		w.fail(m, "%s is %s; FHIR R4 has a number there", m.Path(), kind)
		return 0, false
	}
}

func readNumber(w *walk, o *output, v fhir.Node) {
	f := number(v)
	w.add(projections.Term{Param: o.param, Kind: projections.Number, Low: f, High: f})
}

func readNumberRange(w *walk, o *output, v fhir.Node) {
	if t, found := w.rangeTerm(v); found {
		w.add(projections.Term{Param: o.param, Kind: projections.Number, Low: t.Low, High: t.High})
	}
}

// readQuantity makes the term of a Quantity or of one of its specialisations. A comparator opens one end: "<= 5" is
// anything up to 5, "< 5" anything up to the number before it.
func readQuantity(w *walk, o *output, v fhir.Node) {
	f, found := w.value(v, "value")
	if !found {
		return
	}
	t := w.unit(v)
	t.Param, t.Low, t.High = o.param, f, f
	switch w.text(v, "comparator") {
	case "<":
		t.Low, t.High = math.Inf(-1), math.Nextafter(f, math.Inf(-1))
	case "<=":
		t.Low = math.Inf(-1)
	case ">":
		t.Low, t.High = math.Nextafter(f, math.Inf(1)), math.Inf(1)
	case ">=":
		t.High = math.Inf(1)
	}
	w.add(t)
}

// unit makes a quantity's term with its unit alone.
func (w *walk) unit(v fhir.Node) projections.Term {
	return projections.Term{Kind: projections.Quantity, System: w.text(v, "system"), Code: w.text(v, "code"),
		Text: w.text(v, "unit")}
}

// readMoney makes the term of an amount, with its currency as the code of the unit.
func readMoney(w *walk, o *output, v fhir.Node) {
	f, found := w.value(v, "value")
	if !found {
		return
	}
	t := projections.Term{Param: o.param, Kind: projections.Quantity, Low: f, High: f}
	if currency := w.text(v, "currency"); currency != "" {
		t.System, t.Code, t.Text = "urn:iso:std:iso:4217", currency, currency
	}
	w.add(t)
}

func readRange(w *walk, o *output, v fhir.Node) {
	if t, found := w.rangeTerm(v); found {
		t.Param = o.param
		w.add(t)
	}
}

// rangeTerm reads a Range. An end that is missing is open; the unit is that of an end that has one.
func (w *walk) rangeTerm(v fhir.Node) (t projections.Term, found bool) {
	low, high := w.object(v, "low"), w.object(v, "high")
	t = w.unit(low)
	if t.Code == "" && t.Text == "" {
		t = w.unit(high)
	}
	var hasLow, hasHigh bool
	if t.Low, hasLow = w.value(low, "value"); !hasLow {
		t.Low = math.Inf(-1)
	}
	if t.High, hasHigh = w.value(high, "value"); !hasHigh {
		t.High = math.Inf(1)
	}
	if t.Low > t.High {
		t.Low, t.High = t.High, t.Low
	}
	return t, hasLow || hasHigh
}
