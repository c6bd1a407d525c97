package fhir

import (
	"context"
	"net/url"
	"strings"

	"binnacle/projections/catalog"
)

// link is a link of a bundle.
type link struct {
	relation, url string
	// shows what a search by POST asked: it stands in the bundle, never in a header, which proxies may log
	private bool
}

// linkHeaderBytes bounds the Link header: proxies commonly take 8 KiB for all headers together.
const linkHeaderBytes = 4_000

// linkHeader repeats the links as a Link header has them (RFC 8288), but for private ones. Where they are too long
// for proxies it has the next page alone, or on the last page the previous one: a client that reads nothing else must
// not take one page for all there is. That one stands there however long it is: the request came with it.
func linkHeader(links []link) []string {
	var lines []string
	size, further := 0, ""
	for _, l := range links {
		if l.private {
			continue
		}
		line := "<" + l.url + `>; rel="` + l.relation + `"`
		lines, size = append(lines, line), size+len(line)+len(", ")
		if l.relation == "next" || l.relation == "previous" {
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

// encode writes parameters as a query, in their order.
func encode(params []catalog.KeyValue) string {
	var query strings.Builder
	for _, param := range params {
		if query.Len() > 0 {
			query.WriteByte('&')
		}
		query.WriteString(url.QueryEscape(param.Key))
		query.WriteByte('=')
		query.WriteString(url.QueryEscape(param.Value))
	}
	return query.String()
}

// with joins a path, a query that may be empty, and one more parameter whose value needs no escaping.
func with(path, query, name, value string) string {
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

// links makes the links of a page. The first page of a search by GET is the search itself, and so shows what is
// committed when it is followed; that of a search by POST is the first page as it was.
func (d *Door) links(ctx context.Context, s *search, found found) ([]link, error) {
	if _, more := s.next(found); s.form && (more || s.paged) { // a page of a search by GET may be asked for by POST
		if err := d.keep(ctx, s); err != nil {
			return nil, err
		}
	}
	plain := with(s.path, encode(s.parsed.Used), "", "")
	var links []link
	var failure error
	add := func(relation string, p place) {
		token, err := d.tokenOf(s, p)
		if err != nil {
			failure = err
			return
		}
		query := ""
		if !s.form {
			query = encode(s.parsed.Used)
		}
		links = append(links, link{relation: relation, url: with(s.path, query, pageParam, token)})
	}
	if s.paged {
		add("self", s.place)
	} else {
		links = append(links, link{relation: "self", url: plain, private: s.form})
	}
	switch {
	case !s.form:
		links = append(links, link{relation: "first", url: plain})
	case s.kept != nil:
		add("first", s.place.at(""))
	}
	if previous, ok := s.previous(found); ok {
		add("previous", previous)
	}
	if next, ok := s.next(found); ok {
		add("next", next)
	}
	return links, failure
}

// next is the place of the page that follows: the rest of what is included with these matches, or the matches behind
// them.
func (s *search) next(found found) (place, bool) {
	if found.included.more {
		return s.place.among(found.page.After, len(found.page.Versions), found.included.to, false), true
	}
	return s.place.at(found.page.Next), found.page.Next != ""
}

// previous is the place of the page before.
func (s *search) previous(found found) (place, bool) {
	if found.included.from > 0 {
		return s.place.among(found.page.After, len(found.page.Versions), found.included.from, true), true
	}
	return s.place.before(found.page.After), found.page.After != ""
}

func (d *Door) tokenOf(s *search, p place) (string, error) {
	if s.form {
		return p.seal(s.kept)
	}
	return p.open(s.identity(d.Tenant)), nil
}
