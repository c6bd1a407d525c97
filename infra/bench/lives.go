package bench

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
)

// lived are the types of one life, each with what it says; the first argument is the id of the life, the second a day
// of birth. Each refers to some that come before it.
var lived = [...]struct{ name, body string }{ //nolint:gochecknoglobals // a constant that Go can't write as one
	{"Organization", `"name":"Ward %[1]s"`},
	{"Practitioner", `"name":[{"family":"Bench%[1]s","given":["Ada"]}]`},
	{"Patient", `"name":[{"family":"Life%[1]s","given":["Grace","M%[1]s"]}],"gender":"female","birthDate":"%[2]s","managingOrganization":{"reference":"Organization/%[1]s"},"generalPractitioner":[{"reference":"Practitioner/%[1]s"}]`},
	{"Encounter", `"status":"finished","class":{"system":"http://terminology.hl7.org/CodeSystem/v3-ActCode","code":"AMB"},"subject":{"reference":"Patient/%[1]s"},"serviceProvider":{"reference":"Organization/%[1]s"},"period":{"start":"2024-05-01T09:00:00Z","end":"2024-05-01T09:30:00Z"}`},
	{"Condition", `"code":{"coding":[{"system":"http://snomed.info/sct","code":"38341003"}]},"subject":{"reference":"Patient/%[1]s"},"encounter":{"reference":"Encounter/%[1]s"},"onsetDateTime":"2024-05-01"`},
	{"Observation", `"status":"final","code":{"coding":[{"system":"http://loinc.org","code":"29463-7"}]},"subject":{"reference":"Patient/%[1]s"},"encounter":{"reference":"Encounter/%[1]s"},"performer":[{"reference":"Practitioner/%[1]s"}],"effectiveDateTime":"2024-05-01T09:10:00Z","valueQuantity":{"value":71.5,"unit":"kg","system":"http://unitsofmeasure.org","code":"kg"}`},
	{"Procedure", `"status":"completed","code":{"coding":[{"system":"http://snomed.info/sct","code":"430193006"}]},"subject":{"reference":"Patient/%[1]s"},"encounter":{"reference":"Encounter/%[1]s"},"performedDateTime":"2024-05-01T09:20:00Z"`},
	{"MedicationRequest", `"status":"active","intent":"order","medicationCodeableConcept":{"coding":[{"system":"http://www.nlm.nih.gov/research/umls/rxnorm","code":"314076"}]},"subject":{"reference":"Patient/%[1]s"},"encounter":{"reference":"Encounter/%[1]s"},"requester":{"reference":"Practitioner/%[1]s"},"authoredOn":"2024-05-01"`},
	{"DiagnosticReport", `"status":"final","code":{"coding":[{"system":"http://loinc.org","code":"51990-0"}]},"subject":{"reference":"Patient/%[1]s"},"encounter":{"reference":"Encounter/%[1]s"},"result":[{"reference":"Observation/%[1]s"}],"effectiveDateTime":"2024-05-01T09:25:00Z"`},
}

// living makes the requests of one client: resources of nine types that refer to each other are created, read, updated
// and, the last first, deleted, and then the next nine.
func living(r *rand.Rand) func() benchRequest {
	step, id, born := 0, "", ""
	return func() benchRequest {
		const types = len(lived)
		if step == 4*types {
			step = 0
		}
		if step == 0 {
			id, born = fmt.Sprintf("life-%016x", r.Uint64()), dayOfBirth(r)
		}
		at, phase := step%types, step/types
		if phase == 3 {
			at = types - 1 - at
		}
		step++
		l := lived[at]
		path := "/" + l.name + "/" + id
		switch phase {
		case 0:
			return benchRequest{Method: http.MethodPut, Path: path, Body: lifeOf(l.name, id, l.body, born, "en")}
		case 1:
			return benchRequest{Method: http.MethodGet, Path: path}
		case 2:
			return benchRequest{Method: http.MethodPut, Path: path, Body: lifeOf(l.name, id, l.body, born, "de")}
		}
		return benchRequest{Method: http.MethodDelete, Path: path}
	}
}

func lifeOf(name, id, body, born, language string) []byte {
	body = strings.NewReplacer("%[1]s", id, "%[2]s", born).Replace(body)
	return fmt.Appendf(nil, `{"resourceType":%q,"id":%q,"language":%q,%s}`, name, id, language, body)
}

func dayOfBirth(r *rand.Rand) string {
	return fmt.Sprintf("%d-%02d-%02d", 1930+r.IntN(90), 1+r.IntN(12), 1+r.IntN(28))
}

// deletion deletes a patient that was created just before, which is not timed.
func deletion(r *rand.Rand) benchRequest {
	id := fmt.Sprintf("gone-%016x", r.Uint64())
	body := `"name":[{"family":"Gone%[1]s","given":["Ada"]}],"gender":"female","birthDate":"%[2]s"`
	return benchRequest{Method: http.MethodDelete, Path: "/Patient/" + id, First: &benchRequest{Method: http.MethodPut, Path: "/Patient/" + id, Body: lifeOf("Patient", id, body, dayOfBirth(r), "en")}}
}

// findPatient is one of nine searches for patients.
func (s *sample) findPatient(r *rand.Rand) benchRequest {
	name := pick(r, s.families)
	year, day := 1930+r.IntN(90), 1+r.IntN(28)
	query := ""
	switch r.IntN(9) {
	case 0:
		query = "family:exact=" + url.QueryEscape(name)
	case 1:
		query = "family=" + url.QueryEscape(firstLetters(name, 3))
	case 2:
		query = "name=" + url.QueryEscape(firstLetters(name, 4))
	case 3:
		query = "name:contains=" + url.QueryEscape(lastLetters(name, 3))
	case 4:
		query = "name:contains=" + url.QueryEscape(lastLetters(name, 5))
	case 5:
		query = fmt.Sprintf("birthdate=%d-05-%02d", year, day)
	case 6:
		query = fmt.Sprintf("birthdate=ne%d-05-%02d", year, day)
	case 7:
		query = fmt.Sprintf("birthdate=lt%d-05-%02d", year, day)
	case 8:
		query = fmt.Sprintf("birthdate=gt%d-05-%02d", year, day)
	}
	return benchRequest{Method: http.MethodGet, Path: "/Patient?" + query}
}

func firstLetters(text string, letters int) string {
	runes := []rune(text)
	return string(runes[:min(letters, len(runes))])
}

func lastLetters(text string, letters int) string {
	runes := []rune(text)
	return string(runes[max(0, len(runes)-letters):])
}

// alternatives is how many encounters one search names.
const alternatives = 1_000

// findAmong asks for the observations of many encounters.
func (s *sample) findAmong(r *rand.Rand) benchRequest {
	first := r.IntN(max(1, len(s.encounters)-alternatives+1))
	ids := s.encounters[first:min(len(s.encounters), first+alternatives)]
	return benchRequest{Method: http.MethodGet, Path: "/Observation?_count=50&encounter=" + strings.Join(ids, ",")}
}
