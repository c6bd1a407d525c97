package literal

import (
	"testing"
	"time"
)

func timeOf(micros int64) time.Time { return time.UnixMicro(micros).UTC() }

func TestDatesCoverWhatTheirPrecisionSays(t *testing.T) {
	for _, test := range []struct{ text, start, end string }{
		{"2024", "2024-01-01T00:00:00Z", "2025-01-01T00:00:00Z"},
		{"2024-02", "2024-02-01T00:00:00Z", "2024-03-01T00:00:00Z"},
		{"2024-12", "2024-12-01T00:00:00Z", "2025-01-01T00:00:00Z"},
		{"2024-02-29", "2024-02-29T00:00:00Z", "2024-03-01T00:00:00Z"},
		{"0001-01-01", "0001-01-01T00:00:00Z", "0001-01-02T00:00:00Z"},
		{"0999", "0999-01-01T00:00:00Z", "1000-01-01T00:00:00Z"},
		{"9999-12-31T23:59:59Z", "9999-12-31T23:59:59Z", "+10000"},
		{"2024-01-01T10:20", "2024-01-01T10:20:00Z", "2024-01-01T10:21:00Z"},
		{"2024-01-01T10:20Z", "2024-01-01T10:20:00Z", "2024-01-01T10:21:00Z"},
		{"2024-01-01T10:20:30", "2024-01-01T10:20:30Z", "2024-01-01T10:20:31Z"},
		{"2024-01-01T10:20:30+14:00", "2023-12-31T20:20:30Z", "2023-12-31T20:20:31Z"},
		{"2024-01-01T10:20:30-12:30", "2024-01-01T22:50:30Z", "2024-01-01T22:50:31Z"},
		{"2024-01-01T10:20:30.5Z", "2024-01-01T10:20:30.5Z", "2024-01-01T10:20:30.6Z"},
		{"2024-01-01T10:20:30.123Z", "2024-01-01T10:20:30.123Z", "2024-01-01T10:20:30.124Z"},
		{"2024-01-01T10:20:30.123456Z", "2024-01-01T10:20:30.123456Z", "2024-01-01T10:20:30.123457Z"},
		{"2024-01-01T10:20:30.123456789Z", "2024-01-01T10:20:30.123456Z", "2024-01-01T10:20:30.123457Z"},
		{"2016-12-31T23:59:60Z", "2016-12-31T23:59:59Z", "2017-01-01T00:00:00Z"},
	} {
		m, err := ParseMoment(test.text)
		if err != nil {
			t.Error(err)
			continue
		}
		end := timeOf(m.End).Format(time.RFC3339Nano)
		if test.end == "+10000" {
			test.end = "10000-01-01T00:00:00Z"
		}
		if start := timeOf(m.Start).Format(time.RFC3339Nano); start != test.start || end != test.end {
			t.Errorf("%s is [%s, %s); want [%s, %s)", test.text, start, end, test.start, test.end)
		}
	}
}

func TestWhatIsNoDateIsRefused(t *testing.T) {
	for _, text := range []string{"", "2", "202", "20244", "0000", "2024-", "2024-00", "2024-13", "2024-1",
		"2024-01-00", "2024-02-30", "2023-02-29", "2024-01-01T",
		"2024-01-01T10", "2024-01-01T24:00", "2024-01-01T10:60", "2024-01-01T10:20:61Z", "2024-01-01T10:20:30.Z",
		"2024-01-01T10:20:30.Z", "2024-01-01T10:20:30+15:00",
		"2024-01-01T10:20:30+14:01", "2024-01-01T10:20:30+1400", "2024-01-01T10:20:30z", "2024-01-01 10:20:30",
		"2024-01-01T10:20:30Zx", "2024/01/01", "-024", "+2024", "２０２４"} {
		if m, err := ParseMoment(text); err == nil {
			t.Errorf("%q is read as %+v", text, m)
		}
	}
}

func FuzzParseMoment(f *testing.F) {
	for _, seed := range []string{"2024", "2024-02-29T10:20:30.123+14:00", "0000", "2024-01-01T24:00Z",
		"9999-12-31T23:59:60-14:00"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		m, err := ParseMoment(text)
		if err != nil {
			return
		}
		if m.Start >= m.End || m.precision == 0 || m.End-m.Start > 366*24*60*minute {
			t.Errorf("%q is %+v", text, m)
		}
		if again, err := ParseMoment(RestorePlus(text)); err != nil || again != m {
			t.Errorf("%q is %+v, and with its plus restored %+v, %v", text, m, again, err)
		}
	})
}
