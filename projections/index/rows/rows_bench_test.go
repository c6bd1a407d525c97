package rows

import (
	"fmt"
	"testing"

	"binnacle/projections"
)

// BenchmarkRows measures the rows of 1,000 versions like Synthea's observations.
func BenchmarkRows(b *testing.B) {
	versions := make([]projections.Row, 1_000)
	for i := range versions {
		token := func(param, code string) projections.Term {
			return projections.Term{Param: param, Kind: projections.Token, System: "http://loinc.org", Code: code}
		}
		reference := func(param, kind string, n int) projections.Term {
			return projections.Term{Param: param, Kind: projections.Reference, System: kind,
				Code: fmt.Sprintf("%08x-1111-4000-8000-000000000000", n*7919)}
		}
		quantity := projections.Term{Param: "value-quantity", Kind: projections.Quantity, Low: float64(i),
			High: float64(i), System: "http://unitsofmeasure.org", Code: "mg"}
		combo := quantity
		combo.Param = "combo-value-quantity"
		versions[i] = projections.Row{
			Version: projections.Version{Key: projections.Key{Tenant: "main", Type: "Observation",
				ID: fmt.Sprint(i)}, Sid: int64(i + 1), Number: 1},
			MainDate: int64(i*7919%1000) * 1_000_000,
			Terms: []projections.Term{
				token("_profile", "lab"), token("status", "final"), token("category", fmt.Sprint(i%3)),
				token("code", fmt.Sprint(i%97)), token("combo-code", fmt.Sprint(i%97)),
				reference("subject", "Patient", i/120), reference("patient", "Patient", i/120),
				reference("encounter", "Encounter", i/8),
				{Param: "date", Kind: projections.Date, Start: int64(i), End: int64(i) + 1_000}, quantity, combo,
				token("identifier", fmt.Sprint(i)),
				{Param: "name", Kind: projections.String, Text: fmt.Sprint("Name", i%50)},
			},
		}
	}
	m := NewMaker(allTerms{})
	b.ReportAllocs()
	for b.Loop() {
		m.Rows(versions)
		m.Committed()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(versions)), "ns/version")
}
