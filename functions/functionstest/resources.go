package functionstest

import (
	"fmt"
	"strings"
)

// EntryOf writes one entry of a bundle; parts that are empty are left out.
func EntryOf(fullURL, method, url, resource string, more ...string) string {
	var b strings.Builder
	b.WriteByte('{')
	if fullURL != "" {
		fmt.Fprintf(&b, `"fullUrl":%q,`, fullURL)
	}
	if resource != "" {
		fmt.Fprintf(&b, `"resource":%s,`, resource)
	}
	fmt.Fprintf(&b, `"request":{"method":%q,"url":%q`, method, url)
	for _, m := range more {
		b.WriteByte(',')
		b.WriteString(m)
	}
	b.WriteString("}}")
	return b.String()
}

func BundleOf(kind string, entries ...string) string {
	return fmt.Sprintf(`{"resourceType":"Bundle","type":%q,"entry":[%s]}`, kind, strings.Join(entries, ","))
}

func Observation(more string) string {
	return `{"resourceType":"Observation","status":"final","code":{"text":"x"}` + more + `}`
}

// NameOf makes "Type/id" of a location.
func NameOf(location string) string {
	rest := strings.TrimPrefix(location, Base+"/")
	name, _, _ := strings.Cut(rest, "/_history/")
	return name
}

// Patient is a small resource with one identifier.
func Patient(id, identifier string) string {
	if id != "" {
		id = fmt.Sprintf(`"id":%q,`, id)
	}
	return fmt.Sprintf(`{"resourceType":"Patient",%s"identifier":[{"system":"urn:s","value":%q}],"active":true}`, id,
		identifier)
}
