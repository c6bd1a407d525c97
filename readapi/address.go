package readapi

import (
	"cmp"
	"net/http"
	"net/url"
	"strings"

	"binnacle/events"
)

// address tells the base URL that clients see, for the links in answers: from configuration, else from what the proxies in front
// say (Forwarded of RFC 7239, X-Forwarded-*), else from the request.
type address struct {
	scheme, host, prefix string // of the configured public URL; empty: ask the request. prefix is the path before base
	fixed                bool
	base                 string // the path of the FHIR root on this node: "/fhir"
}

// newAddress reads the configured public URL, the whole FHIR root as clients see it: "https://example.org/ehr/fhir".
func newAddress(public, base string) (address, error) {
	if public == "" {
		return address{base: base}, nil
	}
	u, err := url.Parse(public)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || !isHost(u.Host) || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return address{}, events.Errorf(events.Invalid, "readapi.New", "the public URL %q is no base URL; write it as https://example.org%s", public, base)
	}
	path := strings.TrimRight(u.EscapedPath(), "/")
	prefix, found := strings.CutSuffix(path, base)
	if !found {
		return address{}, events.Errorf(events.Invalid, "readapi.New", "the public URL %q does not end with the base path %q; a proxy may add a prefix, not replace the base", public, base)
	}
	return address{scheme: u.Scheme, host: u.Host, prefix: prefix, fixed: true, base: base}, nil
}

// resolve writes scheme and host as the client sees them into r.URL, and the path that a proxy has cut off into the one header
// X-Forwarded-Prefix, so that every handler behind finds them in one place.
func (a *address) resolve(r *http.Request) {
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
		if isScheme(forwardedProto) {
			scheme = forwardedProto
		}
		if isHost(forwardedHost) {
			host = forwardedHost
		}
	} else {
		if proto := strings.ToLower(firstOf(r.Header["X-Forwarded-Proto"])); isScheme(proto) {
			scheme = proto
		}
		if forwardedHost := firstOf(r.Header["X-Forwarded-Host"]); isHost(forwardedHost) {
			host = forwardedHost
		}
	}
	if cut := strings.TrimRight(firstOf(r.Header["X-Forwarded-Prefix"]), "/"); isPrefix(cut) {
		prefix = cut
	}
	if !isHost(host) {
		host = "localhost"
	}
	r.URL.Scheme, r.URL.Host = scheme, host
	setPrefix(r.Header, prefix)
}

// baseURL is the FHIR root of a resolved request, without a slash at its end.
func (a *address) baseURL(r *http.Request) string {
	tenancy, _ := events.TenancyOf(r.Context())
	return r.URL.Scheme + "://" + r.URL.Host + r.Header.Get("X-Forwarded-Prefix") + tenancy.Prefix + a.base
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

func isScheme(s string) bool { return s == "http" || s == "https" }

// isHost tells whether s may stand in a link as host or host:port; it keeps anything else that a client sends out of answers.
func isHost(s string) bool {
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
