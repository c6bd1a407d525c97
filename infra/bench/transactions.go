package bench

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
)

// smallTransaction makes a transaction as a clinic's program sends it: a patient, and an observation of this patient
// (1.1 kB).
func smallTransaction(r *rand.Rand) benchRequest {
	name := r.Uint64()
	id := fmt.Sprintf("urn:uuid:%08x-%04x-4%03x-a%03x-%012x", uint32(r.Uint64()), uint16(r.Uint64()), r.Uint64()&0xfff, r.Uint64()&0xfff, r.Uint64()>>16)
	return benchRequest{Method: http.MethodPost, Body: fmt.Appendf(nil, `{"resourceType":"Bundle","type":"transaction","entry":[{"fullUrl":"%[1]s","resource":{"resourceType":"Patient",`+
		`"identifier":[{"system":"urn:oid:2.16.840.1.113883.19.5","value":"B-%016[2]x"}],"active":true,"name":[{"use":"official","family":"Bench%[3]d","given":["Ada","M%[4]d"]}],`+
		`"gender":"female","birthDate":"19%02[5]d-0%[6]d-1%[6]d","address":[{"line":["%[4]d Main Street"],"city":"Springfield","state":"MA","postalCode":"0%04[4]d","country":"US"}]},`+
		`"request":{"method":"POST","url":"Patient"}},{"resource":{"resourceType":"Observation","status":"final","category":[{"coding":[{"system":`+
		`"http://terminology.hl7.org/CodeSystem/observation-category","code":"vital-signs","display":"vital-signs"}]}],"code":{"coding":[{"system":"http://loinc.org","code":"29463-7",`+
		`"display":"Body Weight"}],"text":"Body Weight"},"subject":{"reference":"%[1]s"},"effectiveDateTime":"20%02[7]d-0%[6]d-1%[6]dT0%[6]d:15:00Z","issued":"20%02[7]d-0%[6]d-1%[6]dT0%[6]d:15:00Z",`+
		`"valueQuantity":{"value":%[5]d.%[6]d,"unit":"kg","system":"http://unitsofmeasure.org","code":"kg"}},"request":{"method":"POST","url":"Observation"}}]}`,
		id, name, name%5_000, r.IntN(10_000), 20+r.IntN(80), 1+r.IntN(9), 10+r.IntN(16))}
}

// scatteredUpdates is the number of resources that one request of that workload updates.
const scatteredUpdates = 50

// scatter makes a transaction that changes observations which were written far from each other: a shuffled list of the
// sample is gone through, so none comes twice before all have come.
func (s *sample) scatter(r *rand.Rand) benchRequest {
	s.mu.Lock()
	if s.shuffled == nil {
		s.shuffled = r.Perm(len(s.observations))
	}
	first := s.scattered
	s.scattered += scatteredUpdates
	s.mu.Unlock()
	body := bytes.NewBufferString(`{"resourceType":"Bundle","type":"transaction","entry":[`)
	for i := range min(scatteredUpdates, len(s.observations)) {
		o := s.observations[s.shuffled[(first+i)%len(s.shuffled)]]
		if i > 0 {
			body.WriteByte(',')
		}
		body.WriteString(`{"resource":`)
		body.Write(s.altered(r, o.body))
		body.WriteString(`,"request":{"method":"PUT","url":` + strconv.Quote("Observation/"+o.id) + `}}`)
	}
	body.WriteString(`]}`)
	return benchRequest{Method: http.MethodPost, Body: body.Bytes()}
}
