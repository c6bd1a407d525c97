package node

const (
	createRow            = "POST /:type"
	updateRow            = "PUT /:type/:id"
	updateConditionalRow = "PUT /:type"
	deleteRow            = "DELETE /:type/:id"
	deleteConditionalRow = "DELETE /:type"
	bundleRow            = "POST "
)

// Contents of writes, and what is written before them.
const (
	someone = `{"resourceType":"Patient","identifier":[{"system":"urn:s","value":"{id}"}]}`
	named   = `{"resourceType":"Patient","id":"{id}","identifier":[{"system":"urn:s","value":"{id}"}],"gender":"other"}`
	twin    = `PUT Patient/{id}-2 {"resourceType":"Patient","id":"{id}-2","identifier":[{"system":"urn:s","value":"{id}"}]}`
	lost    = `{"resourceType":"Observation","id":"{id}","status":"final","code":{"text":"x"},"subject":{"reference":"Patient/{id}-none"}}`
	byUs    = "Patient?identifier=urn:s|{id}"
)

var writeOffers = []offer{
	{name: "a resource is created", row: createRow, ask: "POST Patient", body: someone, status: 201,
		then: []string{`GET Patient?identifier=urn:s|{id}&_summary=count 200 "total":1`}},
	{name: "a resource that is not there is created", row: createRow, ask: "POST Patient", body: someone,
		headers: []string{"If-None-Exist: identifier=urn:s|{id}"}, status: 201},
	{name: "one that is there is not created", row: createRow, given: []string{person}, ask: "POST Patient",
		body: someone, headers: []string{"If-None-Exist: identifier=urn:s|{id}"}, status: 200,
		then: []string{`GET Patient?identifier=urn:s|{id}&_summary=count 200 "total":1`}},
	{name: "two that are there let nothing be created", row: createRow, given: []string{person, twin},
		ask: "POST Patient", body: someone, headers: []string{"If-None-Exist: identifier=urn:s|{id}"}, status: 412,
		code: "multiple-matches", at: "request.ifNoneExist"},
	{name: "a condition that is none", row: createRow, ask: "POST Patient", body: someone,
		headers: []string{"If-None-Exist: shade=1"}, status: 400, code: "invalid", at: "request.ifNoneExist"},
	{name: "a search where none may stand", row: createRow, ask: "POST Patient?identifier=1", body: someone,
		status: 400, code: "invalid", at: "request.url"},
	{name: "a resource of another type", row: createRow, ask: "POST Observation", body: someone, status: 400,
		code: "invalid", at: "resource.resourceType"},
	{name: "an element of another kind", row: createRow, ask: "POST Patient",
		body: `{"resourceType":"Patient","birthDate":5}`, status: 400, code: "invalid", at: "resource.birthDate"},
	{name: "a reference to what is not there", row: createRow, ask: "POST Observation", body: lost, status: 409,
		code: "conflict", at: "resource.subject.reference"},

	{name: "a resource is made under an id of the client", row: updateRow, ask: "PUT Patient/{id}", body: named,
		status: 201, then: []string{`GET Patient/{id} 200 "versionId":"1"`}},
	{name: "a resource is updated", row: updateRow, given: []string{person}, ask: "PUT Patient/{id}", body: named,
		status: 200, then: []string{`GET Patient/{id} 200 "versionId":"2"`}},
	{name: "the version that was read is updated", row: updateRow, given: []string{person}, ask: "PUT Patient/{id}",
		body: named, headers: []string{`If-Match: W/"1"`}, status: 200},
	{name: "another version is not updated", row: updateRow, given: []string{person}, ask: "PUT Patient/{id}",
		body: named, headers: []string{`If-Match: W/"7"`}, status: 412, code: "conflict", at: "request.ifMatch",
		then: []string{`GET Patient/{id} 200 "versionId":"1"`}},
	{name: "what is there is not made", row: updateRow, given: []string{person}, ask: "PUT Patient/{id}", body: named,
		headers: []string{"If-None-Match: *"}, status: 412, code: "conflict", at: "request.ifNoneMatch"},
	{name: "a version that is none", row: updateRow, ask: "PUT Patient/{id}", body: named,
		headers: []string{"If-Match: yesterday"}, status: 400, code: "invalid", at: "request.ifMatch"},
	{name: "an id in the resource that is another one", row: updateRow, ask: "PUT Patient/{id}-x", body: named,
		status: 400, code: "invalid", at: "resource.id"},
	{name: "an update refers to what is not there", row: updateRow, ask: "PUT Observation/{id}", body: lost, status: 409,
		code: "conflict", at: "resource.subject.reference"},

	{name: "the one that fits is updated", row: updateConditionalRow, given: []string{person}, ask: "PUT " + byUs,
		body: named, status: 200, then: []string{`GET Patient/{id} 200 "versionId":"2"`}},
	{name: "nothing fits, and one is made", row: updateConditionalRow, ask: "PUT " + byUs, body: someone, status: 201,
		then: []string{`GET Patient?identifier=urn:s|{id}&_summary=count 200 "total":1`}},
	{name: "two fit, and none is updated", row: updateConditionalRow, given: []string{person, twin}, ask: "PUT " + byUs,
		body: someone, status: 412, code: "multiple-matches", at: "request.url"},
	{name: "another version than the one that fits", row: updateConditionalRow, given: []string{person},
		ask: "PUT " + byUs, body: someone, headers: []string{`If-Match: W/"7"`}, status: 412, code: "conflict",
		at: "request.ifMatch"},
	{name: "the one that fits has another id", row: updateConditionalRow, given: []string{person}, ask: "PUT " + byUs,
		body:   `{"resourceType":"Patient","id":"{id}-x","identifier":[{"system":"urn:s","value":"{id}"}]}`,
		status: 400, code: "invalid", at: "resource.id"},
	{name: "the id of what does not fit", row: updateConditionalRow, given: []string{person},
		ask: "PUT Patient?identifier=urn:s|{id}-x", body: named, status: 409, code: "conflict", at: "resource.id"},
	{name: "an update without criteria", row: updateConditionalRow, ask: "PUT Patient", body: someone, status: 400,
		code: "invalid", at: "request.url"},

	{name: "a resource is deleted", row: deleteRow, given: []string{person}, ask: "DELETE Patient/{id}", status: 204,
		then: []string{"GET Patient/{id} 410"}},
	{name: "what is not there is deleted", row: deleteRow, ask: "DELETE Patient/{id}", status: 204},
	{name: "a deletion is told", row: deleteRow, given: []string{person}, ask: "DELETE Patient/{id}",
		headers: []string{"Prefer: return=OperationOutcome"}, status: 200,
		then: []string{"GET Patient/{id} 410"}},
	{name: "another version is not deleted", row: deleteRow, given: []string{person}, ask: "DELETE Patient/{id}",
		headers: []string{`If-Match: W/"7"`}, status: 412, code: "conflict", at: "request.ifMatch",
		then: []string{"GET Patient/{id} 200"}},
	{name: "what others refer to is not deleted", row: deleteRow, given: []string{person, measured},
		ask: "DELETE Patient/{id}", status: 409, code: "conflict", at: "request.url", then: []string{"GET Patient/{id} 200"}},
	{name: "a search behind an id", row: deleteRow, ask: "DELETE Patient/{id}?identifier=1", status: 400,
		code: "invalid", at: "request.url"},

	{name: "the one that fits is deleted", row: deleteConditionalRow, given: []string{person}, ask: "DELETE " + byUs,
		status: 204, then: []string{"GET Patient/{id} 410"}},
	{name: "nothing fits, and nothing is deleted", row: deleteConditionalRow, ask: "DELETE " + byUs, status: 204},
	{name: "the deletion of what fits is told", row: deleteConditionalRow, given: []string{person},
		ask: "DELETE " + byUs, headers: []string{"Prefer: return=OperationOutcome"}, status: 200},
	{name: "two fit, and none is deleted", row: deleteConditionalRow, given: []string{person, twin},
		ask: "DELETE " + byUs, status: 412, code: "multiple-matches", at: "request.url",
		then: []string{"GET Patient/{id} 200"}},
	{name: "others refer to what fits", row: deleteConditionalRow, given: []string{person, measured},
		ask: "DELETE " + byUs, status: 409, code: "conflict", at: "request.url",
		then: []string{"GET Patient/{id} 200"}},
	{name: "a deletion without criteria", row: deleteConditionalRow, ask: "DELETE Patient", status: 400,
		code: "invalid", at: "request.url"},
}

