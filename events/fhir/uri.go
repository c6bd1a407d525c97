package fhir

import "strings"

// Below cuts the base URL of a server off a URL, however scheme, host and port are written (RFC 3986, section 6.2.2.1
// and 6.2.3). What is left begins with a slash, a question mark or #, or is empty; own is false, and rest the whole
// text, for what is not under the base.
func Below(text, base string) (rest string, own bool) {
	rest, own = strings.CutPrefix(text, base)
	if !own {
		origin, path := cutOrigin(text)
		of, root := cutOrigin(base)
		if of == "" || origin == "" || !sameOrigin(origin, of) {
			return text, false
		}
		rest, own = strings.CutPrefix(path, root)
	}
	if own && (rest == "" || strings.IndexByte("/?#", rest[0]) >= 0) {
		return rest, true
	}
	return text, false
}

// URIKey returns a text that two URIs share when they are the same one in another spelling: scheme and host in lower
// case, without the scheme's own port (RFC 3986, section 6.2.2.1 and 6.2.3), urn and its namespace in lower case (RFC
// 8141, section 3.1), and all of a UUID (RFC 9562, section 4).
func URIKey(uri string) string {
	if isURN(uri) {
		return urnKey(uri)
	}
	if origin, path := cutOrigin(uri); origin != "" {
		return originKey(origin) + path
	}
	return uri
}

func isURN(uri string) bool { return len(uri) >= 4 && strings.EqualFold(uri[:4], "urn:") }

// IsPlaceholder tells whether a URI is of the forms by which the entries of a bundle name each other before they have
// ids.
func IsPlaceholder(uri string) bool { return isURNOf(uri, "uuid") || isURNOf(uri, "oid") }

// isURNOf tells whether a URI is a URN of a namespace.
func isURNOf(uri, namespace string) bool {
	rest, _ := cutFold(uri, "urn:")
	rest, of := cutFold(rest, namespace+":")
	return of && rest != ""
}

func cutFold(text, prefix string) (rest string, found bool) {
	if len(text) < len(prefix) || !strings.EqualFold(text[:len(prefix)], prefix) {
		return text, false
	}
	return text[len(prefix):], true
}

func urnKey(uri string) string {
	if isURNOf(uri, "uuid") {
		id, fragment, found := strings.Cut(uri, "#")
		if id = strings.ToLower(id); found {
			return id + "#" + fragment
		}
		return id
	}
	namespace := strings.IndexByte(uri[4:], ':')
	if namespace < 0 {
		return uri
	}
	return strings.ToLower(uri[:4+namespace]) + uri[4+namespace:]
}

// cutOrigin splits a URL behind its scheme, host and port; there is no origin where it has no host.
func cutOrigin(text string) (origin, rest string) {
	scheme := strings.Index(text, "://")
	if scheme <= 0 || !isScheme(text[:scheme]) {
		return "", text
	}
	host := scheme + len("://")
	end := strings.IndexAny(text[host:], "/?#")
	if end < 0 {
		return text, ""
	}
	return text[:host+end], text[host+end:]
}

func sameOrigin(a, b string) bool { return a == b || originKey(a) == originKey(b) }

func originKey(origin string) string {
	scheme, host, _ := strings.Cut(origin, "://")
	scheme = strings.ToLower(scheme)
	if user := strings.LastIndexByte(host, '@'); user >= 0 { // which is no part of the host
		host = host[:user+1] + strings.ToLower(host[user+1:])
	} else {
		host = strings.ToLower(host)
	}
	switch scheme {
	case "http":
		host = strings.TrimSuffix(host, ":80")
	case "https":
		host = strings.TrimSuffix(host, ":443")
	}
	return scheme + "://" + strings.TrimSuffix(host, ":")
}
