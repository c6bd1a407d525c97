package node

// Bytes go as the body of a request; in a bundle a Binary is a resource, with base64.
const (
	ofRequests = "bytes are the body of a request"
	page       = "PUT Binary/{id} <p>1234567890</p>\nContent-Type: text/html"
	wholeEvent = "X-Provenance is a header of the whole request"
	scribe     = `X-Provenance: {"resourceType":"Provenance","agent":[{"who":{"display":"a scribe"}}]}`
)

var binaryOffers = []offer{
	{name: "bytes are stored", row: "PUT /:type/:id", ask: "PUT Binary/{id}", body: "<p>1234567890</p>", status: 201,
		headers: []string{"Content-Type: text/html"}, onlyAlone: ofRequests,
		then: []string{`GET Binary/{id} 200 <p>1234567890</p>`}},
	{name: "the same bytes make no version", row: "PUT /:type/:id", given: []string{page}, ask: "PUT Binary/{id}",
		body: "<p>1234567890</p>", status: 200, headers: []string{"Content-Type: text/html"}, onlyAlone: ofRequests,
		then: []string{`GET Binary/{id}?_format=json 200 "versionId":"1"`}},
	{name: "bytes are created", row: "POST /:type", ask: "POST Binary", body: "%PDF", status: 201,
		headers: []string{"Content-Type: application/pdf"}, onlyAlone: ofRequests},
	{name: "bytes whose context is not there", row: "PUT /:type/:id", ask: "PUT Binary/{id}", body: "x", status: 409,
		code: "conflict", headers: []string{"Content-Type: text/plain", "X-Security-Context: Patient/nobody"},
		onlyAlone: ofRequests},
	{name: "bytes of no type", row: "PUT /:type/:id", ask: "PUT Binary/{id}", body: "x", status: 415,
		code: "not-supported", headers: []string{"Content-Type: page"}, onlyAlone: ofRequests},
	{name: "a Binary as a resource", row: "PUT /:type/:id", ask: "PUT Binary/{id}", status: 201,
		body: `{"resourceType":"Binary","id":"{id}","contentType":"text/plain","data":"YWJj"}`,
		then: []string{`GET Binary/{id} 200 abc`}},
	{name: "a Binary whose data is no base64", row: "PUT /:type/:id", ask: "PUT Binary/{id}", status: 400,
		body: `{"resourceType":"Binary","id":"{id}","contentType":"text/plain","data":"!"}`, code: "invalid",
		at: "resource.data"},
	{name: "bytes are read as a resource", row: readRow, given: []string{page}, ask: "GET Binary/{id}",
		headers: []string{"Accept: application/fhir+json"}, status: 200,
		holds: []string{`"data":"PHA+MTIzNDU2Nzg5MDwvcD4="`, `"contentType":"text/html"`}},
	{name: "bytes are read", row: readRow, given: []string{page}, ask: "GET Binary/{id}", status: 200,
		holds: []string{"<p>1234567890</p>"}, onlyAlone: ofRequests},
	{name: "some of the bytes are read", row: readRow, given: []string{page}, ask: "GET Binary/{id}",
		headers: []string{"Range: bytes=3-5"}, status: 206, holds: []string{"123"}, onlyAlone: ofRequests},
	{name: "some of the bytes of a version are read", row: versionRow, given: []string{page},
		ask: "GET Binary/{id}/_history/1", headers: []string{"Range: bytes=-4"}, status: 206, holds: []string{"</p>"},
		onlyAlone: ofRequests},
	{name: "a range that there is not", row: readRow, given: []string{page}, ask: "GET Binary/{id}",
		headers: []string{"Range: bytes=100-"}, status: 416, code: "not-supported", onlyAlone: ofRequests},
	{name: "a range of a version that there is not", row: versionRow, given: []string{page},
		ask: "GET Binary/{id}/_history/1", headers: []string{"Range: bytes=100-"}, status: 416, code: "not-supported",
		onlyAlone: ofRequests},
	{name: "bytes of a type that is not accepted", row: readRow, given: []string{page}, ask: "GET Binary/{id}",
		headers: []string{"Accept: image/png"}, status: 406, code: "not-supported", onlyAlone: ofRequests},

	{name: "a Provenance is stored with an update", row: "PUT /:type/:id", ask: "PUT Patient/{id}", status: 201,
		body: `{"resourceType":"Patient","id":"{id}"}`, headers: []string{scribe}, onlyAlone: wholeEvent,
		then: []string{`GET Provenance?target=Patient/{id} 200 "Patient/{id}/_history/1"`}},
	{name: "a Provenance is stored with a patch", row: "PATCH /:type/:id", given: []string{person},
		ask: "PATCH Patient/{id}", status: 200, body: `[{"op":"replace","path":"/active","value":false}]`,
		headers: []string{"Content-Type: application/json-patch+json", scribe}, onlyAlone: wholeEvent,
		then: []string{`GET Provenance?target=Patient/{id} 200 "Patient/{id}/_history/2"`}},
	{name: "a Provenance is stored with a delete", row: "DELETE /:type/:id", given: []string{person},
		ask: "DELETE Patient/{id}", status: 204, headers: []string{scribe}, onlyAlone: wholeEvent,
		then: []string{`GET Provenance?target=Patient/{id} 200 "Patient/{id}/_history/2"`}},
	{name: "a Provenance that has a target", row: "PUT /:type/:id", ask: "PUT Patient/{id}", status: 400,
		body: `{"resourceType":"Patient","id":"{id}"}`, code: "invalid", onlyAlone: wholeEvent,
		headers: []string{`X-Provenance: {"resourceType":"Provenance","target":[]}`}},
}
