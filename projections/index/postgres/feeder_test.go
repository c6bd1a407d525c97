package postgres

import (
	"fmt"
	"time"

	"binnacle/events"
	"binnacle/projections"
)

// feeder makes commits of resources like a hospital's: eleven tokens and references, a date and a string each, of which
// an identifier, a subject in fifty and a code in forty tell one from the other.
type feeder struct {
	partition int32
	offset    int64
	sid       int64
	now       time.Time
}

func newFeeder(partition int32) *feeder {
	return &feeder{partition: partition, sid: int64(partition) << projections.SidBits,
		now: time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)}
}

func (f *feeder) commit(resources int) projections.Commit {
	f.now = f.now.Add(time.Millisecond)
	c := projections.Commit{Partition: f.partition, Expect: f.offset, Next: f.offset + int64(resources), Time: f.now}
	for range resources {
		f.sid++
		n := f.sid & (1<<projections.SidBits - 1)
		main := f.now.Add(-time.Duration(n%100_000) * time.Hour).UnixMicro()
		token := func(param, system string, code any) projections.Term {
			return projections.Term{Param: param, Kind: projections.Token, System: system, Code: fmt.Sprint(code)}
		}
		row := projections.Row{
			Version: projections.Version{
				Key: projections.Key{Tenant: "main", Type: "Observation",
					ID: fmt.Sprintf("0190a5d4-7b6a-7c3e-9f00-%012x", n)}, Sid: f.sid, Number: 1,
				Position: events.Position{Partition: f.partition, Offset: f.offset}, Time: f.now,
				Hash: events.Hash{byte(n), byte(n >> 8), byte(n >> 16), 1},
			},
			MainDate: main,
			Terms: []projections.Term{
				token("identifier", "urn:mrn", n), token("status", "http://hl7.org/fhir/observation-status", "final"),
				token("category", "http://terminology.hl7.org/CodeSystem/observation-category",
					[]string{"vital-signs", "laboratory", "survey"}[n%3]),
				token("code", "http://loinc.org", 8000+n*7919%40), token("combo-code", "http://loinc.org",
					8000+n*7919%40), token("code-value", "http://loinc.org", n%7),
				{Param: "subject", Kind: projections.Reference, System: "Patient", Code: fmt.Sprint(n / 50)},
				{Param: "patient", Kind: projections.Reference, System: "Patient", Code: fmt.Sprint(n / 50)},
				{Param: "encounter", Kind: projections.Reference, System: "Encounter", Code: fmt.Sprint(n / 8)},
				{Param: "performer", Kind: projections.Reference, System: "Practitioner", Code: fmt.Sprint(n % 97)},
				{Param: "device", Kind: projections.Reference, System: "Device", Code: fmt.Sprint(n % 13)},
				{Param: "date", Kind: projections.Date, Start: main, End: main + 1_000_000},
				{Param: "note", Kind: projections.String, Text: fmt.Sprint("Remark number ", n%1000)},
			},
		}
		c.Rows = append(c.Rows, row)
		c.Outcomes = append(c.Outcomes, events.Outcome{EventID: fmt.Sprintf("0190a5d4-7b6a-7c3e-9f01-%012x", f.sid),
			Tenant: "main", Position: row.Position, Time: f.now,
			Results: []events.Result{{Disposition: events.Created, Type: "Observation", ID: row.ID, Version: 1,
				Hash: row.Hash, Time: f.now}}})
		f.offset++
	}
	return c
}
