package pages

import (
	"net/url"
	"strings"

	documents "binnacle/events/fhir"
	"binnacle/projections/catalog"
)

// Param says which page of a search or history is wanted.
const Param = "_page"

// Link is a link of a bundle.
type Link struct {
	Relation, URL string
	// shows what a search by POST asked: it stands in the bundle, never in a header, which proxies may log
	Private bool
}

// linkHeaderBytes bounds the Link header: proxies commonly take 8 KiB for all headers together.
const linkHeaderBytes = 4_000

// LinkHeader repeats the links as a Link header has them (RFC 8288), but for private ones. Where they are too long
// for proxies it has the next page alone, or on the last page the previous one: a client that reads nothing else must
// not take one page for all there is. That one stands there however long it is: the request came with it.
func LinkHeader(links []Link) []string {
	var lines []string
	size, further := 0, ""
	for _, l := range links {
		if l.Private {
			continue
		}
		// a comma divides links for readers that split the header before they read it
		line := "<" + strings.ReplaceAll(l.URL, ",", "%2C") + `>; rel="` + l.Relation + `"`
		lines, size = append(lines, line), size+len(line)+len(", ")
		if l.Relation == "next" || l.Relation == "previous" {
			further = line // next comes last
		}
	}
	if size > linkHeaderBytes {
		lines = lines[:0]
		if further != "" {
			lines = append(lines, further)
		}
	}
	if len(lines) == 0 {
		return nil
	}
	return []string{strings.Join(lines, ", ")}
}

// written leaves commas as they are, which a query may hold: HAPI's validator reads the _type of a link as it stands.
func written(text string) string { return strings.ReplaceAll(url.QueryEscape(text), "%2C", ",") }

// Encode writes parameters as a query, in their order.
func Encode(params []catalog.KeyValue) string {
	var query strings.Builder
	for _, param := range params {
		if query.Len() > 0 {
			query.WriteByte('&')
		}
		query.WriteString(written(param.Key))
		query.WriteByte('=')
		query.WriteString(written(param.Value))
	}
	return query.String()
}

// With joins a path, a query that may be empty, and one more parameter whose value needs no escaping.
func With(path, query, name, value string) string {
	if query != "" {
		path += "?" + query
	}
	switch {
	case name == "":
		return path
	case query == "":
		return path + "?" + name + "=" + value
	}
	return path + "&" + name + "=" + value
}

// BundleLinks are the links as a bundle has them.
func BundleLinks(links []Link) []documents.BundleLink {
	list := make([]documents.BundleLink, len(links))
	for i, l := range links {
		list[i] = documents.BundleLink{Relation: l.Relation, URL: l.URL}
	}
	return list
}
