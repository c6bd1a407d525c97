package readapi

import (
	"bytes"
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"binnacle/events"
	documents "binnacle/events/fhir"
	"binnacle/events/fhir/rest"
	"binnacle/readapi/fhir"
)

//go:embed view.html
var viewTemplate string

//go:embed style.css
var style string

const contentTypeHTML = "text/html; charset=utf-8"

// viewBound is the largest answer that is shown as a page, bytes. The page is some times as large, and in memory as a
// whole.
const viewBound = 2 << 20

// pages are what people see.
type pages struct {
	start, view *template.Template
	style       template.HTML
	policy      string // the Content-Security-Policy of every page
}

// inlined is a style sheet as it stands in a page, and the policy that allows it and nothing else: no script, no
// frame, no form, no other host.
func inlined(css string) (element template.HTML, policy string) {
	sum := sha256.Sum256([]byte(css))
	return template.HTML("<style>" + css + "</style>"), //nolint:gosec // a constant of the program
		"default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) +
			"'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
}

// protect sets what keeps a page from doing more than being looked at. A page's address may tell of a patient: no
// link passes it on.
func (p *pages) protect(header http.Header) {
	header.Set("Content-Security-Policy", p.policy)
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Referrer-Policy", "no-referrer")
}

// serveView answers with a page that shows what is answered otherwise.
func (s *Server) serveView(w http.ResponseWriter, r *http.Request) {
	inner := r.Clone(context.WithValue(r.Context(), asPage{}, true))
	inner.Header.Del("If-None-Match") // the page has no tag of its own: that of the JSON says nothing of it
	inner.Header.Del("If-Modified-Since")
	answer := &captured{header: w.Header(), status: http.StatusOK}
	s.engine.ServeHTTP(answer, inner)
	s.show(w, inner, answer)
}

// asPage is the context key of requests whose answer is shown as a page, whatever they accept.
type asPage struct{}

// captured keeps an answer to make a page of it.
type captured struct {
	header http.Header
	status int
	body   bytes.Buffer
	over   bool // the body is larger than a page may be, and is not all there
}

func (c *captured) Header() http.Header    { return c.header }
func (c *captured) WriteHeader(status int) { c.status = status }
func (c *captured) Flush()                 {}

func (c *captured) Write(data []byte) (int, error) {
	if c.over = c.over || c.body.Len()+len(data) > viewBound; !c.over {
		c.body.Write(data)
	}
	return len(data), nil
}

// namedLink is a link with its words.
type namedLink struct{ Text, URL string }

// view is what the template of a page shows; what was answered follows below it.
type view struct {
	Style         template.HTML
	Title, Note   string
	Bad           bool
	Crumbs, Links []namedLink
}

// show writes an answer as a page.
func (s *Server) show(w http.ResponseWriter, r *http.Request, answer *captured) {
	header := w.Header()
	base := s.address.Root(r)
	below := strings.TrimPrefix(r.URL.Path, s.base)
	v := view{Style: s.pages.style, Title: strings.TrimPrefix(below, "/"), Bad: answer.status >= http.StatusBadRequest}
	v.Crumbs = []namedLink{{"Binnacle", s.address.Prefix(r) + "/"}}
	path := base
	for segment := range strings.SplitSeq(strings.TrimPrefix(below, "/"), "/") {
		path += "/" + url.PathEscape(segment)
		v.Crumbs = append(v.Crumbs, namedLink{segment, path})
	}
	switch {
	case below == "":
		v.Title, v.Crumbs = "All types", v.Crumbs[:1]
	case v.Bad:
		v.Title = fmt.Sprintf("%d %s", answer.status, http.StatusText(answer.status))
	}
	query := ""
	for pair := range strings.SplitSeq(r.URL.RawQuery, "&") {
		if _, format, _ := rest.Param(pair, "_format"); pair != "" && !format {
			query += pair + "&"
		}
	}
	plain := base + (&url.URL{Path: below}).EscapedPath() + "?" + query + "_format="
	v.Links = []namedLink{{"JSON", plain + "json"}, {"XML", plain + "xml"}}
	var root documents.Node
	document, err := documents.Parse(answer.body.Bytes())
	switch {
	case answer.over:
		v.Note = fmt.Sprintf("This answer is larger than %d MiB, too large for a page: take the JSON, or ask for "+
			"less with _count.", viewBound>>20)
	case err != nil:
		v.Note = "This answer is no JSON: take it as it is."
	default:
		root = document.Root()
		v.Links = append(v.Links, s.linksOf(root, base)...)
	}
	var page bytes.Buffer
	if err := s.pages.view.Execute(&page, v); err != nil {
		rest.Refuse(w, events.Wrap(events.Internal, "readapi.show", err, "a page"))
		return
	}
	if root.Exists() {
		p := printer{out: &page, base: base, known: s.catalog.Known}
		page.WriteString("<pre>")
		p.value(root, "", "\n")
		page.WriteString("</pre>\n")
	}
	page.WriteString("</body>\n</html>\n")
	for _, name := range []string{"ETag", "Last-Modified", "Content-Length"} { // they speak of the JSON
		header.Del(name)
	}
	s.pages.protect(header)
	writePlain(w, answer.status, contentTypeHTML, page.Bytes())
}

