package rest

import (
	"cmp"
	"context"
	"net/http"
	"net/url"
	"strings"

	"binnacle/events"
)

// Ask is what is asked: by a request, or by an entry of a bundle.
type Ask struct {
	Place
	Query       string // the parameters as they came
	Tenant      string // "": that of requests that name none
	Root        string // the FHIR root as the client sees it, without a slash at its end
	ContentType string // of the answer; "": the client accepts nothing that is offered
	Accepts     string // the media types that the client accepts, as it says it; see [Ask.Bytes]
	Pretty      bool   // people are to read the JSON of the answer
	Prefer      Preferences
	Unawaited   bool             // of a write: the answer is that it is in the log
	FormOnly    bool             // what is wrong by its form is refused; nothing else is done, and nothing answered
	Later       bool             // nobody holds a connection until the answer: it may take longer than others
	Copy        Copy             // of a read: what the client has
	Reach       *events.Position // of a read: what the answer must have reached; nil: it need not
}

// Ask reads what a request asks for, but for what only a read asks.
func (a *Address) Ask(r *http.Request) *Ask {
	tenancy, _ := TenancyOf(r.Context())
	ask := &Ask{Query: r.URL.RawQuery, Tenant: tenancy.Tenant, Root: a.root(r, tenancy)}
	ask.readWishes(r)
	return ask
}

// readHeaders reads what a read asks by headers of its own. An error is of kind Invalid.
func (ask *Ask) readHeaders(header http.Header) error {
	ask.Copy = CopyOf(header)
	wanted := header.Get(HeaderMinPosition)
	if wanted == "" {
		return nil
	}
	position, err := events.ParsePosition(strings.TrimSpace(wanted))
	ask.Reach = &position
	return err
}

// Tenancy says which tenant a request is about. It travels in the request's context from the outer door to the
// handlers behind it.
type Tenancy struct {
	Tenant string
	Prefix string // of the FHIR root's path, between what a proxy takes off and the base: "" or "/t/clinic"
}

type tenancyKey struct{}

// WithTenancy returns a context that carries a tenancy.
func WithTenancy(ctx context.Context, tenancy Tenancy) context.Context {
	return context.WithValue(ctx, tenancyKey{}, tenancy)
}

// TenancyOf returns the tenancy that a context carries; false when it carries none.
func TenancyOf(ctx context.Context) (Tenancy, bool) {
	tenancy, found := ctx.Value(tenancyKey{}).(Tenancy)
	return tenancy, found
}

// Address tells the base URL that clients see, for the links in answers: from configuration, else from what the
// proxies in front say (Forwarded of RFC 7239, X-Forwarded-*), else from the request.
type Address struct {
	scheme, host, prefix string // of the configured public URL; empty: ask the request. prefix is the path before base
	fixed                bool
	base                 string // the path of the FHIR root on this node: "/fhir"
}

// NewAddress reads the configured public URL, the whole FHIR root as clients see it: "https://example.org/ehr/fhir";
// empty: what proxies or the request say. base is the path of the FHIR root on this node. An error is of kind
// Invalid.
func NewAddress(public, base string) (Address, error) {
	if public == "" {
		return Address{base: base}, nil
	}
	u, err := url.Parse(public)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || !IsHost(u.Host) || u.RawQuery != "" ||
		u.Fragment != "" || u.User != nil {
		return Address{}, events.Errorf(events.Invalid, "rest.NewAddress",
			"the public URL %q is no base URL; write it as https://example.org%s", public, base)
	}
	path := strings.TrimRight(u.EscapedPath(), "/")
	prefix, found := strings.CutSuffix(path, base)
	if !found {
		return Address{}, events.Errorf(events.Invalid, "rest.NewAddress",
			"the public URL %q does not end with the base path %q; a proxy may add a prefix, not replace the base",
			public, base)
	}
	return Address{scheme: u.Scheme, host: u.Host, prefix: prefix, fixed: true, base: base}, nil
}

// Root is the FHIR root as the client sees it, without a slash at its end.
func (a *Address) Root(r *http.Request) string {
	tenancy, _ := TenancyOf(r.Context())
	return a.root(r, tenancy)
}

func (a *Address) root(r *http.Request, tenancy Tenancy) string {
	scheme, host, prefix := a.seen(r)
	return scheme + "://" + host + prefix + tenancy.Prefix + a.base
}

// Prefix is what a proxy has cut off the path, without a slash at its end.
func (a *Address) Prefix(r *http.Request) string {
	_, _, prefix := a.seen(r)
	return prefix
}

// seen tells scheme and host as the client sees them, and the path that a proxy has cut off.
func (a *Address) seen(r *http.Request) (scheme, host, prefix string) {
	if a.fixed {
		return a.scheme, a.host, a.prefix
	}
	scheme, host = "http", r.Host
	if r.TLS != nil {
		scheme = "https"
	}
	if forwarded := r.Header["Forwarded"]; len(forwarded) > 0 {
		forwardedProto, forwardedHost := readForwarded(forwarded[0])
		if IsScheme(forwardedProto) {
			scheme = forwardedProto
		}
		if IsHost(forwardedHost) {
			host = forwardedHost
		}
	} else {
		if proto := strings.ToLower(firstOf(r.Header["X-Forwarded-Proto"])); IsScheme(proto) {
			scheme = proto
		}
		if forwardedHost := firstOf(r.Header["X-Forwarded-Host"]); IsHost(forwardedHost) {
			host = forwardedHost
		}
	}
	if cut := strings.TrimRight(firstOf(r.Header["X-Forwarded-Prefix"]), "/"); isPrefix(cut) {
		prefix = cut
	}
	if !IsHost(host) {
		host = "localhost"
	}
	return scheme, host, prefix
}

// readForwarded reads proto and host of a Forwarded header: of the proxy nearest to the client that tells them.
func readForwarded(line string) (proto, host string) {
	for element := range strings.SplitSeq(line, ",") {
		for pair := range strings.SplitSeq(element, ";") {
			name, value, _ := strings.Cut(pair, "=")
			value = strings.Trim(strings.TrimSpace(value), `"`)
			switch strings.ToLower(strings.TrimSpace(name)) {
			case "proto":
				proto = cmp.Or(proto, strings.ToLower(value))
			case "host":
				host = cmp.Or(host, value)
			}
		}
	}
	return proto, host
}

func firstOf(lines []string) string {
	if len(lines) == 0 {
		return ""
	}
	first, _, _ := strings.Cut(lines[0], ",")
	return strings.TrimSpace(first)
}

// IsScheme tells whether s is a scheme that a server of FHIR is reached by.
func IsScheme(s string) bool { return s == "http" || s == "https" }

// IsHost tells whether s may stand in a link as host or host:port; it keeps anything else that a client sends out of
// answers.
func IsHost(s string) bool {
	if s == "" || len(s) > 255 {
		return false
	}
	for i := range len(s) {
		c := s[i]
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', strings.IndexByte(".-_:[]", c) >= 0:
		default:
			return false
		}
	}
	return true
}

// isPrefix tells whether s is a plain absolute path.
func isPrefix(s string) bool {
	if len(s) < 2 || len(s) > 255 || s[0] != '/' || s[1] == '/' {
		return false
	}
	for i := range len(s) {
		c := s[i]
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', strings.IndexByte("/.-_~", c) >= 0:
		default:
			return false
		}
	}
	return true
}
