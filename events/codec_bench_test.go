package events

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

func benchmarkEvent() Event {
	event := smallEvent()
	var text strings.Builder
	random := rand.New(rand.NewPCG(1, 2))
	for text.Len() < 1_400 {
		fmt.Fprintf(&text, `{"system":"http://loinc.org","code":"%d-%d","display":"word %d"},`, random.IntN(99999),
			random.IntN(9), random.IntN(1000))
	}
	event.Changes[0].Content = []byte(`{"resourceType":"Observation","coding":[` + text.String() + `]}`)
	return event
}

// transactionEvent is an event of a thousand resources, 1.4 MB.
func transactionEvent() Event {
	event := benchmarkEvent()
	for i := range 999 {
		event.Changes = append(event.Changes, event.Changes[0])
		event.Changes[i+1].ID = fmt.Sprint(i)
	}
	return event
}

func BenchmarkEncode(b *testing.B) {
	for name, event := range map[string]Event{"1.5kB": benchmarkEvent(), "small": smallEvent(),
		"transaction": transactionEvent()} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			var bytes int
			for b.Loop() {
				_, value, err := Encode(event)
				if err != nil {
					b.Fatal(err)
				}
				bytes = len(value)
			}
			b.ReportMetric(float64(bytes), "bytes")
		})
	}
}

func BenchmarkDecode(b *testing.B) {
	for name, event := range map[string]Event{"1.5kB": benchmarkEvent(), "small": smallEvent(),
		"transaction": transactionEvent()} {
		raw := asRaw(b, event)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Decode(raw); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
