package rest

import (
	"net/http"
	"slices"
)

// About is what the users of a row are told: people, and programs that are made from the OpenAPI document. Tests hold
// that it is true.
type About struct {
	Summary string   // in a few words
	Gives   string   // what the body of a 2xx is: a type; Resource: one of the type in the path; "": there is none
	Takes   []string // media types of the request's body, the first preferred; nil: it has none
	Headers []string // of the request that mean something to this row
	// what the query holds beside what is said of the answer: any search parameter
	Selects bool
	Params  []string // and these parameters
	// what may come beside StatusesOfAll: what went well first
	Statuses []int
}

// StatusesOfAll are those that each row has: 400 for what is wrong by its form, 404 for a type or a tenant that there
// is not, 406 for a format of the answer that is not offered.
var StatusesOfAll = []int{http.StatusBadRequest, http.StatusNotFound, http.StatusNotAcceptable}

// FormType is the media type of a search by POST.
const FormType = "application/x-www-form-urlencoded"

// ResourceTypes are the media types that a resource may be sent in, the first preferred.
var ResourceTypes = []string{"application/fhir+json", "application/json", "text/json", "application/json+fhir",
	"application/fhir+xml", "application/xml", "text/xml", "application/xml+fhir"}

// AnswerTypes are the media types that an answer may have, the first preferred.
func AnswerTypes() []string {
	types := make([]string, len(offers))
	for n, offer := range offers {
		types[n] = offer.names[0]
	}
	return types
}

var (
	readHeaders  = []string{HeaderMinPosition, "If-None-Match", "If-Modified-Since"}
	bytesHeaders = append([]string{"Range", "If-Range"}, readHeaders...) // of a Binary that is read as its bytes
	writeHeaders = []string{"If-Match", "If-None-Match", "Prefer", "Idempotency-Key", HeaderAllowDangling,
		HeaderAcknowledge, HeaderProvenance}
	deleteHeaders = []string{"If-Match", "Prefer", "Idempotency-Key", HeaderAllowDangling, HeaderAcknowledge,
		HeaderCascade, HeaderProvenance}
	historyHeaders = []string{HeaderMinPosition, "Prefer"}
	historyParams  = []string{"_count", "_since", "_at", "_list", "_sort"}
	searchParams   = []string{"_count", "_sort", "_total", "_include", "_revinclude", "_asOf", "_explain"}
)

// about tells of the interactions of FHIR by the names that rows have.
var about = map[string]About{
	"capabilities": {Summary: "What this server offers", Gives: "CapabilityStatement",
		Headers: readHeaders[1:], Params: []string{"mode"}, Statuses: []int{200, 304}},
	"openapi": {Summary: "What this server offers, as OpenAPI 3.1", Gives: "OpenAPI", Headers: readHeaders[1:],
		Statuses: []int{200, 304}},
	"read": {Summary: "The current version of a resource", Gives: "Resource",
		Headers: bytesHeaders, Statuses: []int{200, 206, 304, 410, 416}},
	"vread": {Summary: "One version of a resource", Gives: "Resource",
		Headers: bytesHeaders, Statuses: []int{200, 206, 304, 410, 416}},
	"history-instance": {Summary: "The versions of a resource, the newest first", Gives: "Bundle",
		Headers: historyHeaders, Params: historyParams, Statuses: []int{200, 422}},
	"history-type": {Summary: "The versions of all resources of a type, the newest first", Gives: "Bundle",
		Headers: historyHeaders, Params: historyParams, Statuses: []int{200, 422}},
	"history-system": {Summary: "The versions of all resources, the newest first", Gives: "Bundle",
		Headers: historyHeaders, Params: append([]string{"_type"}, historyParams...), Statuses: []int{200, 422}},
	"search-type": {Summary: "Resources of a type that fit criteria", Gives: "Bundle",
		Headers: []string{HeaderMinPosition, "Prefer"}, Selects: true, Params: searchParams,
		Statuses: []int{200, 422}},
	"search-system": {Summary: "Resources of several types that fit criteria", Gives: "Bundle",
		Headers: []string{HeaderMinPosition, "Prefer"}, Selects: true, Params: append([]string{"_type"}, searchParams...),
		Statuses: []int{200, 422}},
	"search-compartment": {Summary: "Resources that belong to a resource", Gives: "Bundle",
		Headers: []string{HeaderMinPosition, "Prefer"}, Selects: true, Params: searchParams,
		Statuses: []int{200, 422}},
	"create": {Summary: "A new resource under an id of the server", Gives: "Resource", Takes: ResourceTypes,
		Headers: []string{"If-None-Exist", "Prefer", "Idempotency-Key", HeaderAllowDangling, HeaderAcknowledge,
			HeaderProvenance},
		Statuses: []int{201, 200, 202, 409, 412, 413, 415, 422}},
	"update": {Summary: "A new version of a resource, or a resource under an id of the client", Gives: "Resource",
		Takes: ResourceTypes, Headers: writeHeaders, Statuses: []int{200, 201, 202, 409, 412, 413, 415, 422}},
	"update-conditional": {Summary: "A new version of the one resource that fits criteria, or a new resource",
		Gives: "Resource", Takes: ResourceTypes, Headers: writeHeaders, Selects: true,
		Statuses: []int{200, 201, 202, 409, 412, 413, 415, 422}},
	"patch": {Summary: "A new version of a resource, by what changes in it", Gives: "Resource", Takes: PatchTypes,
		Headers:  append([]string{"If-Match"}, writeHeaders[2:]...),
		Statuses: []int{200, 202, 409, 410, 412, 413, 415, 422}},
	"patch-conditional": {Summary: "A new version of the one resource that fits criteria, by what changes in it",
		Gives: "Resource", Takes: PatchTypes, Headers: append([]string{"If-Match"}, writeHeaders[2:]...), Selects: true,
		Statuses: []int{200, 202, 409, 412, 413, 415, 422}},
	"delete": {Summary: "The deletion of a resource", Headers: deleteHeaders, Params: []string{ParamCascade},
		Statuses: []int{204, 200, 202, 409, 412, 422}},
	"delete-conditional": {Summary: "The deletion of what fits criteria: one resource, or all where many are allowed",
		Headers: deleteHeaders, Params: []string{ParamCascade}, Selects: true,
		Statuses: []int{204, 200, 202, 409, 412, 422}},
	"bundle": {Summary: "A batch or a transaction", Gives: "Bundle", Takes: ResourceTypes,
		Headers: []string{"Prefer", "Idempotency-Key", HeaderAllowDangling, HeaderAcknowledge,
			HeaderProvenance},
		Statuses: []int{200, 202, 409, 412, 413, 415, 422}},
}

// told completes what a row tells of itself.
func (row *Row) told() Row {
	if row.About.Summary == "" {
		row.About = about[row.Name]
	}
	if row.Method == http.MethodPost && row.About.Selects { // the criteria stand in the body, too
		row.About.Takes = []string{FormType}
		row.About.Statuses = append(append([]int{}, row.About.Statuses...), http.StatusRequestEntityTooLarge,
			http.StatusUnsupportedMediaType)
	}
	if row.Long { // it may be answered later
		if !slices.Contains(row.About.Statuses, http.StatusAccepted) {
			row.About.Statuses = slices.Concat(row.About.Statuses[:1], []int{http.StatusAccepted}, row.About.Statuses[1:])
		}
		if !slices.Contains(row.About.Headers, "Prefer") {
			row.About.Headers = append(slices.Clip(row.About.Headers), "Prefer")
		}
	}
	return *row
}