// noBundles is what a bundle in a bundle is.
const noBundles = 400

var bundleOffers = []offer{
	{name: "a batch is answered", row: bundleRow, ask: "POST ", status: 200, inBundle: noBundles,
		body: `{"resourceType":"Bundle","type":"batch","entry":[{"resource":` + named +
			`,"request":{"method":"PUT","url":"Patient/{id}"}}]}`,
		holds: []string{`"batch-response"`, `"201"`}},
	{name: "a transaction is answered", row: bundleRow, ask: "POST ", status: 200, inBundle: noBundles,
		body: `{"resourceType":"Bundle","type":"transaction","entry":[{"resource":` + named +
			`,"request":{"method":"PUT","url":"Patient/{id}"}}]}`,
		holds: []string{`"transaction-response"`, `"201"`}},
	{name: "a bundle of another kind", row: bundleRow, ask: "POST ", status: 400, code: "invalid",
		body: `{"resourceType":"Bundle","type":"collection"}`, onlyAlone: "its place is that of the bundle"},
	{name: "a transaction conflicts with what is there", row: bundleRow, ask: "POST ", status: 409, code: "conflict",
		body: `{"resourceType":"Bundle","type":"transaction","entry":[{"resource":` + lost +
			`,"request":{"method":"PUT","url":"Observation/{id}"}}]}`, onlyAlone: "no bundle stands in a bundle"},
	{name: "a precondition of a transaction does not hold", row: bundleRow, ask: "POST ", status: 412, code: "conflict",
		body: `{"resourceType":"Bundle","type":"transaction","entry":[{"request":{"method":"DELETE","url":"Patient/{id}",` +
			`"ifMatch":"W/\"7\""}}]}`, onlyAlone: "no bundle stands in a bundle"},
}
