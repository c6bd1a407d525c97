package node

import "strings"

const (
	patchRow            = "PATCH /:type/:id"
	patchConditionalRow = "PATCH /:type"
)

// Patches, and what they are sent as.
const (
	jsonPatch  = "Content-Type: application/json-patch+json"
	inactive   = `[{"op":"test","path":"/active","value":true},{"op":"replace","path":"/active","value":false}]`
	gendered   = `[{"op":"add","path":"/gender","value":"other"}]`
	parameters = `{"resourceType":"Parameters","parameter":[{"name":"operation","part":[` +
		`{"name":"type","valueCode":"replace"},{"name":"path","valueString":"Patient.active"},` +
		`{"name":"value","valueBoolean":false}]}]}`
	referring = `[{"op":"add","path":"/managingOrganization","value":{"reference":"Organization/{id}-none"}}]`
)

var patchOffers = []offer{
	{name: "a resource is patched", row: patchRow, given: []string{person}, ask: "PATCH Patient/{id}", body: inactive,
		headers: []string{jsonPatch}, status: 200, then: []string{`GET Patient/{id} 200 "active":false`}},
	{name: "a resource is patched by FHIRPath", row: patchRow, given: []string{person}, ask: "PATCH Patient/{id}",
		body: parameters, headers: []string{"Content-Type: application/fhir+json"}, status: 200,
		then: []string{`GET Patient/{id} 200 "active":false`}},
	{name: "what a patch makes is told", row: patchRow, given: []string{person}, ask: "PATCH Patient/{id}",
		body: inactive, headers: []string{jsonPatch, "Prefer: return=representation"}, status: 200,
		holds: []string{`"active":false`, `"versionId":"2"`}},
	{name: "a patch that changes nothing", row: patchRow, given: []string{person}, ask: "PATCH Patient/{id}", body: `[]`,
		headers: []string{jsonPatch}, status: 200, then: []string{`GET Patient/{id} 200 "versionId":"1"`}},
	{name: "the version that was read is patched", row: patchRow, given: []string{person}, ask: "PATCH Patient/{id}",
		body: inactive, headers: []string{jsonPatch, `If-Match: W/"1"`}, status: 200},
	{name: "another version is not patched", row: patchRow, given: []string{person}, ask: "PATCH Patient/{id}",
		body: inactive, headers: []string{jsonPatch, `If-Match: W/"7"`}, status: 412, code: "conflict",
		at: "request.ifMatch", then: []string{`GET Patient/{id} 200 "active":true`}},
	{name: "what is not there is patched", row: patchRow, ask: "PATCH Patient/{id}", body: inactive,
		headers: []string{jsonPatch}, status: 404, code: "not-found", at: "request.url"},
	{name: "what was deleted is patched", row: patchRow, given: []string{person, gone}, ask: "PATCH Patient/{id}",
		body: inactive, headers: []string{jsonPatch}, status: 410, code: "deleted", at: "request.url"},
	{name: "a test that fails", row: patchRow, given: []string{person}, ask: "PATCH Patient/{id}",
		body:    `[{"op":"add","path":"/gender","value":"other"},{"op":"test","path":"/active","value":false}]`,
		headers: []string{jsonPatch}, status: 422, code: "processing", at: "resource",
		then: []string{`GET Patient/{id} 200 "versionId":"1"`}},
	{name: "a path that leads to nothing", row: patchRow, given: []string{person}, ask: "PATCH Patient/{id}",
		body:    strings.ReplaceAll(parameters, "Patient.active", "Patient.birthDate"),
		headers: []string{"Content-Type: application/fhir+json"}, status: 422, code: "processing",
		at: "resource.parameter[0]"},
	{name: "a patch of the id", row: patchRow, given: []string{person}, ask: "PATCH Patient/{id}",
		body:    `[{"op":"replace","path":"/id","value":"x"}]`,
		headers: []string{jsonPatch}, status: 422, code: "processing", at: "resource"},
	{name: "a patch to what is not there", row: patchRow, given: []string{person}, ask: "PATCH Patient/{id}",
		body: referring, headers: []string{jsonPatch}, status: 409, code: "conflict",
		at: "resource", then: []string{`GET Patient/{id} 200 "versionId":"1"`}},
	{name: "a patch that is none", row: patchRow, given: []string{person}, ask: "PATCH Patient/{id}",
		body:    `[{"op":"merge","path":"/active"}]`,
		headers: []string{jsonPatch}, status: 400, code: "invalid", onlyAlone: "in an entry, its place is in the Binary"},
	{name: "a patch by FHIRPath that is none", row: patchRow, given: []string{person}, ask: "PATCH Patient/{id}",
		body:    `{"resourceType":"Parameters","parameter":[{"name":"operation"}]}`,
		headers: []string{"Content-Type: application/fhir+json"}, status: 400, code: "invalid",
		at: "resource.parameter[0]"},
	{name: "a merge patch", row: patchRow, given: []string{person}, ask: "PATCH Patient/{id}", body: `{"active":null}`,
		headers: []string{"Content-Type: application/merge-patch+json"}, status: 415, code: "not-supported",
		onlyAlone: "in an entry, its place is in the Binary"},

	{name: "the one that fits is patched", row: patchConditionalRow, given: []string{person}, ask: "PATCH " + byUs,
		body: gendered, headers: []string{jsonPatch}, status: 200,
		then: []string{`GET Patient/{id} 200 "gender":"other"`}},
	{name: "the one that fits is patched by FHIRPath", row: patchConditionalRow, given: []string{person},
		ask: "PATCH " + byUs, body: parameters, headers: []string{"Content-Type: application/fhir+json"}, status: 200,
		then: []string{`GET Patient/{id} 200 "active":false`}},
	{name: "nothing fits, and nothing is patched", row: patchConditionalRow, ask: "PATCH " + byUs, body: gendered,
		headers: []string{jsonPatch}, status: 404, code: "not-found", at: "request.url"},
	{name: "two fit, and none is patched", row: patchConditionalRow, given: []string{person, twin}, ask: "PATCH " + byUs,
		body: gendered, headers: []string{jsonPatch}, status: 412, code: "multiple-matches", at: "request.url",
		then: []string{`GET Patient/{id} 200 "versionId":"1"`}},
	{name: "another version than the one that fits is not patched", row: patchConditionalRow, given: []string{person},
		ask: "PATCH " + byUs, body: gendered, headers: []string{jsonPatch, `If-Match: W/"7"`}, status: 412,
		code: "conflict", at: "request.ifMatch"},
	{name: "a patch of the one that fits to what is not there", row: patchConditionalRow, given: []string{person},
		ask: "PATCH " + byUs, body: referring, headers: []string{jsonPatch}, status: 409, code: "conflict",
		at: "resource"},
	{name: "a test that fails for the one that fits", row: patchConditionalRow, given: []string{person},
		ask: "PATCH " + byUs, body: `[{"op":"test","path":"/active","value":false}]`, headers: []string{jsonPatch},
		status: 422, code: "processing", at: "resource"},
	{name: "a patch without criteria", row: patchConditionalRow, ask: "PATCH Patient", body: gendered,
		headers: []string{jsonPatch}, status: 400, code: "invalid", at: "request.url"},
}
