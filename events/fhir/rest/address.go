package rest

import (
	"cmp"
	"net/http"
	"net/url"
	"strings"

	"binnacle/events"
)

// Address tells the base URL that clients see, for the links in answers: from configuration, else from what the proxies in front
// say (Forwarded of RFC 7239, X-Forwarded-*), else from the request.
type Address struct {
	scheme, host, prefix string // of the configured public URL; empty: ask the request. prefix is the path before base
	fixed                bool
	base                 string // the path of the FHIR root on this node: "/fhir"
}

// NewAddress reads the configured public URL, the whole FHIR root as clients see it: "https://example.org/ehr/fhir"; empty: what
// proxies or the request say. base is the path of the FHIR root on this node. An error is of kind Invalid.
func NewAddress(public, base string) (Address, error) {
	if public == "" {
		return Address{base: base}, nil
	}
	u, err := url.Parse(public)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || !IsHost(u.Host) || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return Address{}, events.Errorf(events.Invalid, "rest.NewAddress", "the public URL %q is no base URL; write it as https://example.org%s", public, base)
	}
	path := strings.TrimRight(u.EscapedPath(), "/")
	prefix, found := strings.CutSuffix(path, base)
	if !found {
		return Address{}, events.Errorf(events.Invalid, "rest.NewAddress", "the public URL %q does not end with the base path %q; a proxy may add a prefix, not replace the base", public, base)
	}
	return Address{scheme: u.Scheme, host: u.Host, prefix: prefix, fixed: true, base: base}, nil
}

// Resolve writes scheme and host as the client sees them into r.URL, and the path that a proxy has cut off into the one header
// X-Forwarded-Prefix, so that every handler behind finds them in one place.
func (a *Address) Resolve(r *http.Request) {
	if a.fixed {
		r.URL.Scheme, r.URL.Host = a.scheme, a.host
		setPrefix(r.Header, a.prefix)
		return
	}
	scheme, host := "http", r.Host
	if r.TLS != nil {
		scheme = "https"
	}
	prefix := ""
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
	r.URL.Scheme, r.URL.Host = scheme, host
	setPrefix(r.Header, prefix)
}

// Root is the FHIR root as the client sees it, without a slash at its end. r has come through [Address.Resolve]; of one that has not,
// and does not tell its host, it is the path alone.
func Root(r *http.Request, base string) string {
	tenancy, _ := TenancyOf(r.Context())
	if r.URL.Host == "" {
		return tenancy.Prefix + base
	}
	return r.URL.Scheme + "://" + r.URL.Host + r.Header.Get("X-Forwarded-Prefix") + tenancy.Prefix + base
}

func setPrefix(header http.Header, prefix string) {
	switch {
	case prefix != "":
		header.Set("X-Forwarded-Prefix", prefix)
	case len(header["X-Forwarded-Prefix"]) > 0:
		header.Del("X-Forwarded-Prefix")
	}
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

// IsHost tells whether s may stand in a link as host or host:port; it keeps anything else that a client sends out of answers.
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
