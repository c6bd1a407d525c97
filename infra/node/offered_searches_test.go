package node

import (
	"strings"

	"binnacle/events/fhir/rest"
)

const (
	typeRow            = "GET /:type"
	typeFormRow        = "POST /:type/_search"
	systemRow          = "GET "
	systemFormRow      = "POST /_search"
	compartmentRow     = "GET /:type/:id/:inside"
	compartmentFormRow = "POST /:type/:id/:inside/_search"
)

// measured is an Observation of the person.
const measured = `PUT Observation/{id} {"resourceType":"Observation","id":"{id}","identifier":[{"system":"urn:s",` +
	`"value":"{id}"}],"status":"final","code":{"text":"x"},"subject":{"reference":"Patient/{id}"}}`

var (
	found = []string{`"searchset"`, `"id":"{id}"`}
	form  = []string{"Content-Type: " + rest.FormType}
)

// tooMany are more alternatives than a parameter may have.
var tooMany = strings.Repeat("a,", 1_000) + "a"

// inBundles is what an entry is that searches by POST: bundles search by GET.
const inBundles = 400

var searchOffers = []offer{
	{name: "what fits is found", row: typeRow, given: []string{person}, ask: "GET Patient?identifier=urn:s|{id}",
		status: 200, holds: found},
	{name: "a parameter of searches that there is not", row: typeRow, ask: "GET Patient?shade=1", status: 400,
		code: "invalid", at: "request.url"},
	{name: "a value that is none", row: typeRow, ask: "GET Patient?birthdate=yesterday", status: 400, code: "invalid",
		at: "request.url"},
	{name: "a modifier that there is not", row: typeRow, ask: "GET Patient?birthdate:exact=2020", status: 400,
		code: "invalid", at: "request.url"},
	{name: "a search beyond its bounds", row: typeRow, ask: "GET Patient?_id=" + tooMany, status: 422,
		code: "too-costly", at: "request.url"},

	{name: "what fits is found by a form", row: typeFormRow, given: []string{person}, ask: "POST Patient/_search",
		body: "identifier=urn:s|{id}", headers: form, status: 200, holds: found, inBundle: inBundles},
	{name: "a parameter in a form that there is not", row: typeFormRow, ask: "POST Patient/_search", body: "shade=1",
		headers: form, status: 400, code: "invalid", onlyAlone: "bundles search by GET"},

	{name: "a search by a form beyond its bounds", row: typeFormRow, ask: "POST Patient/_search",
		body: "_id=" + tooMany, headers: form, status: 422, code: "too-costly", onlyAlone: "bundles search by GET"},

	{name: "what fits is found in several types", row: systemRow, given: []string{person, measured},
		ask: "GET ?_type=Patient,Observation&identifier=urn:s|{id}", status: 200,
		holds: []string{`"Patient"`, `"Observation"`, `"id":"{id}"`}},
	{name: "a parameter of all types that there is not", row: systemRow, ask: "GET ?_type=Patient&shade=1", status: 400,
		code: "invalid", at: "request.url"},

	{name: "a search of several types beyond its bounds", row: systemRow,
		ask: "GET ?_type=Patient&_id=" + tooMany, status: 422, code: "too-costly", at: "request.url"},

	{name: "what fits is found in several types by a form", row: systemFormRow, given: []string{person, measured},
		ask: "POST _search", body: "_type=Patient,Observation&_id={id}", headers: form, status: 200, holds: found,
		inBundle: inBundles},
	{name: "a parameter of all types in a form that there is not", row: systemFormRow, ask: "POST _search",
		body: "_type=Patient&shade=1", headers: form, status: 400, code: "invalid",
		onlyAlone: "bundles search by GET"},

	{name: "a search of several types by a form beyond its bounds", row: systemFormRow, ask: "POST _search",
		body: "_type=Patient&_id=" + tooMany, headers: form, status: 422, code: "too-costly",
		onlyAlone: "bundles search by GET"},

	{name: "what belongs to a resource is found", row: compartmentRow, given: []string{person, measured},
		ask: "GET Patient/{id}/Observation", status: 200, holds: found},
	{name: "all that belongs to a resource is found", row: compartmentRow, given: []string{person, measured},
		ask: "GET Patient/{id}/*", status: 200, holds: found},
	{name: "a parameter of compartments that there is not", row: compartmentRow,
		ask: "GET Patient/{id}/Observation?shade=1", status: 400, code: "invalid", at: "request.url"},

	{name: "a compartment beyond the bounds of searches", row: compartmentRow,
		ask: "GET Patient/{id}/Observation?_id=" + tooMany, status: 422, code: "too-costly", at: "request.url"},

	{name: "what belongs to a resource is found by a form", row: compartmentFormRow, given: []string{person, measured},
		ask: "POST Patient/{id}/Observation/_search", body: "status=final", headers: form, status: 200, holds: found,
		inBundle: inBundles},
	{name: "a parameter of compartments in a form that there is not", row: compartmentFormRow,
		ask: "POST Patient/{id}/Observation/_search", body: "shade=1", headers: form, status: 400,
		onlyAlone: "bundles search by GET"},
	{name: "a compartment by a form beyond the bounds of searches", row: compartmentFormRow,
		ask: "POST Patient/{id}/Observation/_search", body: "_id=" + tooMany, headers: form, status: 422,
		code: "too-costly", onlyAlone: "bundles search by GET"},
}