// linksOf are the links that a document offers: the pages of a bundle, the history of a resource.
func (s *Server) linksOf(root documents.Node, base string) (links []namedLink) {
	kind, id := root.Get("resourceType").Text(), root.Get("id").Text()
	if kind != "Bundle" || !root.Get("link").Exists() {
		if s.catalog.Known(kind) && documents.IsID(id) && root.Get("meta").Get("versionId").Exists() {
			links = append(links, namedLink{"history", base + "/" + kind + "/" + id + "/_history"})
			if kind == fhir.BinaryType { // elsewhere a browser is shown what it holds
				links = append(links, namedLink{"content", base + "/" + kind + "/" + id + "/_history/" +
					url.PathEscape(root.Get("meta").Get("versionId").Text())})
			}
		}
		return links
	}
	for link := range root.Get("link").Items() {
		if to := link.Get("url").Text(); isBelow(to, base) {
			links = append(links, namedLink{link.Get("relation").Text(), to})
		}
	}
	return links
}

// isBelow tells whether a URL is the FHIR root or below it.
func isBelow(address, base string) bool {
	rest, found := strings.CutPrefix(address, base)
	return found && (rest == "" || rest[0] == '/' || rest[0] == '?')
}

// printer writes a document with indentation and links. Scalars are written as they stand in the document, everything
// is escaped.
type printer struct {
	out   *bytes.Buffer
	base  string
	known func(resourceType string) bool
}

// value writes n, the member key of its object; line is a line's end with the indentation of n.
func (p *printer) value(n documents.Node, key, line string) {
	switch n.Kind() {
	case documents.Object:
		p.out.WriteByte('{')
		separator := ""
		for name, member := range n.Fields() {
			p.out.WriteString(separator + line + `  <span class="k">`)
			template.HTMLEscape(p.out, strconv.AppendQuote(nil, name))
			p.out.WriteString("</span>: ")
			p.value(member, name, line+"  ")
			separator = ","
		}
		if separator != "" {
			p.out.WriteString(line)
		}
		p.out.WriteByte('}')
	case documents.Array:
		p.out.WriteByte('[')
		separator := ""
		for item := range n.Items() {
			p.out.WriteString(separator + line + "  ")
			p.value(item, key, line+"  ")
			separator = ","
		}
		if separator != "" {
			p.out.WriteString(line)
		}
		p.out.WriteByte(']')
	default:
		address := ""
		if n.Kind() == documents.String {
			address = p.address(key, n.Text())
		}
		if address == "" {
			template.HTMLEscape(p.out, n.Raw())
			return
		}
		p.out.WriteString(`<a href="` + template.HTMLEscapeString(address) + `">`)
		template.HTMLEscape(p.out, n.Raw())
		p.out.WriteString("</a>")
	}
}

// address is where a text leads to on this server; "" when it leads nowhere. Nothing leads to another host.
func (p *printer) address(key, text string) string {
	if isBelow(text, p.base) {
		return text
	}
	if key != "reference" && key != "location" && key != "url" {
		return ""
	}
	parts := strings.Split(text, "/")
	versioned := len(parts) == 4 && parts[2] == "_history" && documents.IsID(parts[3])
	if len(parts) != 2 && !versioned || !p.known(parts[0]) || !documents.IsID(parts[1]) ||
		key == "url" && parts[0] != fhir.BinaryType { // of an attachment
		return ""
	}
	return p.base + "/" + text
}
