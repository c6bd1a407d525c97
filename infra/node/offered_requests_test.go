package node

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"

	"binnacle/events/fhir/rest"
)

// request makes a request below the root of a node, as FHIR's JSON unless a header says something else.
func request(s *served, method, url, body string, headers ...string) answered {
	if url != "" && url[0] != '?' && url[0] != '/' {
		url = "/" + url
	}
	root := "/fhir"
	if tenant, of := strings.CutPrefix(url, "/../t/"); of {
		url, root = tenant, "/t/"
	}
	r := httptest.NewRequest(method, "http://server.example"+root+url, strings.NewReader(body))
	if body != "" {
		r.Header.Set("Content-Type", "application/fhir+json")
	}
	for _, header := range headers {
		name, value, _ := strings.Cut(header, ": ")
		r.Header.Set(name, value)
	}
	rw := httptest.NewRecorder()
	s.Handler.ServeHTTP(rw, r)
	return answered{rw.Code, rw.Header(), rw.Body.String()}
}

// conditionOf tells which member of an entry's request has what a header says; "": none has.
func conditionOf(header string) string {
	name, _, _ := strings.Cut(header, ": ")
	switch name {
	case "If-Match":
		return "ifMatch"
	case "If-None-Match":
		return "ifNoneMatch"
	case "If-None-Exist":
		return "ifNoneExist"
	case "If-Modified-Since":
		return "ifModifiedSince"
	}
	return ""
}

// entryOf makes the entry of a bundle that asks the same as a request: its conditions become members, and the document
// of a patch is the content of a Binary, unless it is a resource itself (FHIR R4, http.html#patch).
func entryOf(method, url, body string, headers []string) string {
	request := map[string]string{"method": method, "url": url}
	contentType := ""
	for _, header := range headers {
		name, value, _ := strings.Cut(header, ": ")
		if member := conditionOf(header); member != "" {
			request[member] = value
		}
		if name == "Content-Type" {
			contentType = value
		}
	}
	if at, err := http.ParseTime(request["ifModifiedSince"]); err == nil {
		request["ifModifiedSince"] = at.UTC().Format("2006-01-02T15:04:05Z")
	}
	entry := map[string]any{"request": request}
	switch {
	case body == "" || contentType == rest.FormType:
	case method == http.MethodPatch && !strings.HasPrefix(contentType, "application/fhir+json"):
		entry["resource"] = map[string]string{"resourceType": "Binary", "contentType": contentType,
			"data": base64.StdEncoding.EncodeToString([]byte(body))}
	default:
		entry["resource"] = json.RawMessage(body)
	}
	text, err := json.Marshal(entry)
	if err != nil {
		return body // then it is refused
	}
	return string(text)
}

// derived are the cases of what all rows refuse in the same way, made of each row's first case that goes well.
func derived(rows []rest.Row, cases []offer) (list []offer) {
	for _, row := range rows {
		at := slices.IndexFunc(cases, func(c offer) bool {
			return c.row == row.Method+" "+row.Path && c.status < 300
		})
		if row.Instead != "" || at < 0 {
			continue
		}
		made := func(change func(*offer)) {
			c := cases[at]
			c.headers, c.then, c.holds = slices.Clone(c.headers), nil, nil
			change(&c)
			c.name = c.row + " " + c.name
			list = append(list, c)
		}
		with := func(c *offer, parameter string) {
			mark := "?"
			if strings.Contains(c.ask, "?") {
				mark = "&"
			}
			c.ask += mark + parameter
		}
		reads := row.Method == http.MethodGet
		made(func(c *offer) {
			c.name, c.status, c.code = "a format that is not offered", 406, "not-supported"
			with(c, "_format=image%2Fpng")
			if reads && c.inBundle == 0 && c.onlyAlone == "" {
				c.at = "request.url"
			} else {
				c.onlyAlone = "the answer of a bundle has the bundle's format"
			}
		})
		if strings.HasPrefix(row.Path, "/:type") {
			made(func(c *offer) {
				c.name, c.status, c.code, c.at, c.inBundle = "a type that there is not", 404, "not-supported", "request.url", 0
				method, url, _ := strings.Cut(c.ask, " ")
				end := strings.IndexAny(url+"/", "/?")
				c.ask = method + " Nonsense" + url[end:]
			})
		} else {
			made(func(c *offer) {
				c.name, c.status, c.code = "a tenant that there is not", 404, "not-found"
				method, url, _ := strings.Cut(c.ask, " ")
				c.ask = method + " /../t/nobody/fhir"
				if url != "" {
					c.ask += "/" + url
				}
				c.onlyAlone = "the entries of a bundle are of its tenant"
			})
		}
		if len(row.About.Takes) > 0 {
			made(func(c *offer) {
				c.name, c.status, c.code = "a body of another kind", 415, "not-supported"
				c.headers = append(c.headers, "Content-Type: text/plain")
				c.onlyAlone = "an entry has no Content-Type"
			})
			made(func(c *offer) {
				c.name, c.status, c.code = "a body that is too large", 413, "too-long"
				c.body += strings.Repeat(" ", offerBody)
				if row.About.Takes[0] == rest.FormType {
					c.body += strings.Repeat("&", 1<<20)
				}
				c.onlyAlone = "the limit is that of the bundle"
			})
		}
		if slices.Contains(row.About.Headers, "Idempotency-Key") {
			made(func(c *offer) {
				c.name, c.status, c.code = "a key that stands for another request", 422, "business-rule"
				key := "Idempotency-Key: k-" + strconv.Itoa(len(list)) + "-{id}"
				c.given = append(slices.Clone(c.given), `PUT Basic/{id}-k {"resourceType":"Basic","id":"{id}-k","code":{"text":"k"}}`+
					"\n"+key)
				c.headers = append(c.headers, key)
				c.onlyAlone = "a key is that of the whole request"
			})
		}
		if row.Long {
			made(func(c *offer) {
				c.name, c.status, c.code = "the answer is fetched later", 202, ""
				c.headers = append(c.headers, "Prefer: respond-async")
				c.holds, c.onlyAlone, c.asked = []string{"OperationOutcome"}, notInBundles, true
			})
		}
		if slices.Contains(row.About.Headers, rest.HeaderAcknowledge) {
			made(func(c *offer) {
				c.name, c.status, c.code = "nobody waits for the outcome", 202, ""
				c.headers = append(c.headers, rest.HeaderAcknowledge+": log")
				c.onlyAlone = "what is waited for is said of the whole request"
			})
		}
	}
	return list
}
