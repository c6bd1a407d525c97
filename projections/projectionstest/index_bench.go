package projectionstest

import (
	"crypto/sha256"
	"fmt"
	"testing"
	"time"

	"binnacle/events"
	"binnacle/projections"
)

// observations makes n versions like Synthea's observations: 13 terms each, a subject has 120 of them.
func observations(first, n int) []projections.Row {
	rows := make([]projections.Row, n)
	began := time.Date(2024, 5, 1, 10, 0, 0, 0, time.UTC)
	for i := range rows {
		at := first + i
		main := day(2000, 1, 1) + int64(at*7919%8_000_000)*1_000_000*60
		id := fmt.Sprintf("%08x-0000-4000-8000-%012x", at*40503, at)
		subject := fmt.Sprintf("%08x-1111-4000-8000-%012x", at/120*7, at/120)
		encounter := fmt.Sprintf("%08x-2222-4000-8000-%012x", at/8*7, at/8)
		code := fmt.Sprint(8000+at*at%97, "-", at%9)
		token := func(param, system, code string) projections.Term {
			return projections.Term{Param: param, Kind: projections.Token, System: system, Code: code}
		}
		reference := func(param, target, id string) projections.Term {
			return projections.Term{Param: param, Kind: projections.Reference, System: target, Code: id}
		}
		rows[i] = projections.Row{
			MainDate: main,
			Version: projections.Version{
				Key: projections.Key{Tenant: "main", Type: "Observation", ID: id}, Sid: int64(at + 1), Number: 1,
				Position: events.Position{Offset: int64(at)},
				Time:     began.Add(time.Duration(at/100) * time.Millisecond), Hash: sha256.Sum256([]byte(id)),
			},
			Terms: []projections.Term{
				token("status", "http://hl7.org/fhir/observation-status", "final"),
				token("category", "http://terminology.hl7.org/CodeSystem/observation-category",
					[]string{"vital-signs", "laboratory", "survey"}[at%3]),
				token("code", "http://loinc.org", code), token("combo-code", "http://loinc.org", code),
				token("_profile", "", "http://hl7.org/fhir/us/core/StructureDefinition/us-core-observation-lab"),
				reference("subject", "Patient", subject), reference("patient", "Patient", subject),
				reference("encounter", "Encounter", encounter),
				{Param: "date", Kind: projections.Date, Start: main, End: main + 1_000},
				{Param: "value-quantity", Kind: projections.Quantity, Low: float64(at % 200), High: float64(at % 200),
					System: "http://unitsofmeasure.org", Code: "mg/dL", Text: "mg/dL"},
				{Param: "combo-value-quantity", Kind: projections.Quantity, Low: float64(at % 200),
					High: float64(at % 200), System: "http://unitsofmeasure.org", Code: "mg/dL", Text: "mg/dL"},
				token("identifier", "urn:x", id),
				{Param: "name", Kind: projections.String, Text: fmt.Sprint("Name", at%5000)},
			},
		}
	}
	return rows
}

// BenchmarkCommit measures commits of 1,000 new resources with 13 terms and an outcome each.
func BenchmarkCommit(b *testing.B, open func(t testing.TB) projections.Generations) {
	for _, size := range []int{1, 100, 1_000} {
		b.Run(fmt.Sprintf("%d resources", size), func(b *testing.B) {
			index := open(b).Live()
			offset := int64(0)
			resources := 0
			for b.Loop() {
				b.StopTimer()
				c := projections.Commit{Expect: offset, Next: offset + int64(size), Time: time.UnixMilli(1e12),
					Rows: observations(int(offset), size)}
				for i := range c.Rows {
					v := &c.Rows[i].Version
					c.Outcomes = append(c.Outcomes, events.Outcome{EventID: "e-" + v.ID, Tenant: "main",
						Position: v.Position, Time: v.Time, Results: []events.Result{{Disposition: events.Created,
							Type: v.Type, ID: v.ID, Version: 1, Hash: v.Hash, Time: v.Time}}})
				}
				b.StartTimer()
				if err := index.Commit(b.Context(), c); err != nil {
					b.Fatal(err)
				}
				offset += int64(size)
				resources += size
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(resources), "µs/resource")
		})
	}
}

// BenchmarkCurrent measures the look-up of one resource, and of a batch of 1,000 of which half are there.
func BenchmarkCurrent(b *testing.B, open func(t testing.TB) projections.Generations) {
	index := open(b).Live()
	c := projections.Commit{Next: 1_000, Rows: observations(0, 10_000)}
	if err := index.Commit(b.Context(), c); err != nil {
		b.Fatal(err)
	}
	keys := make([]projections.Key, 1_000)
	for i := range keys {
		keys[i] = c.Rows[i*7].Key
		if i%2 == 1 {
			keys[i].ID += "x"
		}
	}
	for _, n := range []int{1, len(keys)} {
		b.Run(fmt.Sprintf("%d keys", n), func(b *testing.B) {
			for b.Loop() {
				if _, err := index.Current(b.Context(), keys[:n]); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
