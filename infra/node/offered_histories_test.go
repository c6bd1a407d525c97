package node

import (
	"fmt"
	"strings"
)

// The rows of histories.
const (
	historyRow       = "GET /:type/:id/_history"
	historyTypeRow   = "GET /:type/_history"
	historySystemRow = "GET /_history"
)

// longList is a List of more resources than a history takes.
var longList = "PUT List/long{id} " + `{"resourceType":"List","id":"long{id}","status":"current","mode":"working",` +
	`"entry":[` + strings.TrimSuffix(strings.Repeat(`{"item":{"reference":"Patient/{id}"}},`, 1_001), ",") + `]}`

// shortList is a List of one resource.
const shortList = `PUT List/short{id} {"resourceType":"List","id":"short{id}","status":"current","mode":"working",` +
	`"entry":[{"item":{"reference":"Patient/{id}"}}]}`

var historyOffers = append([]offer{
	{name: "a resource has a history", row: historyRow, given: []string{person, gone},
		ask: "GET Patient/{id}/_history", status: 200, holds: []string{`"history"`, `"total":2`, `"DELETE"`}},
	{name: "a history of a resource begins with the oldest", row: historyRow, given: []string{person, gone},
		ask: "GET Patient/{id}/_history?_sort=_lastUpdated&_count=1", status: 200,
		holds: []string{`"total":2`, `"PUT"`, "_page="}},
	{name: "what was never known has no history", row: historyRow, ask: "GET Patient/{id}/_history", status: 404,
		code: "not-found"},
	{name: "a type has a history", row: historyTypeRow, given: []string{person, gone},
		ask: "GET Patient/_history?_count=1000", status: 200, holds: []string{`"history"`, `"url":"Patient/{id}"`, `"DELETE"`}},
	{name: "a history of a type is of what a List names", row: historyTypeRow, given: []string{person, shortList},
		ask: "GET Patient/_history?_list=short{id}", status: 200, holds: []string{`"total":1`, `"url":"Patient/{id}"`}},
	{name: "all has a history", row: historySystemRow, given: []string{person, gone}, ask: "GET _history?_count=1000",
		status: 200, holds: []string{`"history"`, `"url":"Patient/{id}"`, `"DELETE"`}},
	{name: "some types have a history", row: historySystemRow, given: []string{person, shortList},
		ask: "GET _history?_type=Patient,Group&_list=short{id}", status: 200, holds: []string{`"total":1`}},
	{name: "a history of a type that there is not", row: historySystemRow, ask: "GET _history?_type=Unicorn",
		status: 400, code: "invalid", at: "request.url"},
}, historyRefusals()...)

// historyRefusals are what each of the rows refuses.
func historyRefusals() (cases []offer) {
	for row, path := range map[string]string{historyRow: "Patient/{id}/_history", historyTypeRow: "Patient/_history",
		historySystemRow: "_history"} {
		for what, c := range map[string]offer{
			"a time that is none":        {ask: "_since=yesterday", code: "invalid"},
			"a time at that is none":     {ask: "_at=2026-13", code: "invalid"},
			"a count that is none":       {ask: "_count=few", code: "invalid"},
			"an order that there is not": {ask: "_sort=name", code: "invalid"},
			"a list that is none":        {ask: "_list=Group/1", code: "invalid"},
			"a page of elsewhere":        {ask: "_page=elsewhere", code: "invalid"},
			"a parameter of searches":    {ask: "_asOf=0:1", code: "not-supported"},
			"a parameter that there is not, for who is strict": {ask: "shade=1", code: "invalid",
				headers: []string{"Prefer: handling=strict"}},
		} {
			c.name, c.row, c.given = fmt.Sprintf("%s, in %s", what, path), row, []string{person}
			c.ask, c.status, c.at = "GET "+path+"?"+c.ask, 400, "request.url"
			cases = append(cases, c)
		}
		cases = append(cases,
			offer{name: "a List that there is not, in " + path, row: row, given: []string{person},
				ask: "GET " + path + "?_list=none{id}", status: 400, code: "invalid"},
			offer{name: "a List that names very many, in " + path, row: row, given: []string{person, longList},
				ask: "GET " + path + "?_list=long{id}", status: 422, code: "too-costly"})
	}
	return cases
}
