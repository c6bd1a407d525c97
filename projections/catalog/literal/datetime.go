package literal

import (
	"fmt"
	"strings"
	"time"
)

// precision is how exactly a date is written.
type precision uint8

const (
	toYear precision = 1 + iota
	toMonth
	toDay
	toMinute
	toSecond
	toFraction
)

// Moment is a date as written: the range [start, end) in microseconds since 1970-01-01T00:00:00Z that it covers.
type Moment struct {
	Start, End int64
	precision  precision
	zoned      bool // it names its offset from UTC
}

const (
	minute = int64(time.Minute / time.Microsecond)
	second = int64(time.Second / time.Microsecond)
)

// ParseMoment reads YYYY, YYYY-MM, YYYY-MM-DD, and the last with Thh:mm, Thh:mm:ss or Thh:mm:ss.f…, each with or
// without Z or ±hh:mm (FHIR R4, section 2.24.0.1: date, dateTime, instant; minutes without seconds are for searches,
// section 3.1.1.4.7). Without a zone it is UTC. The 60th second, a leap second, counts as the 59th. A fraction finer
// than microseconds is cut to them.
func ParseMoment(s string) (Moment, error) {
	p := digitReader{s: s}
	year := p.number(4)
	if !p.bad && year == 0 {
		return Moment{}, fmt.Errorf("%.40q: there is no year 0000", s)
	}
	if p.done() {
		return span(year, time.January, 1, 1, 0, 0, toYear), nil
	}
	p.literal('-')
	month := p.number(2)
	if !p.bad && (month < 1 || month > 12) {
		return Moment{}, fmt.Errorf("%.40q: the month must be 01 to 12", s)
	}
	if p.done() {
		return span(year, time.Month(month), 1, 0, 1, 0, toMonth), nil
	}
	p.literal('-')
	day := p.number(2)
	if !p.bad && (day < 1 || day > daysIn(year, time.Month(month))) {
		return Moment{}, fmt.Errorf("%.40q: the month has no such day", s)
	}
	if p.done() {
		return span(year, time.Month(month), day, 0, 0, 1, toDay), nil
	}
	p.literal('T')
	hours := p.number(2)
	p.literal(':')
	minutes := p.number(2)
	if !p.bad && (hours > 23 || minutes > 59) {
		return Moment{}, fmt.Errorf("%.40q: the time must be 00:00 to 23:59", s)
	}
	m := Moment{precision: toMinute}
	var seconds, micros int
	width := minute
	if p.take(':') {
		seconds = p.number(2)
		if !p.bad && seconds > 60 {
			return Moment{}, fmt.Errorf("%.40q: the seconds must be 00 to 60", s)
		}
		seconds = min(seconds, 59)
		m.precision, width = toSecond, second
		if p.take('.') {
			micros, width = p.fraction()
			m.precision = toFraction
		}
	}
	offset := p.zone(&m.zoned)
	if !p.done() || p.bad {
		return Moment{}, fmt.Errorf("%.40q is no date; write YYYY, YYYY-MM, YYYY-MM-DD or YYYY-MM-DDThh:mm:ss with Z "+
			"or ±hh:mm", s)
	}
	m.Start = time.Date(year, time.Month(month), day, hours, minutes, seconds, 0, time.UTC).UnixMicro() +
		int64(micros) - int64(offset)*minute
	m.End = m.Start + width
	return m, nil
}

func span(year int, month time.Month, day, years, months, days int, p precision) Moment {
	start := time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
	return Moment{Start: start.UnixMicro(), End: start.AddDate(years, months, days).UnixMicro(), precision: p}
}

func daysIn(year int, month time.Month) int {
	return time.Date(year, month+1, 0, 0, 0, 0, 0, time.UTC).Day()
}

// digitReader reads fixed forms. After a mismatch bad is set and the rest gives zeros.
type digitReader struct {
	s   string
	i   int
	bad bool
}

func (p *digitReader) done() bool { return !p.bad && p.i == len(p.s) }

func (p *digitReader) take(c byte) bool {
	if p.bad || p.i == len(p.s) || p.s[p.i] != c {
		return false
	}
	p.i++
	return true
}

func (p *digitReader) literal(c byte) {
	if !p.take(c) {
		p.bad = true
	}
}

func (p *digitReader) number(width int) int {
	if p.bad || len(p.s) < p.i+width {
		p.bad = true
		return 0
	}
	n := 0
	for _, c := range []byte(p.s[p.i : p.i+width]) {
		if c < '0' || c > '9' {
			p.bad = true
			return 0
		}
		n = 10*n + int(c-'0')
	}
	p.i += width
	return n
}

// fraction reads the digits of a fraction of a second: its microseconds, and the width of what it covers.
func (p *digitReader) fraction() (micros int, width int64) {
	width = second
	start := p.i
	for p.i < len(p.s) && p.s[p.i] >= '0' && p.s[p.i] <= '9' {
		if width > 1 {
			width /= 10
			micros += int(p.s[p.i]-'0') * int(width)
		}
		p.i++
	}
	p.bad = p.bad || p.i == start
	return micros, width
}

// zone reads Z, ±hh:mm or nothing, as minutes east of UTC.
func (p *digitReader) zone(zoned *bool) int {
	if p.i == len(p.s) {
		return 0
	}
	*zoned = true
	sign := 1
	switch {
	case p.take('Z'):
		return 0
	case p.take('+'):
	case p.take('-'):
		sign = -1
	default:
		p.bad = true
	}
	hours := p.number(2)
	p.literal(':')
	minutes := p.number(2)
	p.bad = p.bad || hours > 14 || minutes > 59 || hours == 14 && minutes > 0
	return sign * (60*hours + minutes)
}

// CheckForm tells what is wrong with a moment as a value of one of FHIR's primitive types.
func (m Moment) CheckForm(s, datatype string) error {
	switch {
	case datatype == "date" && m.precision > toDay:
		return fmt.Errorf("%.40q has a time, and a date has none", s)
	case m.precision == toMinute:
		return fmt.Errorf("%.40q lacks its seconds", s)
	case datatype == "instant" && (m.precision < toSecond || !m.zoned):
		return fmt.Errorf("%.40q is not to the second, with Z or ±hh:mm, as an instant must be", s)
	}
	return nil
}

// RestorePlus puts back the + of a zone that a query's decoding has made a space.
func RestorePlus(s string) string {
	if i := strings.LastIndexByte(s, ' '); i > len("YYYY-MM-DDT") {
		return s[:i] + "+" + s[i+1:]
	}
	return s
}
