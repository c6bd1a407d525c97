package node

// person is a Patient, as given before a case.
const person = `PUT Patient/{id} {"resourceType":"Patient","id":"{id}","identifier":[{"system":"urn:s","value":"{id}"}],"active":true}`

// gone deletes it.
const gone = "DELETE Patient/{id}"

const (
	readRow       = "GET /:type/:id"
	versionRow    = "GET /:type/:id/_history/:version"
	capabilityRow = "GET /metadata"
	openAPIRow    = "GET /openapi.json"
)

const longAgo, inTheFuture = "Thu, 01 Jan 1970 00:00:00 GMT", "Fri, 01 Jan 2100 00:00:00 GMT"

var readOffers = []offer{
	{name: "what is there is read", row: readRow, given: []string{person}, ask: "GET Patient/{id}", status: 200,
		holds: []string{`"id":"{id}"`, `"versionId":"1"`}},
	{name: "a part of it is read", row: readRow, given: []string{person}, ask: "GET Patient/{id}?_elements=active",
		status: 200, holds: []string{`"active":true`, "SUBSETTED"}},
	{name: "the copy with this ETag is good", row: readRow, given: []string{person}, ask: "GET Patient/{id}",
		headers: []string{`If-None-Match: W/"1"`}, status: 304},
	{name: "the copy of this time is good", row: readRow, given: []string{person}, ask: "GET Patient/{id}",
		headers: []string{"If-Modified-Since: " + inTheFuture}, status: 304},
	{name: "the copy of that time is not", row: readRow, given: []string{person}, ask: "GET Patient/{id}",
		headers: []string{"If-Modified-Since: " + longAgo}, status: 200},
	{name: "what was never known is not found", row: readRow, ask: "GET Patient/{id}", status: 404, code: "not-found"},
	{name: "what is deleted is gone", row: readRow, given: []string{person, gone}, ask: "GET Patient/{id}", status: 410,
		code: "deleted"},
	{name: "a parameter of reads that there is not, for who is strict", row: readRow, given: []string{person},
		ask: "GET Patient/{id}?shade=1", headers: []string{"Prefer: handling=strict"}, status: 400, code: "invalid",
		at: "request.url"},

	{name: "one version is read", row: versionRow, given: []string{person}, ask: "GET Patient/{id}/_history/1",
		status: 200, holds: []string{`"versionId":"1"`}},
	{name: "the copy of a version is good", row: versionRow, given: []string{person},
		ask: "GET Patient/{id}/_history/1", headers: []string{`If-None-Match: W/"1"`}, status: 304},
	{name: "a version that there is not", row: versionRow, given: []string{person}, ask: "GET Patient/{id}/_history/7",
		status: 404, code: "not-found"},
	{name: "the version that deletes is gone", row: versionRow, given: []string{person, gone},
		ask: "GET Patient/{id}/_history/2", status: 410, code: "deleted"},
	{name: "a parameter of versions that there is not, for who is strict", row: versionRow, given: []string{person},
		ask: "GET Patient/{id}/_history/1?shade=1", headers: []string{"Prefer: handling=strict"}, status: 400,
		code: "invalid", at: "request.url"},

	{name: "what is offered is told", row: capabilityRow, ask: "GET metadata", status: 200,
		holds: []string{`"CapabilityStatement"`}},
	{name: "the copy of what is offered is good", row: capabilityRow, ask: "GET metadata",
		headers: []string{"If-None-Match: *"}, status: 304},
	{name: "what is offered is told to programs", row: openAPIRow, ask: "GET openapi.json", status: 200,
		holds: []string{`"openapi":"3.1.0"`}, inBundle: 400},
	{name: "the copy of what is told to programs is good", row: openAPIRow, ask: "GET openapi.json",
		headers: []string{"If-None-Match: *"}, status: 304, inBundle: 400},
	{name: "a parameter of it that there is not, for who is strict", row: openAPIRow, ask: "GET openapi.json?shade=1",
		headers: []string{"Prefer: handling=strict"}, status: 400, code: "invalid", onlyAlone: "it is no resource"},
	{name: "a mode that there is not", row: capabilityRow, ask: "GET metadata?mode=normative", status: 400,
		code: "not-supported", at: "request.url"},
}
